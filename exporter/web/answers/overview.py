"""All pipelines together: how things stand, key figures, and the graph of stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from exporter.catalogue import Metric
from exporter.catalogue import metrics as m
from exporter.domain.graph import layers
from exporter.domain.status import FAILING, FINAL, Status
from exporter.store.queries.pipelines import Pipeline
from exporter.store.state import ComponentState, Histogram, Totals
from exporter.web.answers.execution import ExecutionSummary
from exporter.web.answers.pipeline import success_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingPipeline:
    """A pipeline whose latest executions failed."""

    name: str
    environment: str
    last_status: Status
    last_ended_at: str | None
    consecutive_failures: int
    last_success_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand now. `status`: failing if the latest execution of a pipeline failed, idle if nothing runs."""

    time: str
    status: Literal["idle", "running", "failing"]
    version: str
    pipelines: int
    pipelines_by_status: dict[str, int]
    active: dict[str, int]
    active_executions: list[ExecutionSummary]
    failing: list[FailingPipeline]
    last_event_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Key figures since ever, over all pipelines or those asked for. `executions`: ended ones by status."""

    time: str
    pipelines: int
    active: dict[str, int]
    executions: dict[str, int]
    executions_total: int
    success_rate: float | None
    mean_duration_seconds: float | None
    mean_queue_seconds: float | None
    errors: dict[str, int]
    errors_total: int
    stage_attempts: dict[str, int]
    stage_retries: int
    items_in: int
    items_out: int
    failing_pipelines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTotals:
    """What a stage has done since ever. Quantiles are read off the histogram that `/metrics` shows."""

    pipeline: str
    environment: str
    stage: str
    kind: str | None
    active: int
    attempts: dict[str, int]
    success_rate: float | None
    retries: int
    mean_duration_seconds: float | None
    p50_duration_seconds: float | None
    p95_duration_seconds: float | None
    p99_duration_seconds: float | None
    items_in: int
    items_out: int
    cpu_seconds: float
    memory_peak_bytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllStageTotals:
    """Totals of stages."""

    time: str
    stages: list[StageTotals]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A stage in a graph. `level`: length of the longest chain of stages before it."""

    id: str
    pipeline: str
    environment: str
    stage: str
    kind: str | None
    level: int
    active: int
    attempts: int
    failed: int
    success_rate: float | None
    mean_duration_seconds: float | None
    p95_duration_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The target waits for the source; both are ids of nodes. `items`: what the source gave out since ever."""

    source: str
    target: str
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Stages and what they wait for, as declared or as seen in executions."""

    nodes: list[Node]
    edges: list[Edge]


Parts = Mapping[tuple[str, ...], ComponentState]


def stage_totals(pipeline: Pipeline, name: str, state: ComponentState, active: int) -> StageTotals:
    """What a stage has done."""
    totals = state.totals
    attempts = by_part(totals, m.STAGE_EXECUTIONS)
    histogram = totals.histograms.get(m.STAGE_DURATION.name, {}).get("")
    items = by_part(totals, m.STAGE_ITEMS)
    return StageTotals(
        pipeline=pipeline.name,
        environment=pipeline.environment,
        stage=name,
        kind=state.facts.get("kind"),
        active=active,
        attempts=attempts,
        success_rate=success_rate(attempts),
        retries=int(total(totals, m.STAGE_RETRIES)),
        mean_duration_seconds=mean(histogram),
        p50_duration_seconds=quantile_of(histogram, m.STAGE_DURATION, 0.5),
        p95_duration_seconds=quantile_of(histogram, m.STAGE_DURATION, 0.95),
        p99_duration_seconds=quantile_of(histogram, m.STAGE_DURATION, 0.99),
        items_in=items.get("in", 0),
        items_out=items.get("out", 0),
        cpu_seconds=total(totals, m.STAGE_CPU),
        memory_peak_bytes=state.facts.get(m.STAGE_MEMORY_PEAK.name),
    )


def graph(pipeline: Pipeline, stages: Parts, active: Mapping[tuple[int, str], int]) -> Graph:
    """The graph of one pipeline."""
    upstreams = {
        name: [other for other in state.facts.get("depends_on", ()) if (other,) in stages and other != name]
        for (name,), state in stages.items()
    }
    levels = {name: level for level, names in enumerate(layers(upstreams)) for name in names}
    told = [
        stage_totals(pipeline, name, state, active.get((pipeline.id, name), 0))
        for (name,), state in stages.items()
    ]
    nodes = [
        Node(
            id=_node(pipeline, each.stage),
            pipeline=each.pipeline,
            environment=each.environment,
            stage=each.stage,
            kind=each.kind,
            level=levels[each.stage],
            active=each.active,
            attempts=sum(each.attempts.values()),
            failed=sum(each.attempts.get(status, 0) for status in FAILING),
            success_rate=each.success_rate,
            mean_duration_seconds=each.mean_duration_seconds,
            p95_duration_seconds=each.p95_duration_seconds,
        )
        for each in told
    ]
    items = {each.stage: each.items_out for each in told}
    edges = [
        Edge(source=_node(pipeline, source), target=_node(pipeline, name), items=items[source])
        for name, sources in upstreams.items()
        for source in sources
    ]
    return Graph(nodes=sorted(nodes, key=lambda node: node.level), edges=edges)


def _node(pipeline: Pipeline, stage: str) -> str:
    return f"{pipeline.environment}/{pipeline.name}/{stage}"


def by_part(totals: Totals, metric: Metric) -> dict[str, int]:
    """A counter by the values of its own label."""
    return {part: int(value) for part, value in totals.counters.get(metric.name, {}).items()}


def total(totals: Totals, metric: Metric) -> float:
    """A counter, all values of its own label together."""
    return sum(totals.counters.get(metric.name, {}).values())


def mean(histogram: Histogram | None) -> float | None:
    """Mean of what a histogram observed."""
    count = 0 if histogram is None else sum(histogram.counts.values())
    return None if histogram is None or not count else histogram.total / count


def quantile_of(histogram: Histogram | None, metric: Metric, q: float) -> float | None:
    """Quantile as Prometheus reads it: linear within a bucket, the last bound for what exceeds it."""
    count = 0 if histogram is None else sum(histogram.counts.values())
    if histogram is None or not count:
        return None
    rank, below = q * count, 0
    for number, bound in enumerate(metric.buckets):
        inside = histogram.counts.get(number, 0)
        if inside and below + inside >= rank:
            lower = metric.buckets[number - 1] if number else 0.0
            return lower + (bound - lower) * (rank - below) / inside
        below += inside
    return metric.buckets[-1]


def merged(histograms: Sequence[Histogram | None]) -> Histogram:
    """Sum of histograms of one metric."""
    whole = Histogram()
    for histogram in histograms:
        if histogram is not None:
            whole.total += histogram.total
            for bucket, count in histogram.counts.items():
                whole.counts[bucket] = whole.counts.get(bucket, 0) + count
    return whole


def added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Sum of counts by the same keys."""
    whole: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            whole[name] = whole.get(name, 0) + count
    return whole


ZERO = {status.value: 0 for status in Status if status in FINAL}
