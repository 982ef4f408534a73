"""The catalogue's metrics as prometheus_client's families, and the order in which they are exposed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Exemplar

from exporter.catalogue import CATALOGUE, Kind, Metric
from exporter.catalogue import metrics as m
from exporter.domain.times import SECOND, to_micros
from exporter.exposition.lines import EXEMPLAR_LABEL, bounds, cumulative
from exporter.exposition.own import SHARED
from exporter.store.limits import Limits
from exporter.store.readings import AGES, SOURCES, ExecutionReading, Reading
from exporter.store.snapshot import Clock
from exporter.store.state import Histogram

SETTLED = tuple(metric for metric in CATALOGUE if metric.name in SOURCES and metric not in AGES)
"""Metrics of pipelines that only events change. They come first, so that they can be kept as they are."""

EXECUTIONS = (m.EXECUTION_PROGRESS, m.EXECUTION_ETA)

PASSING = tuple(metric for metric in CATALOGUE if metric in AGES or metric in EXECUTIONS or metric in SHARED)
"""Metrics from the store that are worked out anew at each scrape."""

MOST_EXECUTIONS = 200
"""Active executions that are exposed one by one: as many as the forecasts name first."""

_FAMILIES: Mapping[Kind, Callable[..., Family]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
    Kind.SUMMARY: SummaryMetricFamily,
}


def family(metric: Metric, readings: Iterable[Reading] = ()) -> Family:
    """A metric's family with the samples that readings amount to."""
    made = _FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels, unit=metric.unit)
    for labels, value in readings:
        if isinstance(value, Histogram):
            assert isinstance(made, HistogramMetricFamily)
            made.add_metric(labels, _buckets(metric, value), value.total)
        else:
            # Not by `add_metric`, which knows no summary that consists of quantiles alone.
            made.add_sample(metric.name, dict(zip(metric.labels, labels, strict=True)), value)
    return made


_Bucket: TypeAlias = tuple[str, float] | tuple[str, float, Exemplar]


def _buckets(metric: Metric, histogram: Histogram) -> list[_Bucket]:
    exemplars = {
        bucket: Exemplar({EXEMPLAR_LABEL: execution}, value, micros / SECOND)
        for bucket, (execution, value, micros) in histogram.exemplars.items()
    }
    counts = cumulative(metric, histogram)
    return [
        (le, count, exemplars[bucket]) if bucket in exemplars else (le, count)
        for bucket, (le, count) in enumerate(zip(bounds(metric), counts, strict=True))
    ]


def sample_names(metric: Metric) -> tuple[str, ...]:
    """Names of a family's samples."""
    if metric.kind is Kind.HISTOGRAM:
        return tuple(f"{metric.name}{suffix}" for suffix in ("_bucket", "_count", "_sum"))
    return (metric.name,)


def age(instant: float, now: float) -> float:
    """How long ago an instant is, in seconds; to the microsecond, which is how exactly times are known."""
    return round(now - instant, 6)


@dataclass(frozen=True, slots=True)
class Moment:
    """What passing families need to know."""

    now: datetime
    clock: Clock
    limits: Limits
    executions: Sequence[ExecutionReading]


def passing(metric: Metric, moment: Moment) -> Iterator[Reading]:
    """Readings of a metric that is worked out anew at each scrape, other than an age."""
    if metric in SHARED:
        yield from SHARED[metric](metric, moment.clock, moment.limits)
    for execution in moment.executions if metric in EXECUTIONS else ():
        value: float | None = execution.progress
        if metric is m.EXECUTION_ETA:
            value = None if execution.eta is None else to_micros(execution.eta) / SECOND
        if value is not None:
            yield (execution.pipeline, execution.environment, execution.execution_id), value
