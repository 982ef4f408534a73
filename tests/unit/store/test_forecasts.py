"""Forecasts of executions in the store."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event
from exporter.domain.forecast import Forecast
from exporter.domain.identity import execution_id
from exporter.domain.times import to_micros
from exporter.store.forecasts import active_forecasts, forecast_executions
from exporter.store.queries.executions import by_id
from tests.support.stored import Stored, at, event

STAGES = ("extract", "transform", "load")
NOW = 100_000.0
"""Seconds after noon at which the execution in question starts."""


def begin(stage: str, seconds: float, run: str = "now", **told: Any) -> Event:
    return event(e.StageStarted(pipeline="nightly", execution=run, stage=stage, **told), seconds)


def end(stage: str, seconds: float, status: str = "succeeded", run: str = "now", **told: Any) -> Event:
    return event(
        e.StageFinished(pipeline="nightly", execution=run, stage=stage, status=status, **told), seconds
    )


def start(seconds: float = NOW, run: str = "now", pipeline: str = "nightly") -> Event:
    return event(e.ExecutionStarted(pipeline=pipeline, execution=run), seconds)


def past_runs(store: Stored, stages: Sequence[str] = STAGES, **told: Any) -> None:
    """Ten runs of stages of 100 seconds, one after the other."""
    store.now = to_micros(at(NOW))
    for number in range(10):
        run, begun = f"past {number}", number * 1000.0
        events = [start(begun, run)]
        for place, stage in enumerate(stages):
            events += [begin(stage, begun + place * 100, run, **told)]
            events += [end(stage, begun + place * 100 + 100, run=run)]
        finish = e.ExecutionFinished(pipeline="nightly", execution=run, status="succeeded")
        store.put(*events, event(finish, begun + len(stages) * 100))


def forecast_at(store: Stored, seconds: float, run: str = "now") -> Forecast:
    id_ = execution_id("", "default", "nightly", run)
    with store.engine.connect() as connection:
        return forecast_executions(connection, by_id(connection, [id_]), at(seconds))[id_]


def left(store: Stored, seconds: float) -> float:
    eta = forecast_at(store, seconds).eta
    assert eta is not None
    return (eta - at(seconds)).total_seconds()


def test_an_execution_is_forecast_by_earlier_ones(store: Stored) -> None:
    past_runs(store)
    store.put(start(), begin("extract", NOW), end("extract", NOW + 100), begin("transform", NOW + 100))
    assert left(store, NOW + 150) == pytest.approx(150, rel=0.05)
    found = forecast_at(store, NOW + 150)
    assert found.progress == pytest.approx(0.5)
    assert found.progress_source == "derived"


def test_stages_told_to_run_side_by_side_are_not_added_up(store: Stored) -> None:
    past_runs(store, depends_on=[])
    store.put(start(), *(begin(stage, NOW) for stage in STAGES))
    assert left(store, NOW + 50) < 100


def test_a_declared_pipeline_has_progress_in_its_first_run(store: Stored) -> None:
    stages = [e.StageDeclaration("extract"), e.StageDeclaration("load", ["extract"])]
    store.put(event(e.PipelineDeclared(pipeline="nightly", stages=stages), NOW - 1))
    store.put(start(), begin("extract", NOW), end("extract", NOW + 10))
    assert forecast_at(store, NOW + 20) == Forecast(0.5, "derived", None)


def test_an_execution_of_an_unknown_pipeline_has_no_forecast(store: Stored) -> None:
    store.put(start(), begin("extract", NOW), end("extract", NOW + 10), begin("load", NOW + 10))
    assert forecast_at(store, NOW + 20) == Forecast()


def test_what_an_execution_reports_goes_first(store: Stored) -> None:
    past_runs(store)
    told = e.ExecutionProgressed(pipeline="nightly", execution="now", progress=0.25, eta=at(NOW + 500))
    store.put(start(), event(told, NOW + 10))
    assert forecast_at(store, NOW + 20) == Forecast(0.25, "reported", at(NOW + 500))
    assert left(store, NOW + 600) > 0


def test_what_was_reported_before_a_restart_no_longer_counts(store: Stored) -> None:
    told = e.ExecutionProgressed(pipeline="nightly", execution="now", progress=0.9)
    failed = e.ExecutionFinished(pipeline="nightly", execution="now", status="failed")
    store.put(start(), event(told, NOW + 10), event(failed, NOW + 20), start(NOW + 50))
    assert forecast_at(store, NOW + 60) == Forecast()


def test_progress_of_a_stage_counts(store: Stored) -> None:
    past_runs(store, stages=["extract"])
    told = e.StageProgressed(pipeline="nightly", execution="now", stage="extract", progress=0.5)
    store.put(start(), begin("extract", NOW), event(told, NOW + 500))
    assert left(store, NOW + 500) == pytest.approx(500, rel=0.05)


def test_a_stage_that_failed_for_good_blocks_what_comes_after(store: Stored) -> None:
    past_runs(store)
    store.put(start(), begin("extract", NOW))
    store.put(end("extract", NOW + 100, "failed", error=ErrorDetail("no"), retry=True))
    assert left(store, NOW + 100) == pytest.approx(300, rel=0.05)
    store.put(begin("extract", NOW + 110, attempt=2))
    store.put(end("extract", NOW + 200, "failed", attempt=2, error=ErrorDetail("no")))
    assert left(store, NOW + 200) < 10


def test_a_mapped_stage_is_judged_by_its_instances(store: Stored) -> None:
    past_runs(store, stages=["work", "end"])
    store.put(start(), *(begin("work", NOW + n % 20 * 10, index=n) for n in range(20)))
    store.put(*(end("work", NOW + n * 10 + 10, index=n) for n in range(15)))
    store.put(
        *(
            event(e.StageQueued(pipeline="nightly", execution="now", stage="work", index=n), NOW)
            for n in range(20, 40)
        )
    )
    # 15 are over and 5 run, by which 20 took the time of 17.5, and 20 wait.
    expected = 150 * 40 / 17.5 - 150
    assert left(store, NOW + 150) == pytest.approx(expected + 100, rel=0.1)


def test_a_paused_execution_has_no_eta_and_one_that_is_over_neither(store: Stored) -> None:
    past_runs(store)
    store.put(start(), begin("extract", NOW))
    store.put(event(e.ExecutionPaused(pipeline="nightly", execution="now"), NOW + 50))
    paused = forecast_at(store, NOW + 5000)
    assert paused.progress == pytest.approx(1 / 6)
    assert paused.eta is None
    assert forecast_at(store, NOW, "past 0") == Forecast(1.0, "derived", None)


def test_active_executions_come_with_those_first_that_started_last(store: Stored) -> None:
    past_runs(store)
    store.put(
        start(run="one"), start(NOW + 20, run="three"), start(NOW + 10, "two"), start(NOW, "x", "other")
    )
    with store.engine.connect() as connection:
        found = list(active_forecasts(connection, at(NOW + 30), limit=3))
    ids = {execution_id("", "default", "nightly", run): run for run in ("one", "two", "three")}
    assert [ids.get(reading.execution_id, "other") for reading in found][:2] == ["three", "two"]
    assert [reading.eta is not None for reading in found][:2] == [True, True]
    assert {(reading.pipeline, reading.environment) for reading in found[:2]} == {("nightly", "default")}


def test_many_executions_take_few_statements(store: Stored) -> None:
    store.put(*(start(NOW + n, f"run {n}", f"pipeline {n % 7}") for n in range(300)))
    with store.engine.connect() as connection:
        statements = counted(store.engine)
        assert len(list(active_forecasts(connection, at(NOW + 400), limit=300))) == 300
    assert len(statements) == 5


@pytest.mark.slow
def test_ten_thousand_instances_are_counted_in_the_database(store: Stored) -> None:
    store.put(start())
    for group in range(10):
        store.put(*(begin("work", NOW + n, index=n) for n in range(group * 1000, group * 1000 + 1000)))
        store.put(*(end("work", NOW + n + 5, index=n) for n in range(group * 1000, group * 1000 + 900)))
    begun = perf_counter()
    forecast_at(store, NOW + 10_000)
    assert perf_counter() - begun < 1


def counted(engine: Engine) -> list[str]:
    """Statements from now on."""
    statements: list[str] = []

    @sqlalchemy_event.listens_for(engine, "before_cursor_execute")
    def note(_: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    return statements
