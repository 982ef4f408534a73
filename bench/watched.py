"""What Prometheus holds after it watched many pipelines for a day: all of the catalogue, sampled as in the stack."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, product
from pathlib import Path

import yaml

from bench.blocks import Block, Labels, Series
from bench.chunks import Change
from bench.fleet import HOUR, MINUTE, SECOND, SPAN, TOLD, Fleet, Moment, Subject
from bench.lifecycles import name_of
from exporter.catalogue import metrics as m
from exporter.catalogue import recorded, summed
from exporter.catalogue.metric import Kind, Metric, Scope
from exporter.catalogue.own import OWN
from exporter.catalogue.thresholds import THRESHOLDS
from exporter.domain.status import FINAL, Status
from tests.support.paths import REPOSITORY

BLOCK = 6 * HOUR

fork = multiprocessing.get_context("fork")

JOB = "pipeline-exporter"
INSTANCE = "exporter:9877"
_VALUES: Mapping[str, Sequence[str]] = {
    "status": tuple(sorted(status.value for status in FINAL | {Status.RUNNING, Status.QUEUED})),
    "direction": ("in", "out"),
    "quantile": m.QUANTILES,
    "validity": ("valid", "invalid"),
    "outcome": ("accepted", "duplicate"),
    "operation": ("insert", "update", "delete", "read"),
    "threshold": tuple(each.name for each in THRESHOLDS),
    "gen_ai_token_type": ("input", "output"),
    "error_type": ("", "RateLimitError"),
}
"""Values of labels that have several for each thing measured; every other has one."""


_NOT_TOLD: Mapping[Metric, str] = {
    m.STREAM_LATENCY: "in",
    summed.STREAM_LATENCY: "in",
    summed.COMMITS: "in",
    summed.FILES: "in",
    summed.BYTES: "in",
    m.STREAM_COMMITS: "in",
    m.STREAM_FILES: "in",
    m.STREAM_BYTES: "in",
    m.STREAM_LAG: "out",
    m.STREAM_WATERMARK: "out",
    m.STREAM_BUFFER: "out",
}
"""Directions of streams that have nothing to tell of a metric."""


def _told(metric: Metric, subject: Subject) -> bool:
    """Whether this subject has anything to tell of the metric."""
    if metric in (m.STREAM_PHASE, m.STREAM_TARGET_RATE):  # traffic patterns are a tool of few
        return subject.labels["pipeline"] == name_of(0)
    return subject.labels.get("direction", "") != _NOT_TOLD.get(metric)


@dataclass(frozen=True)
class Day:
    """A day of so many pipelines that ends at `end`, a multiple of six hours."""

    pipelines: int
    end: int

    @property
    def start(self) -> int:
        """When it begins."""
        return self.end - SPAN

    @cached_property
    def _fleet(self) -> Fleet:
        return Fleet(self.start, self.end)

    def write(self, folder: Path) -> int:
        """Write blocks of it, and tell how many series they hold."""
        series = sorted(self.series(), key=lambda each: each.labels)
        starts = range(self.start, self.end, BLOCK)
        # A process that is forked has the series already.
        processes = [
            fork.Process(target=Block(folder, start, start + BLOCK).write, args=(series,)) for start in starts
        ]
        gc.freeze()
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            if process.exitcode:
                raise RuntimeError(f"a block could not be written: exit code {process.exitcode}")
        return len(series)

    def series(self) -> Iterator[Series]:
        """Everything that was scraped or recorded."""
        yield from {each.labels: each for each in self._all()}.values()

    def _all(self) -> Iterator[Series]:
        subjects: dict[Scope, list[Subject]] = {}
        for number in range(self.pipelines):
            for subject in self._fleet.of_pipeline(number):
                subjects.setdefault(subject.scope, []).append(subject)
        yield from self._scraped(subjects)
        yield from self._recorded(subjects)
        yield from self._running(subjects[Scope.PIPELINE])
        yield from self._alerts(subjects[Scope.PIPELINE])
        yield from self._of_target()

    def _scraped(self, subjects: Mapping[Scope, Sequence[Subject]]) -> Iterator[Series]:
        exporter = Subject(Scope.EXPORTER, {}, self._fleet.regular(TOLD, 0.02))
        target = {"instance": INSTANCE, "job": JOB}
        for metric in (*m.PIPELINE_METRICS, *OWN):
            if metric.scope is Scope.EXECUTION:
                continue
            interval = _intervals.of(metric.name)
            for subject in subjects.get(metric.scope, [exporter]):
                if _told(metric, subject):
                    yield from self._measured(metric, subject, target, interval)

    def _recorded(self, subjects: Mapping[Scope, Sequence[Subject]]) -> Iterator[Series]:
        for group in recorded.GROUPS:
            interval = milliseconds(group.interval)
            for metric in dict.fromkeys(rule.metric for rule in group.rules):
                for subject in subjects.get(metric.scope, []):
                    if _told(metric, subject):
                        yield from self._measured(metric, subject, {"job": JOB}, interval)

    def _measured(
        self, metric: Metric, subject: Subject, target: Mapping[str, str], interval: int
    ) -> Iterator[Series]:
        several = [name for name in metric.labels if name in _VALUES and name not in subject.labels]
        values_of = {
            name: metric.seeds if name == metric.part and metric.seeds else _VALUES[name] for name in several
        }
        values_of |= {"error_type": _VALUES["error_type"]}
        for values in product(*(values_of[name] for name in several)):
            chosen = dict(zip(several, values, strict=True))
            labels = {name: subject.labels.get(name, "some") for name in metric.labels} | chosen
            moments = subject.moments
            if metric.kind is Kind.COUNTER and "status" in chosen:
                moments = [moment for moment in moments if moment.status == chosen["status"]]
            if chosen.get("error_type"):
                moments = moments[7::100]
            for suffix, extra, changes in self._values(metric, moments, interval):
                named = {"__name__": metric.name + suffix, **labels, **extra, **target}
                yield Series(_labels(named), interval, changes)

    def _values(
        self, metric: Metric, moments: Sequence[Moment], interval: int
    ) -> Iterator[tuple[str, Mapping[str, str], Sequence[Change]]]:
        if metric.kind is Kind.HISTOGRAM:
            for suffix, extra, changes in self._histogram(metric, moments, interval):
                if suffix == "_bucket" or ":" not in metric.name:
                    yield suffix, extra, changes
        elif metric.kind is Kind.COUNTER:
            whole = "status" in metric.labels or "executions" in metric.name
            amounts = [1.0 if whole else float(self._fleet.random.randrange(1, 500)) for _ in moments]
            yield "", {}, self._changes(moments, list(accumulate(amounts, initial=1000.0)), interval)
        elif metric.name.endswith("_info") or "layout" in metric.name:
            yield "", {}, [(self.start, 1.0)]
        elif metric in (m.STREAM_LAG, recorded.STREAM_LAG):
            yield "", {}, [(time, time % 45 * 0.5) for time in range(self.start, self.end, interval)]
        elif metric.name.endswith("timestamp_seconds"):
            ends = [self.start / SECOND, *(moment.time / SECOND for moment in moments)]
            yield "", {}, self._changes(moments, ends, interval)
        else:
            yield "", {}, self._changes(moments, [0.9, *(moment.amount for moment in moments)], interval)

    def _histogram(
        self, metric: Metric, moments: Sequence[Moment], interval: int
    ) -> Iterator[tuple[str, Mapping[str, str], Sequence[Change]]]:
        # Token counts are thousands, everything else seconds.
        factor = 1000 if metric is m.GEN_AI_TOKENS else 1
        amounts = [factor * moment.amount for moment in moments]
        counts = self._changes(moments, [float(number) for number in range(len(moments) + 1)], interval)
        yield "_count", {}, counts
        yield "_sum", {}, self._changes(moments, list(accumulate(amounts, initial=0.0)), interval)
        yield "_bucket", {"le": "+Inf"}, counts
        most = max(amounts, default=0.0)
        for bound in metric.buckets:
            if bound >= most:
                yield "_bucket", {"le": f"{bound}"}, counts
                continue
            within = [moment for moment, amount in zip(moments, amounts, strict=True) if amount <= bound]
            numbers = [float(number) for number in range(len(within) + 1)]
            yield "_bucket", {"le": f"{bound}"}, self._changes(within, numbers, interval)

    def _changes(self, moments: Sequence[Moment], values: Sequence[float], interval: int) -> list[Change]:
        """Values after each moment, the first of them from the beginning on; between two scrapes the last."""
        found: dict[int, float] = {self.start: values[0]}
        for moment, value in zip(moments, values[1:], strict=True):
            found[-(-moment.time // interval) * interval] = value
        return list(found.items())

    def _running(self, pipelines: Sequence[Subject]) -> Iterator[Series]:
        """Progress and expected end of executions while they ran: series that come and go."""
        for subject in pipelines:
            for number, run in enumerate(subject.moments):
                begin = max(run.time - int(run.amount) * SECOND, self.start)
                named = {**subject.labels, "instance": INSTANCE, "job": JOB}
                named["execution_id"] = f"{subject.labels['pipeline'][-4:]}{number:028x}"
                ends = [(begin, run.time / SECOND)]
                share = [
                    (time, (time - begin) / (run.time - begin))
                    for time in range(begin, run.time, 10 * SECOND)
                ]
                for metric, changes in ((m.EXECUTION_PROGRESS, share), (m.EXECUTION_ETA, ends)):
                    if begin < run.time:
                        labels = _labels({"__name__": metric.name, **named})
                        yield Series(labels, _intervals.of(metric.name), changes, begin, run.time)

    def _alerts(self, pipelines: Sequence[Subject]) -> Iterator[Series]:
        """Alerts of every failed run, for a quarter of an hour."""
        for subject in pipelines:
            for number, run in enumerate(run for run in subject.moments if run.status == "failed"):
                begin = -(-run.time // MINUTE) * MINUTE
                end = min(begin + 15 * MINUTE, self.end)
                named = {**subject.labels, "alertname": f"Alert{number % 20}", "owner": "some", "job": JOB}
                named["severity"] = ("critical", "warning", "info")[number % 3]
                if number < 20 and begin < end:
                    firing = {"__name__": "ALERTS", "alertstate": "firing", **named}
                    yield Series(_labels(firing), MINUTE, [(begin, 1.0)], begin, end)
                    since = {"__name__": "ALERTS_FOR_STATE", **named}
                    yield Series(_labels(since), MINUTE, [(begin, begin / SECOND)], begin, end)

    def _of_target(self) -> Iterator[Series]:
        told = self._fleet.regular(TOLD, 1.0)
        names = (
            "up",
            "scrape_duration_seconds",
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
        )
        for name in names:
            values = list(accumulate((moment.amount for moment in told), initial=0.0))
            changes = [(self.start, 1.0)] if name == "up" else self._changes(told, values, SCRAPE)
            yield Series(_labels({"__name__": name, "instance": INSTANCE, "job": JOB}), SCRAPE, changes)


def milliseconds(duration: str) -> int:
    """A duration as Prometheus writes it, of one unit."""
    return int(duration[:-1]) * {"s": SECOND, "m": MINUTE, "h": HOUR}[duration[-1]]


def _labels(named: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in named.items() if value))


class _Intervals:
    """How often the stack's Prometheus scrapes each metric."""

    @cached_property
    def _jobs(self) -> Mapping[str, tuple[int, Sequence[str]]]:
        told = yaml.safe_load((REPOSITORY / "prometheus" / "prometheus.yml").read_text())
        return {
            job["job_name"]: (
                milliseconds(job["scrape_interval"]),
                job.get("params", {}).get("name[]", ()),
            )
            for job in told["scrape_configs"]
            if job["job_name"].startswith(JOB)
        }

    @property
    def usual(self) -> int:
        """Of what is not asked for more often."""
        return self._jobs[JOB][0]

    def of(self, name: str) -> int:
        """Of one metric, in milliseconds."""
        live, names = self._jobs[f"{JOB}-live"]
        return live if name in names else self.usual


_intervals = _Intervals()
SCRAPE = _intervals.usual
"""Milliseconds between two scrapes."""
