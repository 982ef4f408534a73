"""Schedules learnt from starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exporter.domain.schedule import learn

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def starts(every: timedelta) -> list[datetime]:
    return [BEGIN + every * number for number in range(20)]


def test_a_period_of_a_minute_is_learnt() -> None:
    learnt = learn(starts(timedelta(minutes=1)))
    assert learnt is not None
    assert learnt.every == timedelta(minutes=1)


def test_a_burst_of_starts_is_no_schedule() -> None:
    assert learn(starts(timedelta(seconds=1))) is None
