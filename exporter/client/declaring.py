"""What a pipeline says of itself before it runs: its graph, schedule, owner."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict

from exporter.client.wording import amount, name, names, shown, text

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
        found["streams"] = names(streams, "streams")
    if found.get("owner") is not None:
        name(found["owner"], "owner")
    if found.get("description") is not None:
        found["description"] = text(found["description"])
    if not isinstance(found.get("paused"), bool | None):
        raise ValueError(f"paused: expected True or False, got {shown(found['paused'])}")
    amount(found.get("llm_budget_usd"), "llm_budget_usd")
    return {key: value for key, value in found.items() if value is not None}


def _stages(stages: Stages) -> list[dict[str, Any]]:
    if isinstance(stages, str | bytes) or not isinstance(stages, Iterable):
        raise ValueError(f"stages: expected names, got {shown(stages)}")
    found: list[dict[str, Any]]
    if isinstance(stages, Mapping):
        found = [{"name": stage, "depends_on": stages[stage] or ()} for stage in stages]
    else:
        found = [_stage(each) for each in stages]
    for stage in found:
        name(stage.get("name", ""), "stages")
        if stage.get("depends_on") is not None:
            stage["depends_on"] = names(stage["depends_on"], "stages: depends_on")
    return found


def _stage(told: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(told, str):
        return {"name": told}
    if not isinstance(told, Mapping):
        raise ValueError(f"stages: expected names or objects, got {shown(told)}")
    return dict(told)


def _schedule(schedule: Schedule) -> dict[str, Any]:
    if isinstance(schedule, str):
        schedule = {"cron": schedule}
    if isinstance(schedule, Mapping):
        if ("cron" in schedule) == ("every_seconds" in schedule):
            raise ValueError(f"schedule: expected either cron or every_seconds, got {shown(schedule)}")
        cron = schedule.get("cron", "@hourly")
        if not isinstance(cron, str) or not (cron.startswith("@") or len(cron.split()) == 5):
            raise ValueError(f"schedule: expected a cron expression of five fields, got {shown(cron)}")
        _check_ranges(cron)
        _check_zone(schedule.get("timezone"))
        return dict(schedule)
    seconds = schedule.total_seconds() if isinstance(schedule, timedelta) else schedule
    if not amount(seconds, "schedule", 1e9):
        raise ValueError(f"schedule: expected a period above 0, got {shown(schedule)}")
    return {"every_seconds": float(seconds)}


_RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
_NUMBERS = re.compile(r"(\d+)(?:-(\d+))?(?:/\d+)?")


def _check_ranges(cron: str) -> None:
    """Numbers alone: the server, which is to follow the expression, judges the rest."""
    for (field, (least, most)), told in zip(_RANGES.items(), cron.split(), strict=False):
        for part in told.split(","):
            found = _NUMBERS.fullmatch(part)
            for number in found.groups() if found is not None else ():
                if number is not None and not least <= int(number) <= most:
                    raise ValueError(
                        f"schedule: expected a {field} from {least} to {most}, got {number} in {shown(cron)}"
                    )


def _check_zone(zone: object) -> None:
    if zone is None:
        return
    if not isinstance(zone, str):
        raise ValueError(f"schedule: timezone: expected text, got {shown(zone)}")
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - few programs need it

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        if available_timezones():  # else no zone is known here; the server knows them
            raise ValueError(
                f"schedule: timezone: expected one like Europe/Berlin, got {shown(zone)}"
            ) from error
