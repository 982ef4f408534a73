"""Figures of stages over many executions: distribution, rates, trends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from exporter.domain.baseline import quantile
from exporter.domain.status import ACTIVE, FAILING, Status
from exporter.domain.times import SECOND, rfc3339
from exporter.store.queries.stage_history import PastAttempt
from exporter.web.answers import seconds

HOUR = 3600 * SECOND
DAY = 24 * HOUR
_TIMED = frozenset(Status) - ACTIVE - {Status.SKIPPED, Status.LOST}
"""Ends whose duration says something about the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Mean, quantiles (linear between neighbours) and extremes; null without values."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFigures:
    """A stage's attempts within the window.

    `success_rate`: of the attempts that succeeded or failed. `per_hour`: attempts that ended an hour, over the
    window, or over the time from the first of the sampled attempts where `sampled` says that not all were read.
    """

    pipeline: str
    environment: str
    stage: str
    attempts: int
    by_status: dict[str, int]
    success_rate: float | None
    per_hour: float | None
    duration_seconds: Distribution
    cpu_seconds: Distribution
    memory_peak_bytes: Distribution
    items_in: int | None
    items_out: int | None
    sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMetrics:
    """Figures of stages between two instants. `sample_limit`: attempts read of a stage at most, the latest.

    `truncated`: there are more stages than an answer holds.
    """

    start: str
    end: str
    sample_limit: int
    truncated: bool
    stages: list[StageFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastStage:
    """One attempt of a stage in the past."""

    execution: str
    pipeline: str
    environment: str
    index: str | None
    attempt: int
    status: Status
    started_at: str | None
    ended_at: str | None
    duration_seconds: float | None
    items_in: int | None
    items_out: int | None
    cpu_seconds: float | None
    memory_peak_bytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageHistory:
    """A page of a stage's attempts, the latest first."""

    stage: str
    history: list[PastStage]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a figure moved, by least squares. `change_ratio`: over the whole time, as a part of the average."""

    average: float | None
    minimum: float | None
    maximum: float | None
    slope_per_day: float | None
    change_ratio: float | None
    direction: Literal["rising", "falling", "steady"] | None
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Attempts that began in one interval."""

    time: str
    attempts: int
    failed: int
    duration_seconds: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTrends:
    """Trends of a stage, and its attempts by interval. `sampled`: only the latest `sample_limit` attempts were read."""

    stage: str
    start: str
    end: str
    sample_limit: int
    sampled: bool
    interval_seconds: float
    duration_seconds: Trend
    cpu_seconds: Trend
    memory_peak_bytes: Trend
    items_out: Trend
    points: list[Point]


STEADY = 0.1
"""Part of its average that a figure moves over the whole time before it is said to rise or fall."""


def distribution(values: Sequence[float]) -> Distribution:
    """The distribution of some values."""
    ordered = sorted(values)
    if not ordered:
        return Distribution(mean=None, p50=None, p95=None, p99=None, minimum=None, maximum=None)
    return Distribution(
        mean=fmean(ordered),
        p50=quantile(ordered, 0.5),
        p95=quantile(ordered, 0.95),
        p99=quantile(ordered, 0.99),
        minimum=ordered[0],
        maximum=ordered[-1],
    )


def figures(
    key: tuple[str, str, str], attempts: Sequence[PastAttempt], since: int, until: int, *, sampled: bool
) -> StageFigures:
    """Figures of a stage (pipeline, environment, name) from its attempts between two instants, the latest first."""
    by_status: dict[str, int] = {}
    for attempt in attempts:
        by_status[attempt.status] = by_status.get(attempt.status, 0) + 1
    succeeded = by_status.get(Status.SUCCEEDED, 0)
    judged = succeeded + sum(by_status.get(status, 0) for status in FAILING)
    begin = attempts[-1].first_at if sampled else since
    ended = sum(count for status, count in by_status.items() if status not in ACTIVE)
    return StageFigures(
        pipeline=key[0],
        environment=key[1],
        stage=key[2],
        attempts=len(attempts),
        by_status=by_status,
        success_rate=succeeded / judged if judged else None,
        per_hour=ended / ((until - begin) / HOUR) if until > begin else None,
        duration_seconds=distribution([value for _, value in durations(attempts)]),
        cpu_seconds=distribution(_told(attempts, "cpu_seconds")),
        memory_peak_bytes=distribution(_told(attempts, "memory_peak_bytes")),
        items_in=_sum(attempts, "items_in"),
        items_out=_sum(attempts, "items_out"),
        sampled=sampled,
    )


def durations(attempts: Sequence[PastAttempt]) -> list[tuple[int, float]]:
    """When attempts began and how many seconds they took, of those whose duration says something."""
    return [
        (attempt.first_at, attempt.duration / SECOND)
        for attempt in attempts
        if attempt.duration is not None and attempt.status in _TIMED
    ]


def past_stage(attempt: PastAttempt, pipelines: Mapping[int, tuple[str, str]]) -> PastStage:
    """An attempt in the past; `pipelines`: names and environments by id."""
    pipeline, environment = pipelines[attempt.pipeline_id]
    return PastStage(
        execution=attempt.execution_id,
        pipeline=pipeline,
        environment=environment,
        index=attempt.index,
        attempt=attempt.attempt,
        status=Status(attempt.status),
        started_at=rfc3339(attempt.started_at),
        ended_at=rfc3339(attempt.ended_at),
        duration_seconds=seconds(attempt.duration),
        items_in=attempt.items_in,
        items_out=attempt.items_out,
        cpu_seconds=attempt.cpu_seconds,
        memory_peak_bytes=attempt.memory_peak_bytes,
    )


def trend(points: Sequence[tuple[int, float]]) -> Trend:
    """Trend of values at instants in microseconds."""
    values = [value for _, value in points]
    if not values:
        return Trend(
            average=None,
            minimum=None,
            maximum=None,
            slope_per_day=None,
            change_ratio=None,
            direction=None,
            samples=0,
        )
    average = fmean(values)
    slope = _slope(points)
    span = max(at for at, _ in points) - min(at for at, _ in points)
    change = None if slope is None or not average else slope * span / DAY / average
    return Trend(
        average=average,
        minimum=min(values),
        maximum=max(values),
        slope_per_day=slope,
        change_ratio=change,
        direction=None if change is None else _direction(change),
        samples=len(values),
    )


def _direction(change: float) -> Literal["rising", "falling", "steady"]:
    if abs(change) < STEADY:
        return "steady"
    return "rising" if change > 0 else "falling"


def _slope(points: Sequence[tuple[int, float]]) -> float | None:
    """Slope of the least squares line, per day; None where all stand at one instant."""
    middle = fmean(at for at, _ in points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    if len(points) < 2 or spread == 0:
        return None
    average = fmean(value for _, value in points)
    return sum((at - middle) * (value - average) for at, value in points) / spread * DAY


def intervals(
    attempts: Sequence[PastAttempt], since: int, until: int, count: int
) -> tuple[float, list[Point]]:
    """Length of an interval in seconds, and the intervals that have attempts, oldest first."""
    length = max(1, (until - since) // count)
    grouped: dict[int, list[PastAttempt]] = {}
    for attempt in attempts:
        grouped.setdefault((attempt.first_at - since) // length, []).append(attempt)
    points = [
        Point(
            time=rfc3339(since + number * length) or "",
            attempts=len(group),
            failed=sum(attempt.status in FAILING for attempt in group),
            duration_seconds=distribution([value for _, value in durations(group)]),
        )
        for number, group in sorted(grouped.items())
    ]
    return length / SECOND, points


def trends_of(attempts: Sequence[PastAttempt]) -> dict[str, Trend]:
    """Trends of the figures of a stage."""
    figure: Callable[[str], list[tuple[int, float]]] = lambda name: [  # noqa: E731 - one use a line below
        (attempt.first_at, value) for attempt in attempts if (value := getattr(attempt, name)) is not None
    ]
    told = {name: trend(figure(name)) for name in ("cpu_seconds", "memory_peak_bytes", "items_out")}
    return {"duration_seconds": trend(durations(attempts)), **told}


def _told(attempts: Sequence[PastAttempt], name: str) -> list[float]:
    return [value for attempt in attempts if (value := getattr(attempt, name)) is not None]


def _sum(attempts: Sequence[PastAttempt], name: str) -> int | None:
    told = _told(attempts, name)
    return int(sum(told)) if told else None
