"""What is kept as JSON inside rows: totals, gauges, rings of recent runs, and facts with the time they were told."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from exporter.catalogue import Metric

RECENT = 40
"""Ended executions remembered of each pipeline, whatever retention deletes."""

SUCCESSES = 30
STAGE_SUCCESSES = 20
"""Successes that a usual duration rests on at the most."""

STARTS = 24
"""Starts from which a schedule is learnt."""


class Histogram(Struct, array_like=True):
    """Sum, observations per bucket (not cumulative, by bucket number) and the latest exemplar of each bucket.

    An exemplar is the execution's id, the observed value and its time in microseconds.
    """

    total: float = 0.0
    counts: dict[int, int] = field(default_factory=dict)
    exemplars: dict[int, tuple[str, float, int]] = field(default_factory=dict)


class Totals(Struct, omit_defaults=True):
    """Counters and histograms by metric name and the value of the metric's own label ("" if it has none)."""

    counters: dict[str, dict[str, float]] = field(default_factory=dict)
    histograms: dict[str, dict[str, Histogram]] = field(default_factory=dict)

    def add(self, metric: Metric, amount: float = 1, part: str = "") -> None:
        """Raise a counter."""
        parts = self.counters.setdefault(metric.name, {})
        parts[part] = parts.get(part, 0) + amount

    def observe(
        self, metric: Metric, value: float, part: str = "", exemplar: tuple[str, int] | None = None
    ) -> None:
        """Put a value into a histogram. `exemplar`: the execution's id and when, in microseconds."""
        parts = self.histograms.setdefault(metric.name, {})
        histogram = parts.get(part)
        if histogram is None:
            histogram = parts[part] = Histogram()
        bucket = bisect_left(metric.buckets, value)
        histogram.total += value
        histogram.counts[bucket] = histogram.counts.get(bucket, 0) + 1
        if exemplar is not None:
            kept = histogram.exemplars.get(bucket)
            if kept is None or kept[2] <= exemplar[1]:
                histogram.exemplars[bucket] = (exemplar[0], value, exemplar[1])

    def parts(self, metric: Metric) -> set[str]:
        """Values that the metric's own label has had."""
        return set(self.counters.get(metric.name, ())) | set(self.histograms.get(metric.name, ()))


class Fact(Struct, array_like=True, frozen=True):
    """Something told at a time (microseconds)."""

    time: int
    value: Any


class Facts(Struct, omit_defaults=True):
    """Values that were told, the latest of each by name; at one instant the greater text wins, in any order."""

    told: dict[str, Fact] = field(default_factory=dict)

    def tell(self, name: str, time: int, value: Any) -> bool:
        """Take a value unless a later one is known; True if it changed anything."""
        kept = self.told.get(name)
        if kept is not None:
            if kept.time > time or (kept.value == value and kept.time == time):
                return False
            if kept.time == time and msgspec.json.encode(value) <= msgspec.json.encode(kept.value):
                return False
        self.told[name] = Fact(time, value)
        return True

    def get(self, name: str, default: Any = None) -> Any:
        """The latest value told."""
        kept = self.told.get(name)
        return default if kept is None else kept.value


class Ended(Struct, array_like=True, order=True):
    """An ended execution, as remembered in its pipeline by the first half of its id. Times in microseconds."""

    ended_at: int
    key: str
    status: str
    duration: int | None = None


class Duration(Struct, array_like=True, order=True):
    """Duration of a success, in microseconds, and when it ended."""

    ended_at: int
    key: str
    duration: int


class PipelineState(Struct, omit_defaults=True):
    """What is remembered of a pipeline, however long ago its executions were deleted."""

    totals: Totals = field(default_factory=Totals)
    facts: Facts = field(default_factory=Facts)
    recent: list[Ended] = field(default_factory=list)
    older_failures: int = 0
    successes: list[Duration] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    first_at: int | None = None
    last_at: int | None = None
    next_expected: int | None = None
    due_at: int | None = None
    missed_through: int | None = None
    thresholds: int = 0
    """Most thresholds that were ever declared at once: series are never given back."""


class ComponentState(Struct, omit_defaults=True):
    """What is remembered of a part of a pipeline. Gauges are facts named by their metric."""

    totals: Totals = field(default_factory=Totals)
    facts: Facts = field(default_factory=Facts)
    successes: list[Duration] = field(default_factory=list)


class ClockState(Struct, omit_defaults=True):
    """Totals that the exporter tells of itself, shared by all replicas."""

    totals: Totals = field(default_factory=Totals)
    facts: Facts = field(default_factory=Facts)


Entry = TypeVar("Entry", Ended, Duration)


def remember(ring: list[Entry], entry: Entry, size: int) -> Entry | None:
    """Put an entry into a ring sorted by end, keeping the latest `size`; returns the one that fell out."""
    insort(ring, entry)
    return ring.pop(0) if len(ring) > size else None


def consecutive_failures(state: PipelineState, failing: frozenset[str], succeeded: str) -> int:
    """Failures since the latest success; executions that were cancelled or skipped count neither way."""
    failures = 0
    for ended in reversed(state.recent):
        if ended.status == succeeded:
            return failures
        failures += ended.status in failing
    return failures + state.older_failures
