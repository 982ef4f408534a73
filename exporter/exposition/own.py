"""What the exporter tells of itself: what all replicas share, from the store, and what this process does."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.catalogue import Metric
from exporter.catalogue import own as o
from exporter.domain.times import SECOND
from exporter.store.limits import Limits
from exporter.store.readings import Reading
from exporter.store.snapshot import Clock

SEPARATOR = "\x1f"
"""Stands between the values of several labels where a total has one text for all."""

LAST = "last "
"""Before the name of a way in, where a fact tells when it last brought an event."""

Shared: TypeAlias = Callable[[Metric, Clock, Limits], Iterable[Reading]]


def _counted(metric: Metric, clock: Clock, _: Limits) -> Iterator[Reading]:
    for part, value in clock.state.totals.counters.get(metric.name, {}).items():
        yield tuple(part.split(SEPARATOR)), value


def _last_events(_: Metric, clock: Clock, _limits: Limits) -> Iterator[Reading]:
    for name, fact in clock.state.facts.told.items():
        if name.startswith(LAST):
            yield (name.removeprefix(LAST),), fact.value / SECOND


SHARED: Mapping[Metric, Shared] = {
    o.EVENTS: _counted,
    o.UNMAPPED: _counted,
    o.CORRECTIONS: _counted,
    o.SERIES: lambda _, clock, _limits: [((), clock.series)],
    o.SERIES_LIMIT: lambda _, _clock, limits: [((), limits.series)],
    o.LABEL_OVERFLOW: _counted,
    o.RETENTION_ROWS: _counted,
    o.SOURCE_LAST_EVENT: _last_events,
}
"""Where the readings of what all replicas share come from."""


Room: TypeAlias = Callable[[Path], tuple[int | None, int | None]]


def room_of(folder: Path) -> tuple[int | None, int | None]:
    """Size and free bytes of the volume that a folder is on; unknown if it is gone, as failing commits will tell."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None, None
    return usage.total, usage.free


class OwnMetrics:
    """Metrics of this process: made by whoever starts it, set by whoever does the work.

    `registry` has them all, and prometheus_client's about the process, the interpreter and its garbage
    collection unless `process` is False. `room` tells size and free bytes of a folder's volume. An observer of the
    store's writer.
    """

    def __init__(self, *, process: bool = True, room: Room = room_of) -> None:
        self._made = CollectorRegistry()
        self._build_info = self._gauge(o.BUILD_INFO)
        self.queue_depth = self._gauge(o.QUEUE_DEPTH)
        self.queue_limit = self._gauge(o.QUEUE_LIMIT)
        self.commit_seconds = self._histogram(o.COMMIT_SECONDS)
        self.commit_failures = self._counter(o.COMMIT_FAILURES)
        for reason in ("database", "defect"):
            self.commit_failures.labels(reason)
        self.refusals = self._counter(o.REFUSALS)
        self.scrape_seconds = self._histogram(o.SCRAPE_SECONDS)
        self.database_up = self._gauge(o.DATABASE_UP)
        self._volume = _Volume(room)
        self._made.register(self._volume)
        self.reader_queries_ended = self._counter(o.READER_ENDED)
        self._upkeep_failures = self._counter(o.UPKEEP_FAILURES)
        for task in o.UPKEEP_TASKS:
            for reason in ("database", "defect"):
                self._upkeep_failures.labels(task, reason)
        self._source_up = self._gauge(o.SOURCE_UP)
        self._source_last_read = self._gauge(o.SOURCE_LAST_READ)
        self._source_rows = self._counter(o.SOURCE_ROWS)
        self._source_errors = self._counter(o.SOURCE_ERRORS)
        self._source_done = self._gauge(o.SOURCE_DONE)
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(_WithoutCreated(self._made))
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)

    def runs_on(self, database: str, folder: Path | None = None) -> None:
        """Say what this build is, which kind of database it runs on, and in which folder, if that is known."""
        self._volume.folder = folder
        self._build_info.labels(__version__, platform.python_version(), database).set(1)

    def committed(self, seconds: float) -> None:
        """A group of events is durable."""
        self.commit_seconds.observe(seconds)
        self.database_up.set(1)

    def failed(self, reason: str) -> None:
        """A group of events could not be made durable; `reason` is "database" or "defect"."""
        self.commit_failures.labels(reason).inc()
        if reason == "database":
            self.database_up.set(0)

    def reader_ended(self) -> None:
        """A query of a panel lasted too long and was ended."""
        self.reader_queries_ended.inc()

    def upkeep_failed(self, task: str, reason: str) -> None:
        """A task that keeps the store in order could not be done; `reason` is "database" or "defect"."""
        self._upkeep_failures.labels(task, reason).inc()

    def refused(self, source: str, status: int) -> None:
        """A request was refused."""
        self.refusals.labels(source, status).inc()

    def source_known(self, source: str) -> None:
        """A source is about to be read: its counters begin at 0, so that the first error is an increase."""
        self._source_rows.labels(source)
        for reason in ("away", "defect", "row"):
            self._source_errors.labels(source, reason)

    def source_read(self, source: str, rows: int, problems: int, done: float | None) -> None:
        """Rows of a source were read, so many of them not understood."""
        self._source_rows.labels(source).inc(rows)
        self._source_errors.labels(source, "row").inc(problems)
        if done is not None:
            self._source_done.labels(source).set(done)

    def source_up(self, source: str, at: float) -> None:
        """A source was read whole."""
        self._source_up.labels(source).set(1)
        self._source_last_read.labels(source).set(at)
        self._source_done.labels(source).set(1)

    def source_down(self, source: str, reason: str) -> None:
        """A source could not be read; `reason` is "away" or "defect"."""
        self._source_up.labels(source).set(0)
        self._source_errors.labels(source, reason).inc()

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, unit=metric.unit, registry=self._made)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, unit=metric.unit, registry=self._made)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.help,
            metric.labels,
            unit=metric.unit,
            buckets=metric.buckets,
            registry=self._made,
        )


class _Volume:
    """Room on the volume of the database; unknown where the database is a server's."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.folder: Path | None = None

    def collect(self) -> Iterator[Family]:
        """Its families, without samples if nothing is known."""
        size, free = (None, None) if self.folder is None else self._room(self.folder)
        for metric, found in ((o.DATABASE_FREE, free), (o.DATABASE_VOLUME, size)):
            yield GaugeMetricFamily(metric.name, metric.help, value=found, unit=metric.unit)


class _WithoutCreated:
    """A collector without the series that prometheus_client adds to say when it made a metric."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Family]:
        """Its families."""
        for family in self._collector.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
