"""The page of one execution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from exporter.domain.status import Status
from exporter.domain.times import SECOND, to_micros
from exporter.store.queries import happenings
from exporter.store.queries.pipelines import named
from exporter.store.records import Execution
from exporter.web.answers.content import LOG, LogLine, logged
from exporter.web.answers.execution import elapsed
from exporter.web.answers.pipeline import pipeline_summary
from exporter.web.answers.stage import Stage, StageAttempt
from exporter.web.answers.whole import WholeExecution, whole
from exporter.web.pages.run import Run, run
from exporter.web.parameters import moment
from exporter.web.reading import Reading
from exporter.web.wording import span

MOST_ROWS = 500
"""Stages drawn; a page of ten thousand is of no use to anybody."""

MOST_LINES = 300
"""Lines of the log that are shown, the latest ones."""

_STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt drawn: where it begins and how wide it is, in percent of the time shown."""

    left: float
    width: float
    status: Status
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """A stage in the timeline."""

    depth: int
    stage: Stage
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of the time axis."""

    left: float
    label: str


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """Everything on the page."""

    now: datetime
    execution: WholeExecution
    run: Run
    active: bool
    elapsed: float | None
    rows: list[Row]
    hidden: int
    marks: list[Mark]
    parameters: str
    shows_attempts: bool
    logs: list[LogLine]
    logs_cut: bool


def execution_page(connection: Connection, reading: Reading, execution: Execution) -> ExecutionPage:
    """The page of an execution."""
    now = reading.now()
    shown = whole(connection, reading, execution)
    mine = next(named(connection, [execution.pipeline], execution.environment), None)
    usual = None if mine is None else pipeline_summary(mine, now=now).usual_duration
    flat = list(_flat(shown.stages, 0))
    begin, end = _extent(execution, flat, now)
    lines, before = happenings.latest(connection, execution.id, LOG, MOST_LINES)
    return ExecutionPage(
        now=now,
        execution=shown,
        run=run(execution, shown, usual, now),
        active=execution.active,
        elapsed=elapsed(execution, now),
        rows=[Row(depth, stage, _bars(stage, begin, end)) for depth, stage in flat[:MOST_ROWS]],
        hidden=max(0, len(flat) - MOST_ROWS),
        marks=_marks((end - begin) / SECOND),
        parameters=msgspec.json.format(msgspec.json.encode(shown.parameters), indent=2).decode(),
        shows_attempts=len(shown.attempts) > 1,
        logs=[logged(line) for line in reversed(lines)],
        logs_cut=before is not None,
    )


def _flat(stages: Sequence[Stage], depth: int) -> Iterator[tuple[int, Stage]]:
    """Stages and those inside them, from top to bottom. Stages nest 32 deep at the most."""
    for stage in stages:
        yield depth, stage
        yield from _flat(stage.stages, depth + 1)


def _extent(execution: Execution, flat: Sequence[tuple[int, Stage]], now: datetime) -> tuple[int, int]:
    """From the first start to the last end, in microseconds."""
    present = to_micros(now)
    attempts = [attempt for _, stage in flat for attempt in stage.attempts]
    starts = [moment(attempt.started_at) for attempt in attempts if attempt.started_at is not None]
    ends = [moment(attempt.ended_at) for attempt in attempts if attempt.ended_at is not None]
    begin = min([*starts, execution.started_at or execution.sort_at])
    last = present if execution.active else (execution.ended_at or execution.last_at)
    return begin, max([*ends, last, begin + 1])


def _bars(stage: Stage, begin: int, end: int) -> list[Bar]:
    drawn = []
    for attempt in stage.attempts:
        if attempt.started_at is None:
            continue
        start = moment(attempt.started_at)
        stop = end if attempt.ended_at is None else moment(attempt.ended_at)
        left = 100 * (start - begin) / (end - begin)
        width = max(0.25, 100 * (stop - start) / (end - begin))
        drawn.append(Bar(round(left, 3), round(width, 3), attempt.status, _title(stage, attempt)))
    return drawn


def _title(stage: Stage, attempt: StageAttempt) -> str:
    number = f", attempt {attempt.number}" if len(stage.attempts) > 1 else ""
    return f"{stage.name}{number}: {attempt.status.replace('_', ' ')}, {span(attempt.duration_seconds)}"


def _marks(length: float) -> list[Mark]:
    """About five marks at round times."""
    step = next((step for step in _STEPS if length / step <= 6), _STEPS[-1])
    count = min(int(length / step), 60)
    return [
        Mark(round(100 * number * step / length, 3), _short(number * step)) for number in range(1, count + 1)
    ]


def _short(seconds: float) -> str:
    return span(seconds).removesuffix(" 00s").removesuffix(" 00m").removesuffix(" 0h")
