"""What is told of pipelines, and what is not told because it is not known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.events import Payload
from exporter.domain.identity import execution_id
from exporter.domain.times import SECOND
from exporter.store.limits import Limits
from exporter.store.readings import ExecutionReading
from tests.support.exposed import Exposed, ran
from tests.support.stored import NOON, at, event, stored

FINAL = {"succeeded", "failed", "cancelled", "timed_out", "skipped", "lost"}
START: dict[str, Any] = {"pipeline": "nightly", "execution": "1"}


def happen(exposed: Exposed, *told: tuple[float, Payload]) -> None:
    exposed.store.put(*(event(payload, seconds) for seconds, payload in told))


def by(exposed: Exposed, name: str, label: str) -> dict[str, float]:
    return {
        dict(labels)[label]: value for (sample, labels), value in exposed.samples().items() if sample == name
    }


def test_every_result_is_0_from_the_start(exposed: Exposed) -> None:
    exposed.put(e.ExecutionStarted(**START), e.StageStarted(**START, stage="load"))
    assert by(exposed, "pipeline_executions_total", "status") == dict.fromkeys(FINAL, 0)
    assert by(exposed, "pipeline_stage_executions_total", "status") == dict.fromkeys(FINAL - {"lost"}, 0)
    assert by(exposed, "pipeline_stage_items_total", "direction") == {"in": 0, "out": 0}
    assert exposed.values("pipeline_execution_duration_seconds_count") == [0]
    assert exposed.values("pipeline_stage_retries_total") == [0]


@pytest.mark.parametrize(
    "name",
    [
        "pipeline_last_execution_end_timestamp_seconds",
        "pipeline_last_execution_duration_seconds",
        "pipeline_last_execution_status",
        "pipeline_last_success_timestamp_seconds",
        "pipeline_execution_duration_baseline_seconds",
        "pipeline_execution_duration_baseline_mad_seconds",
        "pipeline_schedule_next_expected_timestamp_seconds",
        "pipeline_schedule_missed_total",
        "pipeline_schedule_paused",
        "pipeline_llm_budget_usd",
        "pipeline_stage_memory_peak_bytes",
        "pipeline_stage_duration_baseline_seconds",
        "pipeline_execution_progress_ratio",
    ],
)
def test_what_is_unknown_is_not_told(exposed: Exposed, name: str) -> None:
    exposed.put(e.ExecutionStarted(**START), e.StageStarted(**START, stage="load"))
    assert exposed.values(name) == []


def test_the_last_status_is_1_for_one_of_all(exposed: Exposed) -> None:
    happen(exposed, *ran("nightly", "1", status="failed"))
    expected = dict.fromkeys(FINAL, 0.0) | {"failed": 1.0}
    assert by(exposed, "pipeline_last_execution_status", "status") == expected
    assert exposed.values("pipeline_consecutive_failures") == [1]


def test_active_executions_and_stages_are_counted(exposed: Exposed) -> None:
    happen(
        exposed,
        (5, e.ExecutionStarted(pipeline="nightly", execution="late")),
        (1, e.ExecutionStarted(pipeline="nightly", execution="early")),
        (6, e.ExecutionQueued(pipeline="nightly", execution="next")),
        (7, e.StageStarted(pipeline="nightly", execution="late", stage="load")),
        *ran("nightly", "done"),
    )
    active = by(exposed, "pipeline_executions_active", "status")
    assert active == {"queued": 1, "running": 2, "paused": 0}
    assert exposed.values("pipeline_oldest_active_execution_start_timestamp_seconds") == [at(1).timestamp()]
    assert by(exposed, "pipeline_stage_active", "stage") == {"extract": 0, "load": 1}


def test_edges_lead_between_known_stages_with_what_their_source_gave_out(exposed: Exposed) -> None:
    happen(exposed, *ran("nightly", "1", stages=("extract", "load")))
    assert exposed.values("pipeline_edge_info", source="extract", target="load") == [1]
    assert exposed.values("pipeline_edge_items_total", source="extract", target="load") == [4]
    assert len(exposed.values("pipeline_edge_info")) == 1
    columns = by(exposed, "pipeline_stage_layout_x", "stage")
    assert columns["extract"] < columns["load"]


def test_usual_durations_are_quantiles_of_successes(exposed: Exposed) -> None:
    happen(exposed, *ran("nightly", "1"))
    usual = by(exposed, "pipeline_execution_duration_baseline_seconds", "quantile")
    assert usual == {"0.5": 8.0, "0.95": 8.0}
    assert exposed.values("pipeline_execution_duration_baseline_runs") == [1]


def test_lag_grows_while_a_stream_stands_still(exposed: Exposed) -> None:
    exposed.put(e.StreamMeasured(pipeline="nightly", stream="orders", watermark=at(-5)))
    assert exposed.values("pipeline_stream_lag_seconds") == [5]
    exposed.store.now += 90 * SECOND
    assert exposed.values("pipeline_stream_lag_seconds") == [95]


def test_a_schedule_tells_when_it_is_paused_and_what_was_missed(exposed: Exposed) -> None:
    exposed.put(e.PipelineDeclared(pipeline="nightly", schedule=e.Schedule(cron="0 5 * * *")))
    assert exposed.values("pipeline_schedule_paused") == [0]
    assert exposed.values("pipeline_schedule_missed_total") == [0]
    exposed.put(e.PipelineDeclared(pipeline="nightly", paused=True), seconds=1)
    assert exposed.values("pipeline_schedule_paused") == [1]


def test_calls_that_nobody_priced_have_no_cost(exposed: Exposed) -> None:
    exposed.put(e.LlmCalled(**START, provider="local", request_model="m", duration_seconds=1.0))
    assert exposed.values("gen_ai_client_operation_duration_seconds_count") == [1]
    assert exposed.values("pipeline_llm_cost_usd_total") == []


def test_pipelines_beyond_the_budget_are_counted_together_without_gauges(database_url: str) -> None:
    with stored(database_url, Limits(series=200)) as store:
        exposed = Exposed(store)
        for number in range(4):
            happen(exposed, *ran(f"pipeline-{number}", "1", stages=()))
        counted = {
            pipeline: exposed.values("pipeline_executions_total", pipeline=pipeline, status="succeeded")
            for pipeline in by(exposed, "pipeline_executions_total", "pipeline")
        }
        assert sum(value for values in counted.values() for value in values) == 4
        assert counted["__other__"][0] >= 1
        assert exposed.values("pipeline_last_execution_status", pipeline="__other__") == []
        assert exposed.values("pipeline_info", pipeline="__other__") == []
        limits = exposed.values("pipeline_exporter_series_limit")
        assert exposed.values("pipeline_exporter_label_overflow_total", label="pipeline") != []
        assert limits == [200]


def test_of_active_executions_the_first_200_forecasts_are_told(exposed: Exposed) -> None:
    eta = NOON + timedelta(minutes=5)
    exposed.forecasts = [
        ExecutionReading("nightly", "default", execution_id("", "default", "nightly", str(number)), 0.25, eta)
        for number in range(300)
    ]
    exposed.forecasts[0] = ExecutionReading("nightly", "default", "f" * 32, None, None)
    told = by(exposed, "pipeline_execution_progress_ratio", "execution_id")
    assert [*told] == [forecast.execution_id for forecast in exposed.forecasts[1:200]]
    assert set(exposed.values("pipeline_execution_eta_timestamp_seconds")) == {eta.timestamp()}
