"""Dagster's spans: what they prove, and what another way in has to tell."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from exporter.domain.events import Event, ExecutionFinished
from exporter.domain.identity import event_identity
from exporter.domain.spans import Span
from exporter.store import schema
from exporter.store.limits import Limits
from tests.support.otlp import Gathered, gathered, span
from tests.support.sources import copied, source, told
from tests.support.stored import at

HOUR = 3600


def step(id_: int, name: str, parent: int = 0, *, retry: int = 0, **more: Any) -> Span:
    about = {"run_id": "r1", "job_name": "etl", "step_key": name, "retry_number": retry}
    attributes = {f"dagster.{key}": value for key, value in about.items()}
    return span(id_, parent, name, attributes=attributes, scope="dagster_otel", **more)


def ended(status: str, seconds: float) -> Event:
    """What Dagster's storage says."""
    payload = ExecutionFinished(pipeline="etl", execution="r1", status=status)
    return Event(event_identity("storage", status), at(seconds), "dagster", "dagster", payload)


def counted(store: Gathered) -> dict[str, float]:
    return store.store.counter("pipeline_executions_total", "etl")


def test_a_step_that_is_silent_for_hours_is_no_success(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(step(1, "extract", end=10))
        store.store.pass_time(HOUR)
        assert store.status("etl") == ["running"]
        store.put(step(2, "train", 1, start=10, end=3 * HOUR))
        assert (store.status("etl"), counted(store)) == (["running"], {})
        store.put(ended("succeeded", 3 * HOUR + 1))
        store.store.pass_time(HOUR)
        assert (store.status("etl"), counted(store)) == (["succeeded"], {"succeeded": 1})


def test_a_run_whose_end_nothing_tells_is_lost_and_no_success(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.store.writer.limits = store.store.limits = Limits(lost_after=timedelta(minutes=20))
        store.put(step(1, "extract", end=10))
        store.store.pass_time(1300)
        assert (store.status("etl"), counted(store)) == (["lost"], {"lost": 1})


def test_a_failed_step_and_silence_are_a_failure_counted_once(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(step(1, "extract", end=10), step(2, "boom", 1, start=10, end=11, failed=True))
        store.store.pass_time(590)
        assert store.status("etl") == ["running"]
        store.store.pass_time(30)
        assert store.status("etl") == ["failed"]
        # Another branch goes on, and another first step was waiting for its turn.
        store.put(step(3, "enrich", 1, start=10, end=900), step(4, "other", start=300, end=950))
        store.store.pass_time(700)
        store.put(ended("failed", 951))
        assert (store.status("etl"), counted(store)) == (["failed"], {"failed": 1})


def test_a_step_that_is_tried_again_proves_no_failure(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(step(1, "flaky", end=1, failed=True))
        store.store.pass_time(300)
        store.put(step(2, "flaky", start=240, end=300, retry=1, links=[(f"{1:032x}", f"{1:016x}")]))
        store.store.pass_time(HOUR)
        assert (store.status("etl"), counted(store)) == (["running"], {})


def test_ticks_are_no_runs_and_what_they_ask_for_names_them(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        tick = span(9, name="hourly", attributes={"dagster.schedule_name": "hourly"}, scope="dagster_otel")
        query = span(8, 9, "SELECT")
        store.put(step(1, "extract", 9, start=2, end=10), query, tick)
        store.store.pass_time(30)
        (run,) = store.store.rows(schema.executions)
        assert (run.pipeline, run.trigger, run.started_at) == ("etl", "hourly", tick.start + 2_000_000)
        assert [path for path, _ in store.rows()["default", "etl", "r1"]["stages"]] == [("extract",)]


def test_a_run_that_was_asked_for_from_outside_has_a_start(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(step(1, "extract", 77, start=2, end=10))
        store.store.pass_time(30)
        assert store.rows()["default", "etl", "r1"]["times"][1] is not None


def test_storage_and_spans_tell_of_one_execution(sqlite_url: str, tmp_path: Path) -> None:
    folder = copied("dagster", tmp_path)
    events = told(source("dagster", folder / "runs.db", sqlite=True))
    with gathered(sqlite_url) as store:
        store.put(*events)
        runs = store.rows()
        failing = next(key for key, run in runs.items() if run["status"] == "failed")
        errors = store.store.rows(schema.errors)
        error = next(one for one in errors if one.stage is not None)
        late = (error.time - step(1, "x").start) / 1e6 - 0.001
        about = {"run_id": failing[2], "job_name": failing[1], "step_key": error.stage, "retry_number": 0}
        attributes = {f"dagster.{key}": value for key, value in about.items()} | {"error.type": error.type}
        store.put(span(1, start=late - 1, end=late, attributes=attributes, failed=True, message="the same"))
        store.store.pass_time(HOUR)
        assert store.rows().keys() == runs.keys()
        told_by_spans = sorted((one.stage, one.message) for one in store.store.rows(schema.errors))
        assert told_by_spans == sorted(
            (one.stage, "the same" if one is error else one.message) for one in errors
        )
        assert store.store.counter("pipeline_executions_total", failing[1]) == {"failed": 1}
