"""History: day by day, the latest first, and none of it twice."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from exporter.demo.event import Event
from exporter.demo.history import Day, History, days
from exporter.demo.pipelines import all_pipelines
from tests.unit.demo.story import NOW, of_type, tell_history, text

MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def two_days() -> list[Event]:
    return tell_history(2 * DAY)


def test_days_end_at_midnight_and_the_latest_comes_first() -> None:
    assert days(NOW - DAY, NOW) == [Day(MIDNIGHT, NOW), Day(NOW - DAY, MIDNIGHT)]
    assert days(NOW, NOW) == []


def test_history_is_told_from_the_latest_day_to_the_earliest(two_days: list[Event]) -> None:
    told = list(dict.fromkeys(event.time.date() for event in two_days))
    assert sorted(told, reverse=True) == told


def test_counters_do_not_leap_by_what_streams_of_a_week_did(two_days: list[Event]) -> None:
    assert {"orders-cdc", "product-feed-quality"} <= {text(event, "pipeline") for event in two_days}
    assert not {event.type for event in two_days} & {"pipeline.stream.measured", "pipeline.records.checked"}


def test_an_execution_of_history_is_told_in_one_batch() -> None:
    history = History(all_pipelines(), NOW, DAY)
    batch_of: dict[tuple[str, str], int] = {}
    number = 0
    while batch := history.next(2000):
        number += 1
        assert len(batch) <= 2000
        for event in batch:
            key = (text(event, "pipeline"), text(event, "execution"))
            assert batch_of.setdefault(key, number) == number
    assert number > 5


def test_nothing_is_told_from_outside_the_time_asked_for(two_days: list[Event]) -> None:
    assert all(NOW - 2 * DAY <= event.time <= NOW for event in two_days)


def test_whole_days_are_told_with_the_same_ids_whenever_the_demo_starts(two_days: list[Event]) -> None:
    def yesterday(events: list[Event]) -> list[Event]:
        return [event for event in events if MIDNIGHT - DAY < event.time < MIDNIGHT]

    assert yesterday(two_days)
    assert yesterday(two_days) == yesterday(tell_history(2 * DAY, now=NOW + timedelta(hours=5)))


def test_a_day_that_is_known_is_left_out() -> None:
    def known(day: Day) -> datetime | None:
        return day.end - timedelta(minutes=20) if day.end == MIDNIGHT else None

    told = tell_history(DAY, known=known)
    assert told
    assert all(event.time >= MIDNIGHT for event in told)


def test_a_day_that_is_known_in_part_is_told_from_there_on() -> None:
    since = datetime(2026, 11, 21, 14, tzinfo=UTC)

    def known(day: Day) -> datetime | None:
        return since if day.start <= since < day.end else None

    told = tell_history(timedelta(days=1), known=known)
    assert min(event.time for event in told) >= since
    assert min(event.time for event in told) < since + timedelta(hours=1)


def test_the_last_minutes_of_a_day_are_known_by_what_started_before_them() -> None:
    now = MIDNIGHT + timedelta(hours=11, minutes=46)
    stream = MIDNIGHT - timedelta(minutes=14, seconds=2)

    def known(day: Day) -> datetime | None:
        return max((start for start in (stream, now) if day.start <= start <= day.end), default=None)

    assert tell_history(timedelta(hours=12), now=now, known=known) == []


def test_a_store_that_knows_all_is_told_nothing() -> None:
    assert tell_history(7 * DAY, known=lambda day: day.end - timedelta(minutes=1)) == []


def test_every_execution_of_history_ends_in_it_unless_its_process_died(two_days: list[Event]) -> None:
    def executions(kind: str) -> dict[str, set[str]]:
        found = defaultdict(set)
        for event in of_type(two_days, f"execution.{kind}"):
            found[text(event, "pipeline")].add(text(event, "execution"))
        return found

    ended = executions("finished")
    left = {name for name, runs in executions("queued").items() if runs - ended[name]}
    assert left <= {"video-transcode"}


def test_what_is_due_once_a_day_keeps_to_the_clock_of_its_time_zone(two_days: list[Event]) -> None:
    due = [
        event
        for event in of_type(two_days, "execution.queued")
        if event.data["pipeline"] == "nightly-billing"
    ]
    assert [(event.time.hour, event.time.minute) for event in due] == [(1, 30)] * 2


def test_two_days_are_not_alike(two_days: list[Event]) -> None:
    took: dict[object, list[float]] = defaultdict(list)
    started = {text(event, "execution"): event.time for event in of_type(two_days, "execution.started")}
    for event in of_type(two_days, "execution.finished"):
        if event.data["pipeline"] == "metrics-rollup":
            start = started[text(event, "execution")]
            took[start.date()].append((event.time - start).total_seconds())
    first, second, *_ = took.values()
    assert not set(first) & set(second)
