"""Prefect's REST API as far as the preset asks it, over objects that a real server gave: filters, order, pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.sources import STATE

Objects = dict[str, Any]

_ORDERS = {
    "END_TIME_DESC": ("end_time", True),
    "EXPECTED_START_TIME_ASC": ("expected_start_time", False),
    "EXPECTED_START_TIME_DESC": ("expected_start_time", True),
    "TIMESTAMP_DESC": ("timestamp", True),
    "NAME_ASC": ("name", False),
}


def recorded() -> Objects:
    """What a real server held after the flows of tests/state/README.md."""
    told: Objects = json.loads((STATE / "prefect" / "api.json").read_text())
    return told


def answers(held: Objects) -> dict[str, Any]:
    """Answers by path, for `json_server`."""
    found: dict[str, Any] = {
        f"/{kind}/filter": _filtered(held, kind)
        for kind in ("flows", "deployments", "flow_runs", "task_runs", "logs")
    }
    for kind in ("flows", "flow_runs", "task_runs"):
        found |= {f"/{kind}/{one['id']}": one for one in held[kind]}
    states = held["task_run_states"]
    return found | {f"/task_run_states/?task_run_id={run}": told for run, told in states.items()}


def _filtered(held: Objects, kind: str) -> Callable[[Any], Any]:
    def answer(body: Any) -> Any:
        assert body["limit"] <= 200, "Prefect gives no more than 200"
        found = [one for one in held[kind] if _fits(held, one, kind, body)]
        if "sort" in body:
            key, is_descending = _ORDERS[body["sort"]]
            found.sort(key=lambda one: one.get(key) or "", reverse=is_descending)
        start = body.get("offset", 0)
        return found[start : start + body["limit"]]

    return answer


def _fits(held: Objects, one: Any, kind: str, body: Any) -> bool:
    if not _passes(one, body.get(kind, {})):
        return False
    if kind == "task_runs" and "flow_runs" in body:
        return any(
            run["id"] == one["flow_run_id"] and _passes(run, body["flow_runs"]) for run in held["flow_runs"]
        )
    if kind == "deployments":
        return one["flow_id"] in body["flows"]["id"]["any_"]
    return True


def _passes(one: Any, wanted: Any) -> bool:
    state = wanted.get("state", {})
    told = [one[f"state_{key}"] in state[key]["any_"] for key in ("type", "name") if key in state]
    fits = any(told) if state.get("operator") == "or_" else all(told)
    for key in ("id", "flow_run_id"):
        if "any_" in wanted.get(key, {}):
            fits = fits and one.get(key) in wanted[key]["any_"]
        if wanted.get(key, {}).get("is_null_"):
            fits = fits and one.get(key) is None
    return fits and one.get("level", 0) >= wanted.get("level", {}).get("ge_", 0)
