"""Queries built from the catalogue."""

from __future__ import annotations

import pytest

from exporter.catalogue import promql
from exporter.catalogue.metrics import EXECUTION_DURATION, EXECUTIONS, EXECUTIONS_ACTIVE, LAST_SUCCESS
from exporter.catalogue.promql import Not, Regex, WrongQuery
from exporter.domain.status import Status


def test_a_selector_names_only_labels_of_the_metric() -> None:
    assert promql.select(EXECUTIONS, status=Status.FAILED) == 'pipeline_executions_total{status="failed"}'
    with pytest.raises(WrongQuery, match="pipeline_executions_total has no label state"):
        promql.select(EXECUTIONS, state="failed")


@pytest.mark.parametrize(
    ("wanted", "matcher"),
    [
        ("a", 'pipeline="a"'),
        (("a", "b"), 'pipeline=~"a|b"'),
        (Regex("$pipeline"), 'pipeline=~"$pipeline"'),
        (Not("a"), 'pipeline!="a"'),
        (Not(("a", "b")), 'pipeline!~"a|b"'),
        (Not(Regex("a.*")), 'pipeline!~"a.*"'),
        ('say "a\\b"', 'pipeline="say \\"a\\\\b\\""'),
    ],
)
def test_a_label_may_be_one_value_several_a_pattern_or_none_of_these(
    wanted: promql.Wanted, matcher: str
) -> None:
    assert promql.select(EXECUTIONS, pipeline=wanted) == f"pipeline_executions_total{{{matcher}}}"


def test_replicas_are_folded_before_anything_is_added_up() -> None:
    assert promql.rate(EXECUTIONS, "5m", by=("pipeline",)) == (
        "sum by (pipeline) (max without (instance, pod) (rate(pipeline_executions_total[5m])))"
    )
    assert promql.gauge(LAST_SUCCESS) == (
        "max without (instance, pod) (pipeline_last_success_timestamp_seconds)"
    )


def test_a_quantile_keeps_the_buckets_bounds() -> None:
    assert promql.quantile(0.95, EXECUTION_DURATION, "5m", by=("pipeline",)) == (
        "histogram_quantile(0.95, sum by (le, pipeline) (max without (instance, pod) "
        "(rate(pipeline_execution_duration_seconds_bucket[5m]))))"
    )


def test_a_gauge_has_no_rate_and_a_counter_no_quantile() -> None:
    with pytest.raises(WrongQuery, match="is a gauge, and this asks for a counter"):
        promql.rate(EXECUTIONS_ACTIVE, "5m")
    with pytest.raises(WrongQuery, match="is a counter, and this asks for a histogram"):
        promql.quantile(0.5, EXECUTIONS, "5m")
    with pytest.raises(WrongQuery, match="has no label le_"):
        promql.rate(EXECUTIONS, "5m", by=("le_",))
