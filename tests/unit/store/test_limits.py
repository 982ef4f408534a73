"""What keeps the store bounded: series, repeats, retention."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from exporter.catalogue import Scope
from exporter.domain import events as e
from exporter.domain.times import SECOND
from exporter.store import schema
from exporter.store.limits import LINES, Limits
from tests.support.stored import event, stored


def run(pipeline: str, execution: str, seconds: float, status: str = "succeeded") -> list[e.Event]:
    names: dict[str, Any] = {"pipeline": pipeline, "execution": execution}
    return [
        event(e.ExecutionStarted(**names), seconds),
        event(e.StageFinished(**names, stage="load", status=status), seconds + 1),
        event(e.ExecutionFinished(**names, status=status), seconds + 2),
    ]


def test_beyond_the_budget_totals_go_to_other_and_rows_keep_their_names(database_url: str) -> None:
    budget = 2 * (LINES[Scope.PIPELINE] + LINES[Scope.STAGE])
    with stored(database_url, Limits(series=budget)) as store:
        for number in range(5):
            store.put(*run(f"p{number}", "r", number * 10))
        assert {row.pipeline for row in store.rows(schema.executions)} == {f"p{n}" for n in range(5)}
        assert store.counter("pipeline_executions_total", "p0") == {"succeeded": 1}
        other = store.pipeline("__other__", "__other__")
        assert other.totals.counters["pipeline_executions_total"] == {"succeeded": 3}
        assert store.clock().totals.counters["pipeline_exporter_label_overflow_total"]["pipeline"] == 3


def test_old_executions_go_and_their_totals_stay(database_url: str) -> None:
    with stored(database_url, Limits(retention=timedelta(days=1))) as store:
        events = run("nightly", "old", 0, "failed")
        store.put(*events, *run("nightly", "new", 80_000))
        store.now += 100_000 * SECOND
        store.keeper.look()
        assert [row.external_id for row in store.rows(schema.executions)] == ["new"]
        assert len(store.rows(schema.stages)) == len(store.rows(schema.execution_search)) == 1
        assert store.counter("pipeline_executions_total") == {"failed": 1, "succeeded": 1}
        assert store.put(*events) == [False, False, False]


def test_what_is_still_told_of_a_deleted_execution_neither_brings_it_back_nor_counts(
    database_url: str,
) -> None:
    with stored(database_url, Limits(retention=timedelta(days=1))) as store:
        store.put(*run("nightly", "old", 0))
        store.now += 100_000 * SECOND
        store.keeper.look()
        names: dict[str, Any] = {"pipeline": "nightly", "execution": "old"}
        late = [
            event(e.LogEmitted(**names, message="late"), 1),
            event(e.StageFinished(**names, stage="load", status="failed"), 1),
            event(e.ExecutionFinished(**names, status="failed"), 3),
            event(e.ExecutionStarted(**names), 1),
        ]
        assert store.put(*late) == [True] * 4
        assert store.put(*late) == [False] * 4
        assert store.rows(schema.executions) == store.rows(schema.stages) == []
        assert store.counter("pipeline_executions_total") == {"succeeded": 1}
        store.put(event(e.ExecutionStarted(**names), 50))
        assert store.execution().status == "running"


def test_the_oldest_executions_above_a_number_go(database_url: str) -> None:
    with stored(database_url, Limits(max_executions=3)) as store:
        for number in range(8):
            store.put(*run("nightly", f"r{number}", number * 10))
        store.keeper.look()
        assert {row.external_id for row in store.rows(schema.executions)} == {"r5", "r6", "r7"}


def test_nul_characters_are_replaced_before_they_are_stored(database_url: str) -> None:
    with stored(database_url) as store:
        names: dict[str, Any] = {"pipeline": "nightly", "execution": "r"}
        store.put(event(e.ExecutionStarted(**names, parameters={"a\x00": ["b\x00"]}), 0))
        (row,) = store.rows(schema.events)
        assert b"u0000" not in row.body
        assert b"u0000" not in store.execution().facts


def test_a_declared_start_that_does_not_come_is_missed_once(database_url: str) -> None:
    schedule = e.Schedule(every_seconds=600, grace_seconds=60)
    with stored(database_url) as store:
        store.pass_time(60)
        store.put(event(e.PipelineDeclared(pipeline="nightly", schedule=schedule), 60))
        store.pass_time(640)
        assert store.counter("pipeline_schedule_missed_total") == {}
        store.pass_time(60)
        assert store.counter("pipeline_schedule_missed_total") == {"": 1}
        store.put(*run("nightly", "r", 770))
        assert store.pipeline().next_expected == store.execution().started_at + 600 * SECOND


def test_a_regular_pipeline_is_expected_without_having_declared_itself(database_url: str) -> None:
    with stored(database_url) as store:
        for number in range(8):
            store.put(*run("nightly", f"r{number}", number * 300))
        assert (
            store.pipeline().next_expected
            == max(r.started_at for r in store.rows(schema.executions)) + 300 * SECOND
        )
