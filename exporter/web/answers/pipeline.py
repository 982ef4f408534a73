"""Pipelines: what they are, how they stand, when they are due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.catalogue import Scope
from exporter.catalogue import metrics as m
from exporter.domain.baseline import baseline
from exporter.domain.schedule import learn
from exporter.domain.status import FAILING, FINAL, Status
from exporter.domain.times import SECOND, from_micros, rfc3339, to_micros
from exporter.store.queries.pipelines import IDLE, Activity, Pipeline
from exporter.store.state import ComponentState, PipelineState, consecutive_failures
from exporter.web.answers import seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEnd:
    """An execution that ended. `id_prefix`: the first half of its id, by which `/executions/{id}` finds it."""

    id_prefix: str
    status: Status
    ended_at: str
    duration_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualDuration:
    """Duration of the latest successes: how many, median, median absolute deviation and 95th percentile."""

    runs: int
    median_seconds: float
    mad_seconds: float
    p95_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When a pipeline starts: declared, or learnt from its starts."""

    cron: str | None
    every_seconds: float | None
    timezone: str
    grace_seconds: float | None
    learnt: bool
    paused: bool
    next_expected_at: str | None
    missed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSummary:
    """A pipeline. `status`: of what runs, else of what ended last. `counts`: since ever, whatever was deleted.

    `counts` and `success_rate` are null where the budget of series is used up and its runs are counted elsewhere.
    `uptime_seconds`: since the start of its oldest execution that has not ended.
    """

    name: str
    environment: str
    kind: str | None
    owner: str | None
    description: str | None
    source: str | None
    labels: dict[str, Any]
    status: Status | None
    active: dict[str, int]
    counts: dict[str, int] | None
    success_rate: float | None
    consecutive_failures: int
    last_started_at: str | None
    last_ended_at: str | None
    last_status: Status | None
    last_duration_seconds: float | None
    last_success_at: str | None
    usual_duration: UsualDuration | None
    schedule: Due | None
    first_event_at: str | None
    last_event_at: str | None
    uptime_seconds: float | None
    recent: list[PastEnd]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineList:
    """A page of pipelines by environment and name."""

    pipelines: list[PipelineSummary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A continuous input ("in") or output ("out") of a pipeline. `lag_seconds`: now minus its watermark."""

    name: str
    direction: str
    events: dict[str, int]
    watermark: str | None
    lag_seconds: float | None
    last_event_at: str | None
    buffer_depth: float | None
    target_rate: float | None
    phase: str | None
    dead_letters: int
    commits: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineDetail:
    """A pipeline in one environment, with its stages (the declared ones first) and streams."""

    pipeline: PipelineSummary
    stages: list[str]
    streams: list[Stream]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineDetails:
    """A pipeline in each environment that has it."""

    name: str
    environments: list[PipelineDetail]


def pipeline_summary(pipeline: Pipeline, activity: Activity = IDLE, *, now: datetime) -> PipelineSummary:
    """A pipeline as it stands."""
    state = pipeline.state
    facts = state.facts
    last = state.recent[-1] if state.recent else None
    counts = counts_of(pipeline)
    return PipelineSummary(
        name=pipeline.name,
        environment=pipeline.environment,
        kind=facts.get("kind") or facts.get("execution_kind"),
        owner=facts.get("owner"),
        description=facts.get("description"),
        source=facts.get("source"),
        labels=facts.get("labels") or {},
        status=_status(activity, None if last is None else Status(last.status)),
        active=activity.by_status,
        counts=counts,
        success_rate=success_rate(counts),
        consecutive_failures=consecutive_failures(state, FAILING, Status.SUCCEEDED),
        last_started_at=rfc3339(state.starts[-1] if state.starts else None),
        last_ended_at=None if last is None else rfc3339(last.ended_at),
        last_status=None if last is None else Status(last.status),
        last_duration_seconds=None if last is None else seconds(last.duration),
        last_success_at=rfc3339(last_success(state)),
        usual_duration=_usual(state),
        schedule=_due(pipeline),
        first_event_at=rfc3339(state.first_at),
        last_event_at=rfc3339(state.last_at),
        uptime_seconds=_uptime(activity, now),
        recent=[
            PastEnd(
                id_prefix=ended.key,
                status=Status(ended.status),
                ended_at=rfc3339(ended.ended_at) or "",
                duration_seconds=seconds(ended.duration),
            )
            for ended in state.recent
        ],
    )


def counts_of(pipeline: Pipeline) -> dict[str, int] | None:
    """How many executions ended, by status; None where they are counted elsewhere."""
    if not pipeline.counted:
        return None
    told = pipeline.state.totals.counters.get(m.EXECUTIONS.name, {})
    return {status.value: int(told.get(status, 0)) for status in Status if status in FINAL}


def success_rate(counts: Mapping[str, int] | None) -> float | None:
    """Part of the executions that succeeded, of those that succeeded or failed; None where none did."""
    if counts is None:
        return None
    succeeded = counts.get(Status.SUCCEEDED, 0)
    judged = succeeded + sum(counts.get(status, 0) for status in FAILING)
    return succeeded / judged if judged else None


def last_success(state: PipelineState) -> int | None:
    """When the latest success ended, in microseconds."""
    ends = [ended.ended_at for ended in state.recent if ended.status == Status.SUCCEEDED]
    return max([*ends, *(success.ended_at for success in state.successes[-1:])], default=None)


def _status(activity: Activity, last: Status | None) -> Status | None:
    for status in (Status.RUNNING, Status.PAUSED, Status.QUEUED):
        if activity.by_status.get(status):
            return status
    return last


def _usual(state: PipelineState) -> UsualDuration | None:
    found = baseline([success.duration / SECOND for success in state.successes])
    if found is None:
        return None
    return UsualDuration(
        runs=found.runs, median_seconds=found.median, mad_seconds=found.mad, p95_seconds=found.p95
    )


def _due(pipeline: Pipeline) -> Due | None:
    state = pipeline.state
    told = state.facts.get("schedule")
    learnt = None if told else learn([from_micros(start) for start in state.starts])
    if not told and (learnt is None or state.next_expected is None):
        return None
    told = told or {}
    every = told.get("every_seconds")
    if learnt is not None and learnt.every is not None:
        every = learnt.every.total_seconds()
    missed = state.totals.counters.get(m.SCHEDULE_MISSED.name, {}).get("", 0)
    return Due(
        cron=told.get("cron"),
        every_seconds=every,
        timezone=told.get("timezone", "UTC"),
        grace_seconds=told.get("grace_seconds"),
        learnt=learnt is not None,
        paused=bool(state.facts.get("paused", False)),
        next_expected_at=rfc3339(state.next_expected),
        missed=int(missed) if pipeline.counted else None,
    )


def _uptime(activity: Activity, now: datetime) -> float | None:
    if activity.oldest_start is None:
        return None
    return max(0, to_micros(now) - activity.oldest_start) / SECOND


def pipeline_detail(
    pipeline: Pipeline,
    activity: Activity | None,
    parts: Mapping[Scope, Mapping[tuple[str, ...], ComponentState]],
    now: datetime,
) -> PipelineDetail:
    """A pipeline with its parts."""
    stages = dict.fromkeys(
        [*pipeline.state.facts.get("stages", ()), *(name for (name,) in parts[Scope.STAGE])]
    )
    return PipelineDetail(
        pipeline=pipeline_summary(pipeline, activity or IDLE, now=now),
        stages=list(stages),
        streams=[_stream(labels, state, now) for labels, state in parts[Scope.STREAM].items()],
    )


def _stream(labels: tuple[str, ...], state: ComponentState, now: datetime) -> Stream:
    facts, counters = state.facts, state.totals.counters
    watermark: float | None = facts.get(m.STREAM_WATERMARK.name)

    def instant(value: float | None) -> str | None:
        return None if value is None else rfc3339(round(value * SECOND))

    def total(metric: Any) -> int:
        return int(counters.get(metric.name, {}).get("", 0))

    return Stream(
        name=labels[0],
        direction=labels[1],
        events={name: int(count) for name, count in counters.get(m.STREAM_EVENTS.name, {}).items()},
        watermark=instant(watermark),
        lag_seconds=None if watermark is None else max(0.0, now.timestamp() - watermark),
        last_event_at=instant(facts.get(m.STREAM_LAST_EVENT.name)),
        buffer_depth=facts.get(m.STREAM_BUFFER.name),
        target_rate=facts.get(m.STREAM_TARGET_RATE.name),
        phase=facts.get(m.STREAM_PHASE.name),
        dead_letters=total(m.STREAM_DEAD_LETTERS),
        commits=total(m.STREAM_COMMITS),
        files=total(m.STREAM_FILES),
        bytes=total(m.STREAM_BYTES),
    )
