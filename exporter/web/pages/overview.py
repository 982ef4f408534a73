"""The first page: what runs, what failed, how every pipeline stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from exporter.domain.status import ACTIVE, FAILING, Status
from exporter.domain.times import SECOND, to_micros
from exporter.store.queries import executions, pipelines
from exporter.store.queries.order import Order
from exporter.store.queries.pipelines import IDLE, Activity, Pipeline
from exporter.store.queries.wanted import Wanted
from exporter.store.records import Execution
from exporter.store.state import Ended, PipelineState, consecutive_failures
from exporter.web.answers.execution import summaries
from exporter.web.answers.pipeline import last_success, pipeline_summary
from exporter.web.pages.run import Run, run
from exporter.web.reading import Reading

MOST_ACTIVE = 12
MOST_FAILURES = 6
MOST_PIPELINES = 200
TREND = 24
"""Runs in the trend of a pipeline."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A past run in a trend. `height`: part of the longest duration shown, in percent."""

    id_prefix: str
    status: Status
    ended_at: int
    duration: float | None
    height: int
    is_failure: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A pipeline. Times in microseconds. `due_at`: next expected start; `overdue`: it has passed, and its grace."""

    name: str
    environment: str
    kind: str | None
    status: Status | None
    running: int
    waiting: int
    failures: int
    last_success: int | None
    last_event: int | None
    usual: float | None
    last_duration: float | None
    due_at: int | None
    overdue: bool
    paused: bool
    trend: list[Tick]
    rate: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page."""

    now: datetime
    active: list[Run]
    active_count: int
    running: int
    waiting: int
    failures: list[Run]
    pipelines: list[Line]
    pipelines_count: int
    failing: int
    shows_environment: bool
    last_event: int | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been sent yet."""
        return not self.pipelines_count


def overview(connection: Connection, reading: Reading) -> Overview:
    """How things stand."""
    now = reading.now()
    known = {each.id: each for each in pipelines.named(connection)}
    going_on = pipelines.activity(connection, known)
    urgent = sorted(known.values(), key=lambda each: _urgency(each, going_on.get(each.id, IDLE), now))
    active = _find(connection, tuple(status for status in Status if status in ACTIVE), MOST_ACTIVE)
    failed = _find(connection, tuple(status for status in Status if status in FAILING), 4 * MOST_FAILURES)
    failed = sorted(failed, key=lambda each: each.ended_at or each.last_at, reverse=True)[:MOST_FAILURES]
    counts = executions.count_active(connection)
    usual = {id_: known[id_] for execution in active if (id_ := execution.pipeline_id) in known}
    return Overview(
        now=now,
        active=_runs(connection, reading, active, usual),
        active_count=sum(counts.values()),
        running=counts.get(Status.RUNNING, 0) + counts.get(Status.PAUSED, 0),
        waiting=counts.get(Status.QUEUED, 0),
        failures=_runs(connection, reading, failed, {}),
        pipelines=[_line(each, going_on.get(each.id, IDLE), now) for each in urgent[:MOST_PIPELINES]],
        pipelines_count=len(known),
        failing=sum(_failures(each.state) > 0 for each in urgent),
        shows_environment=len({each.environment for each in urgent}) > 1,
        last_event=max(
            (each.state.last_at for each in urgent if each.state.last_at is not None), default=None
        ),
    )


def _find(connection: Connection, statuses: tuple[Status, ...], most: int) -> list[Execution]:
    return executions.find(connection, Wanted(statuses=statuses), Order(), None, most)[0]


def _runs(
    connection: Connection, reading: Reading, found: Sequence[Execution], known: dict[int, Pipeline]
) -> list[Run]:
    now = reading.now()
    usual = {id_: pipeline_summary(each, now=now).usual_duration for id_, each in known.items()}
    return [
        run(execution, summary, usual.get(execution.pipeline_id), now)
        for execution, summary in zip(found, summaries(connection, reading, found), strict=True)
    ]


def _line(pipeline: Pipeline, activity: Activity, now: datetime) -> Line:
    state = pipeline.state
    summary = pipeline_summary(pipeline, activity, now=now)
    shown = state.recent[-TREND:]
    judged = [ended for ended in shown if ended.status == Status.SUCCEEDED or ended.status in FAILING]
    good = sum(ended.status == Status.SUCCEEDED for ended in judged)
    due = summary.schedule
    return Line(
        name=pipeline.name,
        environment=pipeline.environment,
        kind=summary.kind,
        status=summary.status,
        running=summary.active.get(Status.RUNNING, 0) + summary.active.get(Status.PAUSED, 0),
        waiting=summary.active.get(Status.QUEUED, 0),
        failures=summary.consecutive_failures,
        last_success=last_success(state),
        last_event=state.last_at,
        usual=None if summary.usual_duration is None else summary.usual_duration.median_seconds,
        last_duration=summary.last_duration_seconds,
        due_at=state.next_expected,
        overdue=_overdue(state, now),
        paused=due is not None and due.paused,
        trend=_trend(shown),
        rate=good / len(judged) if judged else None,
    )


def _trend(shown: Sequence[Ended]) -> list[Tick]:
    longest = max((ended.duration or 0 for ended in shown), default=0) or 1
    return [
        Tick(
            id_prefix=ended.key,
            status=Status(ended.status),
            ended_at=ended.ended_at,
            duration=None if ended.duration is None else ended.duration / 1_000_000,
            height=max(14, round(100 * (ended.duration or 0) / longest)),
            is_failure=ended.status in FAILING,
        )
        for ended in shown
    ]


def _failures(state: PipelineState) -> int:
    return consecutive_failures(state, FAILING, Status.SUCCEEDED)


def _overdue(state: PipelineState, now: datetime) -> bool:
    return state.due_at is not None and state.due_at < to_micros(now)


def _urgency(pipeline: Pipeline, activity: Activity, now: datetime) -> tuple[bool, bool, bool, int, str]:
    """What failed first, then what is overdue, what runs, and what was busy in the latest hours."""
    state = pipeline.state
    hour = (state.last_at or 0) // (3600 * SECOND)
    return not _failures(state), not _overdue(state, now), not activity.by_status, -hour, pipeline.name
