"""Thresholds of alerts, trends and periods, as readings."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from exporter.catalogue import Scope
from exporter.catalogue.thresholds import THRESHOLD_OF_NAME, BadThreshold, parse
from exporter.domain import events as e
from exporter.domain.baseline import trend_of
from exporter.store.limits import LINES, Limits
from tests.support.exposed import Exposed
from tests.support.stored import event, stored


def threshold(exposed: Exposed, name: str) -> list[float]:
    return exposed.values("pipeline_alert_threshold", threshold=name)


def test_a_declared_threshold_is_exposed_and_other_labels_are_not(exposed: Exposed) -> None:
    labels: e.Labels = {"alerts.stream_lag_seconds": "600", "alerts.page_after_failures": 1, "tier": "gold"}
    exposed.put(e.PipelineDeclared(pipeline="cdc", labels=labels))
    assert threshold(exposed, "stream_lag_seconds") == [600]
    assert threshold(exposed, "page_after_failures") == [1]
    assert len(exposed.values("pipeline_alert_threshold")) == 2


def test_a_threshold_goes_back_to_its_default_when_it_is_declared_no_more(exposed: Exposed) -> None:
    exposed.put(e.PipelineDeclared(pipeline="cdc", labels={"alerts.stream_lag_seconds": "600"}))
    exposed.put(e.PipelineDeclared(pipeline="cdc", labels={}), seconds=1)
    assert exposed.values("pipeline_alert_threshold") == []


def test_what_no_check_refused_is_not_exposed_either(exposed: Exposed) -> None:
    labels: e.Labels = {
        "alerts.unknown": "1",
        "alerts.stream_lag_seconds": "soon",
        "alerts.retry_ratio": True,
    }
    exposed.put(e.PipelineDeclared(pipeline="cdc", labels=labels))
    assert exposed.values("pipeline_alert_threshold") == []


def test_thresholds_count_towards_the_budget_of_series(database_url: str) -> None:
    room = LINES[Scope.PIPELINE] + 1
    with stored(database_url, Limits(series=room)) as store:
        exposed = Exposed(store)
        labels: e.Labels = {"alerts.stream_lag_seconds": "600", "alerts.completeness": "0.5"}
        store.put(event(e.PipelineDeclared(pipeline="cdc", labels=labels)))
        assert len(exposed.values("pipeline_alert_threshold")) == 1
        assert exposed.values("pipeline_exporter_series") == [room]
        assert exposed.values("pipeline_exporter_label_overflow_total", label="threshold") == [1]


@pytest.mark.parametrize(
    ("label", "value", "says"),
    [
        ("alerts.nonsense", "1", "expected one of alerts.enabled, "),
        ("alerts.stream_lag_seconds", "soon", "expected a number, got 'soon'"),
        ("alerts.stream_lag_seconds", "nan", "expected a number, got 'nan'"),
        ("alerts.stream_lag_seconds", "1" * 400, "expected a number"),
        *(
            ("alerts.stream_lag_seconds", text, f"expected a number, got {text!r}")
            for text in ("1_000", " 5 ", "5\n", "٣", "½", "0x10", "1,5", "", "+", "1e")
        ),
        ("Alerts.stream_lag_seconds", "600", "expected one of alerts.enabled, "),
        ("ALERTS.enabled", "0", "expected one of alerts.enabled, "),
        ("alerts.stream_lag_seconds", 10**400, "expected a number"),
        ("alerts.stream_lag_seconds", -1, "expected a number of 1 or more, got -1"),
        ("alerts.retry_ratio", 1.5, "expected a number from 0 to 1, got 1.5"),
        ("alerts.retry_ratio", True, "expected a number"),
        ("alerts.retry_ratio", None, "expected a number"),
        ("alerts.llm_budget_days", 12, "expected one of 1, 7, 30"),
    ],
)
def test_what_is_no_threshold_is_told_so(label: str, value: object, says: str) -> None:
    with pytest.raises(BadThreshold) as error:
        parse(label, value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("value", "number"), [("600", 600), ("1.5", 1.5), ("+2.", 2), ("1e3", 1000), (7, 7), ("007", 7)]
)
def test_a_threshold_is_a_decimal_number(value: object, number: float) -> None:
    assert parse("alerts.stream_lag_seconds", value) == number


def test_every_default_is_a_value_that_may_be_declared() -> None:
    for known in THRESHOLD_OF_NAME.values():
        if known.default is not None:
            assert known.parse(known.default) == known.default


def test_the_latest_five_successes_are_compared_with_those_before() -> None:
    assert trend_of([10.0] * 12) is None
    trend = trend_of([*[10.0] * 7, 12.0, *[30.0, 31.0, 9.0, 33.0, 34.0]])
    assert trend is not None
    assert (trend.recent, trend.earlier.median, trend.earlier.runs) == (31.0, 10.0, 8)


def test_a_trend_is_exposed_of_pipelines_and_stages_with_enough_successes(exposed: Exposed) -> None:
    for number in range(13):
        took = 10 if number < 8 else 20
        names: dict[str, Any] = {"pipeline": "nightly", "execution": str(number)}
        exposed.put(e.ExecutionStarted(**names), e.StageStarted(**names, stage="load"), seconds=number * 100)
        end = number * 100 + took
        exposed.put(e.StageFinished(**names, stage="load", status="succeeded"), seconds=end)
        assert exposed.values("pipeline_execution_recent_duration_seconds") == []
        exposed.put(e.ExecutionFinished(**names, status="succeeded"), seconds=end)
    for what in ("execution", "stage"):
        assert exposed.values(f"pipeline_{what}_recent_duration_seconds") == [20]
        assert exposed.values(f"pipeline_{what}_earlier_duration_seconds") == [10]
        assert exposed.values(f"pipeline_{what}_earlier_duration_mad_seconds") == [0]


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        (e.Schedule(every_seconds=90), timedelta(seconds=90)),
        (e.Schedule(cron="0 6 * * 1-5", timezone="Europe/Berlin"), timedelta(days=3)),
        (e.Schedule(cron="*/10 8-17 * * *"), timedelta(hours=14, minutes=10)),
    ],
)
def test_the_period_of_a_schedule_is_its_longest_gap(
    exposed: Exposed, schedule: e.Schedule, longest: timedelta
) -> None:
    exposed.put(e.PipelineDeclared(pipeline="nightly", schedule=schedule))
    assert exposed.values("pipeline_schedule_period_seconds") == [longest.total_seconds()]


def test_a_learnt_schedule_has_a_period_and_a_paused_one_has_none(exposed: Exposed) -> None:
    starts = [number * 60.0 for number in range(7)]
    assert {later - earlier for earlier, later in pairwise(starts)} == {60.0}
    for number, second in enumerate(starts):
        exposed.put(e.ExecutionStarted(pipeline="nightly", execution=str(number)), seconds=second)
    assert exposed.values("pipeline_schedule_period_seconds") == [60]
    exposed.put(e.PipelineDeclared(pipeline="nightly", paused=True), seconds=400)
    assert exposed.values("pipeline_schedule_period_seconds") == []
