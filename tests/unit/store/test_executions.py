"""Executions: rows are the same for every order, ends are counted once."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.times import SECOND, to_micros
from exporter.store import schema
from exporter.store.limits import Limits
from exporter.store.state import consecutive_failures
from tests.support.stored import Stored, at, event, stored

NAMES: dict[str, Any] = {"pipeline": "nightly", "execution": "run-1"}


def started(seconds: float, **told: Any) -> e.Event:
    return event(e.ExecutionStarted(**NAMES, **told), seconds)


def ended(seconds: float, status: str = "succeeded", **told: Any) -> e.Event:
    return event(e.ExecutionFinished(**NAMES, status=status, **told), seconds)


def test_a_run_is_queued_started_and_finished(store: Stored) -> None:
    store.put(event(e.ExecutionQueued(**NAMES), 0), started(5), ended(65))
    row = store.execution()
    assert (row.status, row.duration, row.started_at - row.queued_at) == (
        "succeeded",
        60 * SECOND,
        5 * SECOND,
    )
    assert store.counter("pipeline_executions_total") == {"succeeded": 1}


def test_the_same_event_again_changes_nothing(store: Stored) -> None:
    finish = ended(65)
    assert store.put(started(5), finish, finish) == [True, True, False]
    assert store.put(finish) == [False]
    assert store.counter("pipeline_executions_total") == {"succeeded": 1}
    assert store.clock().totals.counters["pipeline_exporter_events_total"] == {
        "cloudevents\x1faccepted": 2,
        "cloudevents\x1fduplicate": 2,
    }


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_every_order_gives_the_same_row(sqlite_url: str, order: tuple[int, ...]) -> None:
    events = [
        event(e.ExecutionQueued(**NAMES), 0, id_="a"),
        event(e.ExecutionStarted(**NAMES, trigger="manual", labels={"team": "x"}), 5, id_="b"),
        event(e.ExecutionFinished(**NAMES, status="failed", error=ErrorDetail("it broke")), 65, id_="c"),
        event(e.ExecutionFinished(**NAMES, status="succeeded"), 60, id_="d"),
    ]
    with stored(sqlite_url) as store:
        for position in order:
            store.put(events[position])
        row = store.execution()
        assert (row.status, row.queued_at, row.started_at, row.ended_at) == (
            "failed",
            to_micros(at(0)),
            to_micros(at(5)),
            to_micros(at(65)),
        )
        assert sum(store.counter("pipeline_executions_total").values()) == 1


def test_a_final_status_is_not_undone_by_an_earlier_event(store: Stored) -> None:
    store.put(ended(65, "failed"))
    store.put(started(5), event(e.ExecutionPaused(**NAMES), 30))
    assert store.execution().status == "failed"


def test_a_run_that_starts_again_under_its_own_id_is_counted_each_time_it_ends(store: Stored) -> None:
    store.put(started(0), ended(10, "failed"))
    store.put(started(20))
    assert store.execution().status == "running"
    store.put(ended(50))
    row = store.execution()
    assert (row.status, row.duration) == ("succeeded", 30 * SECOND)
    assert store.counter("pipeline_executions_total") == {"failed": 1, "succeeded": 1}


def test_a_later_correction_changes_the_row_and_is_counted(store: Stored) -> None:
    store.put(started(0), ended(10))
    store.put(ended(20, "failed"))
    assert store.execution().status == "failed"
    assert store.counter("pipeline_executions_total") == {"succeeded": 1}
    assert store.clock().totals.counters["pipeline_exporter_corrections_total"] == {"execution": 1}


@pytest.mark.parametrize("swapped", [False, True])
def test_an_end_stamped_before_its_start_lasts_no_time_and_is_counted_once(
    store: Stored, swapped: bool
) -> None:
    told = [started(10, heartbeat_seconds=2), ended(10 - 3)]
    for one in reversed(told) if swapped else told:
        store.put(one)
    store.pass_time(120)
    row = store.execution()
    assert (row.status, row.started_at, row.duration) == ("succeeded", to_micros(at(10)), 0)
    assert store.counter("pipeline_executions_total") == {"succeeded": 1}


def test_a_start_long_after_an_end_whose_start_nobody_told_is_a_run_anew(store: Stored) -> None:
    store.put(ended(0, "failed"))
    store.put(started(301))
    assert store.execution().status == "running"


def test_a_start_soon_after_such_an_end_is_a_run_anew_once_it_has_an_end_of_its_own(store: Stored) -> None:
    store.put(ended(0, "failed"), started(30))
    assert store.execution().status == "failed"
    store.put(ended(90))
    assert (store.execution().status, store.execution().duration) == ("succeeded", 60 * SECOND)
    assert store.counter("pipeline_executions_total") == {"failed": 1, "succeeded": 1}


def test_a_run_that_was_cancelled_while_it_waited_may_wait_again(store: Stored) -> None:
    store.put(event(e.ExecutionQueued(**NAMES), 0), ended(5, "cancelled"))
    store.put(event(e.ExecutionQueued(**NAMES), 30))
    assert store.execution().status == "queued"


def test_a_run_that_is_resumed_after_its_end_goes_on(store: Stored) -> None:
    store.put(ended(0, "failed"), event(e.ExecutionResumed(**NAMES), 1))
    assert store.execution().status == "running"


def test_paused_and_resumed(store: Stored) -> None:
    store.put(started(0), event(e.ExecutionPaused(**NAMES), 10))
    assert store.execution().status == "paused"
    store.put(event(e.ExecutionResumed(**NAMES), 20))
    assert store.execution().status == "running"
    store.put(ended(30))
    assert store.execution().duration == 30 * SECOND


def test_consecutive_failures_are_those_since_the_latest_success(store: Stored) -> None:
    for number, status in enumerate(["failed", "succeeded", "failed", "cancelled", "timed_out"]):
        names: dict[str, Any] = {"pipeline": "nightly", "execution": f"run-{number}"}
        store.put(
            event(e.ExecutionStarted(**names), number * 100),
            event(e.ExecutionFinished(**names, status=status), number * 100 + 10),
        )
    state = store.pipeline()
    assert consecutive_failures(state, frozenset({"failed", "timed_out", "lost"}), "succeeded") == 2


def test_silence_beyond_the_heartbeat_is_a_loss_and_a_late_finish_replaces_it(store: Stored) -> None:
    store.pass_time(120)
    store.put(started(120, heartbeat_seconds=60))
    store.pass_time(50)
    assert store.execution().status == "running"
    store.pass_time(20)
    assert store.execution().status == "lost"
    store.put(ended(150))
    assert store.execution().status == "succeeded"
    assert store.counter("pipeline_executions_total") == {"lost": 1}
    assert store.clock().totals.counters["pipeline_exporter_corrections_total"] == {"execution": 1}


def test_a_lost_run_that_gives_a_sign_of_life_runs_again(store: Stored) -> None:
    store.pass_time(120)
    store.put(started(120, heartbeat_seconds=60))
    store.pass_time(100)
    store.put(event(e.ExecutionHeartbeat(**NAMES), 220))
    assert store.execution().status == "running"


def test_a_success_after_a_loss_that_was_taken_back_is_a_correction_too(store: Stored) -> None:
    store.pass_time(120)
    store.put(started(120, heartbeat_seconds=60))
    store.pass_time(100)
    store.put(event(e.ExecutionHeartbeat(**NAMES), 220))
    store.put(ended(230))
    assert store.counter("pipeline_executions_total") == {"lost": 1}
    assert store.clock().totals.counters["pipeline_exporter_corrections_total"] == {"execution": 1}


def test_a_run_is_not_lost_for_the_time_that_the_exporter_was_away(store: Stored) -> None:
    store.pass_time(60)
    store.put(started(60, heartbeat_seconds=30))
    store.now += 3600 * SECOND  # nobody looked
    store.keeper.look()
    assert store.execution().status == "running"
    store.pass_time(20)
    assert store.execution().status == "running"
    store.pass_time(60)
    assert store.execution().status == "lost"


def test_a_restart_of_half_a_minute_is_not_held_against_runs_with_a_short_heartbeat(store: Stored) -> None:
    store.pass_time(60)
    store.put(started(60, heartbeat_seconds=10))
    store.now += 36 * SECOND  # nobody looked
    store.keeper.look()
    store.pass_time(20)
    assert store.execution().status == "running", "its client still waits to try again"
    store.put(event(e.ExecutionHeartbeat(**NAMES), 116))
    store.pass_time(45)
    assert store.execution().status == "lost", "what is silent after that is lost"


def test_a_fixed_patience_goes_for_runs_without_a_heartbeat(database_url: str) -> None:
    with stored(database_url, Limits(lost_after=timedelta(minutes=5))) as store:
        store.pass_time(600)
        store.put(started(600))
        store.pass_time(240)
        assert store.execution().status == "running"
        store.pass_time(120)
        assert store.execution().status == "lost"


def test_a_run_known_only_by_its_stages_is_running(store: Stored) -> None:
    store.put(event(e.StageStarted(**NAMES, stage="extract"), 3))
    row = store.execution()
    assert (row.status, row.started_at, row.sort_at) == ("running", None, to_micros(at(3)))


def test_what_is_kept_in_the_search_follows_the_run(store: Stored) -> None:
    store.put(started(5))
    store.put(ended(9, "failed", error=ErrorDetail("ValueError: no such column")))
    store.put(started(1))
    (row,) = store.rows(schema.execution_search)
    assert row.key >> 10 == store.execution().sort_at == to_micros(at(1))
    assert "no such column" in row.text
