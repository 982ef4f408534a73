"""When a pipeline is due: from a declared cron expression or period, or learnt from when it used to start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from statistics import median
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from exporter.domain.events import Schedule

LEAST_STARTS = 6
"""Starts needed before a period is believed in."""

LEAST_PERIOD = timedelta(seconds=30)
"""Starts closer together than this are a burst, such as a backfill: nothing is late when it is over."""

MOST_SPREAD = 0.15
"""Largest spread of a learnt period, as a part of it."""

LEAST_GRACE = timedelta(seconds=30)
GRACE_OF_PERIOD = 0.2
LEARNT_GRACE_OF_PERIOD = 0.5


class BadSchedule(ValueError):
    """A schedule that cannot be followed; says which field and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Cadence:
    """A schedule that can be followed: due times, and how late a start may be. `learnt` if nobody declared it."""

    cron: str | None
    every: timedelta | None
    zone: ZoneInfo
    grace: timedelta | None
    learnt: bool = False

    def next_after(self, moment: datetime) -> datetime:
        """First due time after a moment. For a period that moment must be the last due time or start."""
        if self.every is not None:
            return moment + self.every
        assert self.cron is not None
        due: datetime = next(CronSim(self.cron, moment.astimezone(self.zone)))
        return due.astimezone(moment.tzinfo)

    @property
    def longest_gap(self) -> timedelta:
        """The longest time between two due times: of a cron expression within its first hundred of a year."""
        if self.every is not None:
            return self.every
        assert self.cron is not None
        return _longest_gap(self.cron, self.zone)

    def grace_after(self, due: datetime) -> timedelta:
        """How much later than due a start is still in time: told, or a part of the time to the next one."""
        if self.grace is not None:
            return self.grace
        part = LEARNT_GRACE_OF_PERIOD if self.learnt else GRACE_OF_PERIOD
        return max(LEAST_GRACE, (self.next_after(due) - due) * part)


@lru_cache(maxsize=4096)
def _longest_gap(cron: str, zone: ZoneInfo) -> timedelta:
    due = list(islice(CronSim(cron, datetime(2024, 1, 1, tzinfo=zone)), 100))
    gaps = [(later - earlier) for earlier, later in pairwise(each.astimezone(UTC) for each in due)]
    return max(gaps, default=timedelta(days=366))


def cadence(schedule: Schedule) -> Cadence:
    """Check a declared schedule. Raises BadSchedule."""
    if (schedule.cron is None) == (schedule.every_seconds is None):
        raise BadSchedule("cron", "expected exactly one of cron and every_seconds")
    try:
        zone = ZoneInfo(schedule.timezone)
    except (KeyError, ValueError, OSError) as error:
        raise BadSchedule(
            "timezone", f"unknown time zone {schedule.timezone!r}, expected one like Europe/Berlin"
        ) from error
    grace = None if schedule.grace_seconds is None else timedelta(seconds=schedule.grace_seconds)
    if schedule.every_seconds is not None:
        return Cadence(None, timedelta(seconds=schedule.every_seconds), zone, grace)
    assert schedule.cron is not None
    if not schedule.cron.strip().startswith("@") and len(schedule.cron.split()) != _CRON_FIELDS:
        raise BadSchedule("cron", f"expected {_CRON_FIELDS} fields: minute, hour, day, month, weekday")
    expression = _MACROS.get(schedule.cron.strip().lower(), schedule.cron)
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=zone)))
    except (CronSimError, StopIteration) as error:
        raise BadSchedule(
            "cron", f"cannot be read as a cron expression: {str(error) or 'it never fires'}"
        ) from error
    return Cadence(expression, None, zone, grace)


def learn(starts: Sequence[datetime]) -> Cadence | None:
    """Period of starts (oldest first) that come regularly; None where they do not, or are too few."""
    if len(starts) < LEAST_STARTS:
        return None
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
    usual = median(gaps)
    if usual < LEAST_PERIOD.total_seconds() or median(abs(gap - usual) for gap in gaps) > MOST_SPREAD * usual:
        return None
    return Cadence(None, timedelta(seconds=usual), ZoneInfo("UTC"), None, learnt=True)


_CRON_FIELDS = 5
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
