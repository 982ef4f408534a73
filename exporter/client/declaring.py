"""What a pipeline says of itself before it runs: its graph, schedule, owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict

from exporter.client.wording import amount, name

Stages = Mapping[str, Sequence[str]] | Sequence[str | Mapping[str, Any]]
"""Names with those that each depends on, or a list of names or of objects as in the event."""

Schedule = str | float | timedelta | Mapping[str, Any]
"""A cron expression, a period (in seconds), or an object as in the event, with time zone and grace."""


class Declaration(TypedDict, total=False):
    """What is left out stays as it was declared before."""

    owner: str
    description: str
    stages: Stages
    streams: Sequence[str]
    schedule: Schedule
    paused: bool
    llm_budget_usd: float


def declared(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the event. Raises ValueError naming the argument that is wrong."""
    found = dict(facts)
    if (stages := found.get("stages")) is not None:
        found["stages"] = _stages(stages)
    if (schedule := found.get("schedule")) is not None:
        found["schedule"] = _schedule(schedule)
    if (streams := found.get("streams")) is not None:
        found["streams"] = [each for each in streams if name(each, "streams")]
    if found.get("owner") is not None:
        name(found["owner"], "owner")
    amount(found.get("llm_budget_usd"), "llm_budget_usd")
    return {key: value for key, value in found.items() if value is not None}


def _stages(stages: Stages) -> list[dict[str, Any]]:
    if isinstance(stages, str):
        raise ValueError(f"stages: expected names, got {stages!r}")
    if isinstance(stages, Mapping):
        found = [{"name": stage, "depends_on": list(above)} for stage, above in stages.items()]
    else:
        found = [{"name": each} if isinstance(each, str) else dict(each) for each in stages]
    for stage in found:
        name(stage.get("name", ""), "stages")
        for each in stage.get("depends_on", ()):
            name(each, "stages: depends_on")
    return found


def _schedule(schedule: Schedule) -> dict[str, Any]:
    if isinstance(schedule, str):
        schedule = {"cron": schedule}
    if isinstance(schedule, Mapping):
        cron = schedule.get("cron", "@hourly")
        if not isinstance(cron, str) or not (cron.startswith("@") or len(cron.split()) == 5):
            raise ValueError(f"schedule: expected a cron expression of five fields, got {cron!r}")
        return dict(schedule)
    seconds = schedule.total_seconds() if isinstance(schedule, timedelta) else schedule
    if not amount(seconds, "schedule", 1e9):
        raise ValueError(f"schedule: expected a period above 0, got {schedule!r}")
    return {"every_seconds": float(seconds)}
