"""What the store knows of a pipeline, as readings of the catalogue's metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeAlias

from exporter.catalogue import CATALOGUE, Kind, Metric, Scope
from exporter.catalogue import metrics as m
from exporter.catalogue.metric import OTHER
from exporter.catalogue.thresholds import declared as declared_thresholds
from exporter.domain.baseline import Trend, quantile
from exporter.domain.status import FAILING, Status
from exporter.domain.times import SECOND
from exporter.store.limits import EDGE_CAP
from exporter.store.rules.due import cadence_of
from exporter.store.snapshot import Snapshot, State
from exporter.store.state import Histogram, consecutive_failures

Reading: TypeAlias = tuple[tuple[str, ...], float | Histogram]
"""Values of a metric's labels, in their order, and what is known under them."""

Source: TypeAlias = Callable[[Metric, Snapshot], Iterable[Reading]]

COUNTED_FROM_ZERO = frozenset({Scope.PIPELINE, Scope.STAGE, Scope.STREAM, Scope.CHECK})
"""Scopes whose counters show 0 as soon as the part is known, so that the first failure is an increase. In the
others a part is known by its first count, and a cost that nobody tells must not look like none."""

OBSERVED_FROM_ZERO = frozenset({Scope.PIPELINE, Scope.STAGE})
"""Scopes whose histograms show empty buckets. An empty one elsewhere would cost lines and tell nothing."""

AGES = frozenset({m.STREAM_LAG})
"""Gauges whose readings are instants, in seconds: shown is how long ago that is, at each scrape."""


@dataclass(frozen=True, slots=True)
class ExecutionReading:
    """How far an active execution is (0 to 1) and when it is expected to end, where that is known."""

    pipeline: str
    environment: str
    execution_id: str
    progress: float | None
    eta: datetime | None


_COUNTING = frozenset({Kind.COUNTER, Kind.HISTOGRAM})


def readings(metric: Metric, snapshot: Snapshot) -> Iterable[Reading]:
    """What is known of a metric in a pipeline. What is unknown has no reading, which is not 0.

    `__other__` stands for pipelines or parts that have nothing in common: it counts, and has no gauges.
    """
    found = SOURCES[metric.name](metric, snapshot)
    if metric.kind in _COUNTING:
        return found
    return [entry for entry in found if OTHER not in entry[0]]


def _counted(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    from_zero = metric.scope in COUNTED_FROM_ZERO
    for labels, state in snapshot.parts(metric.scope):
        found = state.totals.counters.get(metric.name, {})
        common = snapshot.labels + labels
        if metric.part is not None:
            shown = dict.fromkeys(metric.seeds, 0.0) | found if from_zero else found
            for part, value in shown.items():
                yield (*common, part), value
        elif found or from_zero:
            yield common, found.get("", 0.0)


def _observed(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    from_zero = metric.scope in OBSERVED_FROM_ZERO
    for labels, state in snapshot.parts(metric.scope):
        found = state.totals.histograms.get(metric.name, {})
        common = snapshot.labels + labels
        if metric.part is not None:
            for part, histogram in found.items():
                yield (*common, part), histogram
        elif found or from_zero:
            yield common, found.get("") or Histogram()


def _told(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    """A gauge of a part: a fact under the metric's name."""
    for labels, state in snapshot.parts(metric.scope):
        value = state.facts.get(metric.name)
        if value is not None:
            yield snapshot.labels + labels, value


def _of_pipeline(value: Callable[[Snapshot], float | None]) -> Source:
    def source(_: Metric, snapshot: Snapshot) -> Iterator[Reading]:
        found = value(snapshot)
        if found is not None:
            yield snapshot.labels, found

    return source


def _at(value: Callable[[Snapshot], int | None]) -> Source:
    """The same for an instant in microseconds."""

    def seconds(snapshot: Snapshot) -> float | None:
        micros = value(snapshot)
        return None if micros is None else micros / SECOND

    return _of_pipeline(seconds)


def _oldest_start(snapshot: Snapshot) -> int | None:
    starts = [active.oldest_start for active in snapshot.active.values() if active.oldest_start is not None]
    return min(starts, default=None)


def _last_success(snapshot: Snapshot) -> int | None:
    state = snapshot.state
    ends = [ended.ended_at for ended in state.recent if ended.status == Status.SUCCEEDED]
    return max([*ends, *(success.ended_at for success in state.successes[-1:])], default=None)


def _last_status(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    if snapshot.state.recent:
        last = snapshot.state.recent[-1].status
        for status in metric.seeds:
            yield (*snapshot.labels, status), float(status == last)


def _baselines(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    for labels, state in snapshot.parts(metric.scope):
        durations = sorted(success.duration / SECOND for success in state.successes)
        for part in metric.seeds if durations else ():
            yield (*snapshot.labels, *labels, part), quantile(durations, float(part))


def _trend(value: Callable[[Trend], float]) -> Source:
    def source(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
        for labels, _ in snapshot.parts(metric.scope):
            trend = snapshot.trends.get(labels)
            if trend is not None:
                yield snapshot.labels + labels, value(trend)

    return source


_recent = _trend(lambda trend: trend.recent)
_earlier = _trend(lambda trend: trend.earlier.median)
_earlier_mad = _trend(lambda trend: trend.earlier.mad)


def _thresholds(_: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    """As many as the budget of series had room for when they were declared."""
    found = declared_thresholds(snapshot.state.facts.get("labels", {}))
    for name, value in islice(found.items(), snapshot.state.thresholds):
        yield (*snapshot.labels, name), value


def _period(snapshot: Snapshot) -> float | None:
    known = cadence_of(snapshot.state)
    return None if known is None else known.longest_gap.total_seconds()


def _pipeline_info(_: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    facts = snapshot.state.facts
    kind = facts.get("kind") or facts.get("execution_kind", "")
    yield (*snapshot.labels, kind, facts.get("owner", ""), facts.get("source", "")), 1.0


def _missed(metric: Metric, snapshot: Snapshot) -> Iterable[Reading]:
    """Starts can be missed only where some are due."""
    state = snapshot.state
    due = state.next_expected is not None or state.facts.get("schedule") is not None
    return _counted(metric, snapshot) if due or metric.name in state.totals.counters else ()


def _paused(snapshot: Snapshot) -> float | None:
    paused = snapshot.state.facts.get("paused")
    return None if paused is None and snapshot.state.facts.get("schedule") is None else float(bool(paused))


def _executions_active(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    for status in metric.seeds:
        active = snapshot.active.get(status)
        yield (*snapshot.labels, status), 0 if active is None else active.count


def _of_stage(value: Callable[[Snapshot, str], float]) -> Source:
    def source(_: Metric, snapshot: Snapshot) -> Iterator[Reading]:
        for stage in snapshot.stages:
            yield (*snapshot.labels, stage), value(snapshot, stage)

    return source


def _stage_info(_: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    for stage, state in snapshot.stages.items():
        yield (*snapshot.labels, stage, state.facts.get("kind", "")), 1.0


def _edges(value: Callable[[State], float]) -> Source:
    """An edge's value comes from its source stage."""

    def source(_: Metric, snapshot: Snapshot) -> Iterator[Reading]:
        stages = snapshot.stages
        edges = (
            (upstream, stage) for stage, upstreams in snapshot.upstreams.items() for upstream in upstreams
        )
        for upstream, stage in islice(edges, EDGE_CAP):
            yield (*snapshot.labels, upstream, stage), value(stages[upstream])

    return source


def _phase(metric: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    for labels, phase in _told(metric, snapshot):
        yield (*labels, str(phase)), 1.0


def _watermarks(_: Metric, snapshot: Snapshot) -> Iterator[Reading]:
    return _told(m.STREAM_WATERMARK, snapshot)


_SPECIAL: Mapping[Metric, Source] = {
    m.EXECUTIONS_ACTIVE: _executions_active,
    m.OLDEST_ACTIVE_START: _at(_oldest_start),
    m.LAST_START: _at(lambda snapshot: snapshot.state.starts[-1] if snapshot.state.starts else None),
    m.LAST_END: _at(lambda snapshot: snapshot.state.recent[-1].ended_at if snapshot.state.recent else None),
    m.LAST_SUCCESS: _at(_last_success),
    m.LAST_DURATION: _at(
        lambda snapshot: snapshot.state.recent[-1].duration if snapshot.state.recent else None
    ),
    m.LAST_STATUS: _last_status,
    m.LAST_EVENT: _at(lambda snapshot: snapshot.state.last_at),
    m.FIRST_EVENT: _at(lambda snapshot: snapshot.state.first_at),
    m.CONSECUTIVE_FAILURES: _of_pipeline(
        lambda snapshot: consecutive_failures(snapshot.state, FAILING, Status.SUCCEEDED)
    ),
    m.DURATION_BASELINE: _baselines,
    m.DURATION_BASELINE_MAD: _of_pipeline(
        lambda snapshot: None if snapshot.usual is None else snapshot.usual.mad
    ),
    m.DURATION_BASELINE_RUNS: _of_pipeline(lambda snapshot: len(snapshot.state.successes)),
    m.RECENT_DURATION: _recent,
    m.EARLIER_DURATION: _earlier,
    m.EARLIER_DURATION_MAD: _earlier_mad,
    m.PIPELINE_INFO: _pipeline_info,
    m.SCHEDULE_NEXT: _at(lambda snapshot: snapshot.state.next_expected),
    m.SCHEDULE_PERIOD: _of_pipeline(_period),
    m.SCHEDULE_MISSED: _missed,
    m.SCHEDULE_PAUSED: _of_pipeline(_paused),
    m.LLM_BUDGET: _of_pipeline(lambda snapshot: snapshot.state.facts.get("llm_budget_usd")),
    m.ALERT_THRESHOLD: _thresholds,
    m.STAGE_RECENT_DURATION: _recent,
    m.STAGE_EARLIER_DURATION: _earlier,
    m.STAGE_EARLIER_DURATION_MAD: _earlier_mad,
    m.STAGE_ACTIVE: _of_stage(lambda snapshot, stage: snapshot.active_stages.get(stage, 0)),
    m.STAGE_BASELINE: _baselines,
    m.STAGE_INFO: _stage_info,
    m.STAGE_LAYOUT_X: _of_stage(lambda snapshot, stage: snapshot.places[stage][0]),
    m.STAGE_LAYOUT_Y: _of_stage(lambda snapshot, stage: snapshot.places[stage][1]),
    m.EDGE_INFO: _edges(lambda _: 1.0),
    m.EDGE_ITEMS: _edges(lambda state: state.totals.counters.get(m.STAGE_ITEMS.name, {}).get("out", 0.0)),
    m.STREAM_PHASE: _phase,
    m.STREAM_LAG: _watermarks,
}
_USUAL: Mapping[Kind, Source] = {Kind.COUNTER: _counted, Kind.HISTOGRAM: _observed, Kind.GAUGE: _told}

SOURCES: Mapping[str, Source] = {
    metric.name: _SPECIAL[metric] if metric in _SPECIAL else _USUAL[metric.kind]
    for metric in CATALOGUE
    if metric.scope not in (Scope.EXECUTION, Scope.EXPORTER)
}
"""Where the readings of each metric of a pipeline come from, by its name."""
