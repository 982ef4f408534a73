"""When Airflow runs a DAG, read from the DAG's serialized timetable."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Raw, Struct

from exporter.domain.events import Schedule
from exporter.ingest.openlineage.wire import ABSENT, amount, lenient, text

_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_CRON = re.compile(r"^[0-9A-Za-z*/,#?-]+(?: +[0-9A-Za-z*/,#?-]+){4}$")
_ZONE = re.compile(r"^[0-9A-Za-z_+/-]{1,64}$")
_PERIOD = re.compile(
    r"^(?:(?P<days>\d+) days?, )?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.\d+)?$"
)
_DEEPEST = 4


class _Timetable(Struct):
    """A timetable that may wrap another (an asset's or a time's turn). `__var` is how Airflow encodes what it
    wraps."""

    expression: Any = None
    timezone: Any = None
    delta: Any = None
    timetable: Raw = ABSENT


class _Encoded(Struct, rename={"value": "__var"}):
    value: Raw = ABSENT


def schedule(timetable: Raw, summary: object) -> Schedule | None:
    """The schedule of a DAG: from its timetable, else from its summary ("@daily", "1 day, 0:00:00"); None if
    it has none.

    Schedules that are no single cron expression or period (assets, several expressions, a calendar) give
    None, too, and so does a zone that has no name."""
    return _of_timetable(timetable, _DEEPEST) or _of_summary(summary)


def _of_timetable(raw: Raw, depth: int) -> Schedule | None:
    told = lenient(raw, _Timetable)
    if told is None:
        return None
    if told.timetable is not ABSENT and depth:
        encoded = lenient(told.timetable, _Encoded)
        inner = told.timetable if encoded is None or encoded.value is ABSENT else encoded.value
        return _of_timetable(inner, depth - 1)
    zone = text(told.timezone)
    cron = _cron(told.expression)
    if cron is not None:
        return Schedule(cron=cron, timezone=zone) if zone is not None and _ZONE.match(zone) else None
    every = amount(told.delta)
    return Schedule(every_seconds=every) if every else None


def _of_summary(value: object) -> Schedule | None:
    # Airflow 2 before 2.2 and plugins with timetables of their own tell nothing but this, and no zone.
    cron = _cron(value)
    if cron is not None:
        return Schedule(cron=cron)
    period = _PERIOD.match(value) if isinstance(value, str) else None
    if period is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in period.groups())
    every = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return Schedule(every_seconds=float(every)) if 0 < every <= 1e9 else None


def _cron(value: object) -> str | None:
    told = text(value)
    if told is None or len(told) > 128:
        return None
    told = _PRESETS.get(told.strip(), told.strip())
    return told if _CRON.match(told) else None
