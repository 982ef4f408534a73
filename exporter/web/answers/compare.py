"""Two executions side by side."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from exporter.domain.status import Status
from exporter.domain.times import SECOND
from exporter.store.records import Execution
from exporter.web.answers.execution import ExecutionSummary, summaries
from exporter.web.answers.stage import Instance
from exporter.web.answers.whole import stage_instances
from exporter.web.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A stage in one of the executions: all its instances and attempts together."""

    status: Status
    duration_seconds: float | None
    attempts: int
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageComparison:
    """A stage in both executions; null where one has no such stage. Differences are b minus a."""

    path: list[str]
    a: Side | None
    b: Side | None
    difference_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two executions. Differences are b minus a."""

    a: ExecutionSummary
    b: ExecutionSummary
    difference_seconds: float | None
    stages: list[StageComparison]


def compare(connection: Connection, reading: Reading, a: Execution, b: Execution) -> Comparison:
    """Two executions, stage by stage in the order in which the first ran them."""
    first, second = summaries(connection, reading, [a, b])
    sides = [_sides(stage_instances(connection, each, [])[0]) for each in (a, b)]
    paths = dict.fromkeys([*sides[0], *sides[1]])
    return Comparison(
        a=first,
        b=second,
        difference_seconds=_difference(first.duration_seconds, second.duration_seconds),
        stages=[_compared(path, sides[0].get(path), sides[1].get(path)) for path in paths],
    )


def _compared(path: tuple[str, ...], a: Side | None, b: Side | None) -> StageComparison:
    difference = None if a is None or b is None else _difference(a.duration_seconds, b.duration_seconds)
    return StageComparison(path=list(path), a=a, b=b, difference_seconds=difference)


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a


_WORST_FIRST = (
    Status.FAILED, Status.TIMED_OUT, Status.LOST, Status.CANCELLED, Status.RUNNING, Status.PAUSED, Status.QUEUED,
    Status.SUCCEEDED, Status.SKIPPED,
)  # fmt: skip


def _sides(instances: list[Instance]) -> dict[tuple[str, ...], Side]:
    grouped: dict[tuple[str, ...], list[Instance]] = {}
    for instance in instances:
        grouped.setdefault(instance.path, []).append(instance)
    return {path: _side(group) for path, group in grouped.items()}


def _side(group: list[Instance]) -> Side:
    """From the first start to the last end, if all have ended."""
    statuses = {Status(instance.last.status or Status.RUNNING) for instance in group}
    tries = [each.episode for instance in group for each in instance.tries]
    starts = [episode.started_at for episode in tries if episode.started_at is not None]
    ends = [episode.ended_at for episode in tries]
    known = [end for end in ends if end is not None]
    whole = max(known) - min(starts) if starts and known and len(known) == len(ends) else None
    return Side(
        status=next(status for status in _WORST_FIRST if status in statuses),
        duration_seconds=None if whole is None else max(0, whole) / SECOND,
        attempts=len(tries),
        instances=len(group),
    )
