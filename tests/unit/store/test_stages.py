"""Stages: attempts, instances, what their source settled, and what is counted of them."""

from __future__ import annotations

from typing import Any

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.times import SECOND, to_micros
from exporter.store import schema
from tests.support.stored import Stored, at, event

RUN: dict[str, Any] = {"pipeline": "nightly", "execution": "run-1"}


def begin(stage: str, seconds: float, **told: Any) -> e.Event:
    return event(e.StageStarted(**RUN, stage=stage, **told), seconds)


def end(stage: str, seconds: float, status: str = "succeeded", **told: Any) -> e.Event:
    return event(e.StageFinished(**RUN, stage=stage, status=status, **told), seconds)


def totals(store: Stored, stage: str, name: str) -> dict[str, float]:
    return store.components("stage")[(stage,)].totals.counters.get(name, {})


def shown(store: Stored) -> list[tuple[object, ...]]:
    return [(row.name, row.index, row.attempt, row.status, row.last) for row in store.attempts()]


def test_attempts_are_counted_each_and_the_last_one_tells_the_status(store: Stored) -> None:
    store.put(
        begin("load", 0, attempt=1),
        end("load", 5, "failed", attempt=1, retry=True, error=ErrorDetail("TimeoutError: too slow")),
        begin("load", 6, attempt=2),
        end("load", 9, attempt=2),
    )
    assert shown(store) == [("load", None, 1, "failed", False), ("load", None, 2, "succeeded", True)]
    assert totals(store, "load", "pipeline_stage_executions_total") == {"failed": 1, "succeeded": 1}
    assert totals(store, "load", "pipeline_stage_retries_total") == {"": 1}
    assert store.components("error")[("load", "timeout", "TimeoutError")].totals.counters == {
        "pipeline_errors_total": {"": 1}
    }
    execution = store.execution()
    assert (execution.stages_total, execution.stages_done, execution.stages_active) == (1, 1, 0)


def test_attempts_that_nobody_numbered_are_numbered_by_their_start(store: Stored) -> None:
    store.put(begin("load", 10, attempt_id="b"), end("load", 12, attempt_id="b"))
    store.put(begin("load", 1, attempt_id="a"), end("load", 3, "failed", attempt_id="a"))
    assert shown(store) == [("load", None, 1, "failed", False), ("load", None, 2, "succeeded", True)]


def test_mapped_instances_stand_side_by_side_under_one_name(store: Stored) -> None:
    store.put(
        *(begin("work", n, index=n) for n in range(3)), *(end("work", n + 10, index=n) for n in range(3))
    )
    assert shown(store) == [("work", str(n), 1, "succeeded", True) for n in range(3)]
    assert totals(store, "work", "pipeline_stage_executions_total") == {"succeeded": 3}


def test_nested_stages_keep_their_path(store: Stored) -> None:
    store.put(begin("outer", 0), begin("inner", 1, parent=["outer"]), end("inner", 2, parent=["outer"]))
    assert [row.path for row in store.attempts()] == ['["outer","inner"]', '["outer"]']
    assert store.execution().stages_total == 1


def settled(
    stage: str, status: str, seconds: float = 100, word: str | None = None, duration: float = 0.0
) -> e.Event:
    payload = e.StageSettled(**RUN, stage=stage, status=status, source_status=word, duration_seconds=duration)
    return event(payload, seconds)


def test_a_stage_that_told_nothing_is_as_its_source_settled_it(store: Stored) -> None:
    store.put(settled("publish", "skipped", word="upstream_failed"), settled("begin", "succeeded"))
    assert shown(store) == [("begin", None, 1, "succeeded", True), ("publish", None, 0, "skipped", True)]
    assert store.attempts()[1].source_status == "upstream_failed"
    assert totals(store, "publish", "pipeline_stage_executions_total") == {"skipped": 1}


def test_what_is_settled_overrules_the_last_attempt_in_any_order(store: Stored) -> None:
    events = [begin("sense", 0), end("sense", 5), settled("sense", "skipped")]
    store.put(*events)
    assert shown(store) == [("sense", None, 1, "skipped", True)]
    assert store.attempts()[0].ended_at == to_micros(at(5))
    other = [e.Event(x.identity[::-1], x.time, x.source, "other", x.payload) for x in reversed(events)]
    for one in other:
        store.put(one)
    rows = store.rows(schema.stages, schema.stages.c.status.is_not(None))
    assert [row.status for row in rows] == ["skipped", "skipped"]


def test_what_is_settled_of_a_mapped_stage_says_nothing_of_its_instances(store: Stored) -> None:
    store.put(settled("work", "succeeded"))
    store.put(begin("work", 0, index="0"), end("work", 1, "failed", index="0"))
    assert shown(store) == [("work", "0", 1, "failed", True)]
    store.put(settled("work", "failed", 200))
    assert shown(store) == [("work", "0", 1, "failed", True)]
    assert store.execution().stages_total == 1


def test_a_stage_without_end_is_lost_with_its_execution_until_that_goes_on(store: Stored) -> None:
    store.put(event(e.ExecutionStarted(**RUN), 0), begin("load", 1))
    store.put(event(e.ExecutionFinished(**RUN, status="failed"), 10))
    assert (shown(store)[0][3], store.execution().stages_active) == ("lost", 0)
    store.put(event(e.ExecutionStarted(**RUN), 20))
    assert (shown(store)[0][3], store.execution().stages_active) == ("running", 1)
    store.put(end("load", 30))
    assert totals(store, "load", "pipeline_stage_executions_total") == {"succeeded": 1}


def test_items_and_cpu_grow_by_what_is_new_however_often_they_are_told(store: Stored) -> None:
    store.put(begin("load", 0))
    store.put(event(e.StageProgressed(**RUN, stage="load", items=e.Items(5, 4)), 1))
    store.put(end("load", 2, items=e.Items(9, 8)))
    store.put(event(e.StageProgressed(**RUN, stage="load", items=e.Items(7, 6)), 1.5))
    store.put(event(e.ResourcesSampled(**RUN, stage="load", cpu_seconds=2.5, memory_bytes=100), 1))
    store.put(event(e.ResourcesSampled(**RUN, stage="load", cpu_seconds=1.5, memory_peak_bytes=300), 0.5))
    assert totals(store, "load", "pipeline_stage_items_total") == {"in": 9, "out": 8}
    assert totals(store, "load", "pipeline_stage_cpu_seconds_total") == {"": 2.5}
    row = store.attempts()[0]
    assert (row.items_in, row.items_out, row.memory_peak_bytes, row.duration) == (9, 8, 300, 2 * SECOND)


def test_upstream_stages_are_known_from_what_waits_for_them(store: Stored) -> None:
    store.put(begin("load", 0, depends_on=["transform"]))
    assert set(store.components("stage")) == {("load",), ("transform",)}
