"""dbt's run_results.json, joined with the manifest.json beside it, as one document.

What they hold: https://docs.getdbt.com/reference/artifacts/run-results-json and
https://docs.getdbt.com/reference/artifacts/manifest-json. A manifest can be far larger than all else that is read
here, so that only what is wanted of it is kept.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

MOST_MANIFEST_BYTES = 256 * 1024 * 1024
"""Size of a manifest; a larger one is passed over."""

_GOOD = frozenset({"success", "pass", "warn", "no-op"})
_SELECTION = ("select", "exclude", "selector", "resource_types", "full_refresh", "empty")
_KIND = re.compile(r"(\w+ Error)\b")
_MOST_SECONDS = 1e9
_TESTS = ("test", "unit_test")


class _Timing(Struct):
    started_at: datetime | None = None
    completed_at: datetime | None = None


class _Result(Struct):
    unique_id: str
    status: str
    timing: list[_Timing] = []
    execution_time: float | None = None
    message: str | None = None
    failures: int | None = None
    adapter_response: dict[str, Any] | None = None
    relation_name: str | None = None


class _Metadata(Struct):
    invocation_id: str
    generated_at: datetime
    invocation_started_at: datetime | None = None
    dbt_version: str | None = None


class _Results(Struct):
    metadata: _Metadata
    results: list[_Result]
    elapsed_time: float = 0.0
    args: dict[str, Any] = {}


class _Project(Struct):
    project_name: str | None = None


class _Node(Struct):
    name: str | None = None


class _Manifest(Struct):
    metadata: _Project = msgspec.field(default_factory=_Project)
    parent_map: dict[str, list[str]] = {}
    nodes: dict[str, _Node] = {}
    unit_tests: dict[str, _Node] = {}


def document(path: Path) -> dict[str, Any]:
    """An invocation and its nodes, of a run_results.json. Raises OSError, ValueError."""
    try:
        told = msgspec.json.decode(path.read_bytes(), type=_Results)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not what dbt writes: {error}") from error
    manifest = _manifest(path.with_name("manifest.json"))
    ran = {result.unique_id for result in told.results}
    nodes = [_node(result, manifest, ran) for result in told.results]
    started = told.metadata.invocation_started_at
    elapsed = timedelta(seconds=max(0.0, min(told.elapsed_time, _MOST_SECONDS)))
    return {
        "invocation_id": told.metadata.invocation_id,
        "project": manifest.metadata.project_name or _project(told.results),
        "status": "failed" if any(_is_failing(result) for result in told.results) else "success",
        "started_at": started or told.metadata.generated_at - elapsed,
        "ended_at": told.metadata.generated_at,
        "dbt_version": told.metadata.dbt_version,
        "command": told.args.get("which"),
        "target": told.args.get("target"),
        # Variables are left out: they may be secret.
        "selection": {name: value for name in _SELECTION if (value := told.args.get(name))},
        "nodes": nodes,
    }


def _is_failing(result: _Result) -> bool:
    """As dbt itself decides which exit code it has: skipping counts, but for exposures, which are never run."""
    if result.status == "skipped":
        return not result.unique_id.startswith("exposure.")
    return result.status not in _GOOD


def _node(result: _Result, manifest: _Manifest, ran: set[str]) -> dict[str, Any]:
    resource = result.unique_id.partition(".")[0]
    started, ended = _times(result)
    rows = (result.adapter_response or {}).get("rows_affected")
    known = manifest.nodes.get(result.unique_id) or manifest.unit_tests.get(result.unique_id)
    failed = result.status not in _GOOD and result.status != "skipped"
    is_test = resource in _TESTS
    message = result.message or f"{result.unique_id}: {result.status}"
    return {
        "unique_id": result.unique_id,
        "name": None if known is None else known.name,
        "resource": resource,
        "status": result.status,
        "started_at": started,
        "ended_at": ended,
        "rows": rows if isinstance(rows, int) and rows >= 0 else None,
        "relation": result.relation_name if result.status == "success" else None,
        "failures": result.failures if is_test and result.status in ("pass", "warn", "fail") else None,
        "warning": message if result.status == "warn" else None,
        "error": _error(message, is_test=is_test) if failed else None,
        "depends_on": [parent for parent in manifest.parent_map.get(result.unique_id, ()) if parent in ran],
    }


def _times(result: _Result) -> tuple[datetime | None, datetime | None]:
    """When a node began and ended. Its own time is longer than that of its parts: it gives back its connection."""
    started = min((timing.started_at for timing in result.timing if timing.started_at), default=None)
    ended = max((timing.completed_at for timing in result.timing if timing.completed_at), default=None)
    if started is not None and result.execution_time is not None:
        later = started + timedelta(seconds=max(0.0, min(result.execution_time, _MOST_SECONDS)))
        ended = later if ended is None else max(ended, later)
    return started, ended


def _error(message: str, *, is_test: bool) -> dict[str, str | None]:
    """A test that fails has found something out about the data. One that breaks tells so in its first words."""
    found = _KIND.match(message)
    kind = found[1].replace(" ", "") if found else "TestFailed" if is_test else None
    return {"message": message, "type": kind, "category": "data_quality" if kind == "TestFailed" else None}


def _project(results: list[_Result]) -> str | None:
    """The project of the first node: the second part of its id."""
    return next((part for result in results if (part := result.unique_id.split(".")[1:2])), [None])[0]


def _manifest(path: Path) -> _Manifest:
    """The manifest, or nothing of it if there is none that can be read: dbt may be writing it."""
    try:
        if path.stat().st_size > MOST_MANIFEST_BYTES:
            return _Manifest()
        return msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError):
        return _Manifest()
