"""One execution, as lists have it and whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from exporter.domain.identity import execution_id
from exporter.domain.lifecycle import Episode
from exporter.domain.status import ACTIVE, Status
from exporter.domain.times import rfc3339
from exporter.store.forecasts import Forecast, forecast_executions
from exporter.store.queries.executions import current_stages
from exporter.store.records import Execution
from exporter.web.answers import seconds
from exporter.web.answers.error import ErrorSummary, error_summary
from exporter.web.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentExecution:
    """The execution that started this one; `id` where it can be told."""

    pipeline: str
    execution: str
    id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where the execution is found: here, in Grafana, and at its source."""

    self: str
    grafana: str | None
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSummary:
    """One execution."""

    id: str
    external_id: str
    pipeline: str
    environment: str
    kind: str | None
    source: str
    trigger: str | None
    status: Status
    source_status: str | None
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_seconds: float | None
    queue_duration_seconds: float | None
    progress: float | None
    progress_source: Literal["reported", "derived"] | None
    eta: str | None
    current_stages: list[str]
    stages_done: int
    stages_total: int
    error: ErrorSummary | None
    parent: ParentExecution | None
    labels: dict[str, Any]
    links: Links


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionList:
    """A page of executions. A page may be short, even empty, and still have a successor."""

    executions: list[ExecutionSummary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveExecutions:
    """Executions that have not ended, and how many there are, by status; the list has the latest at the most."""

    executions: list[ExecutionSummary]
    next_cursor: str | None
    count: int
    by_status: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionProgress:
    """How far an execution is."""

    id: str
    status: Status
    progress: float | None
    progress_source: Literal["reported", "derived"] | None
    message: str | None
    eta: str | None
    started_at: str | None
    ended_at: str | None
    elapsed_seconds: float | None
    current_stages: list[str]
    stages_done: int
    stages_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionAttempt:
    """From a start of an execution to its end. A run resumed or retried under its own id has several."""

    number: int
    status: Status
    source_status: str | None
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_seconds: float | None


def summaries(
    connection: Connection, reading: Reading, executions: Sequence[Execution]
) -> list[ExecutionSummary]:
    """Executions as lists have them."""
    forecasts = forecast_executions(connection, executions, reading.now())
    current = current_stages(connection, executions)
    return [
        summary(reading, execution, forecasts.get(execution.id), current.get(execution.id, []))
        for execution in executions
    ]


def summary(
    reading: Reading, execution: Execution, forecast: Forecast | None, current: list[str]
) -> ExecutionSummary:
    """One execution as lists have it."""
    facts = execution.facts
    error = own_error(execution)
    forecast = forecast or Forecast()
    return ExecutionSummary(
        id=execution.id,
        external_id=execution.external_id,
        pipeline=execution.pipeline,
        environment=execution.environment,
        kind=execution.kind,
        source=execution.source,
        trigger=execution.trigger,
        status=Status(execution.status),
        source_status=execution.source_status,
        queued_at=rfc3339(execution.queued_at),
        started_at=rfc3339(execution.started_at),
        ended_at=rfc3339(execution.ended_at),
        duration_seconds=seconds(execution.duration),
        queue_duration_seconds=seconds(_queued(execution)),
        progress=forecast.progress,
        progress_source=forecast.progress_source,
        eta=_text(forecast.eta),
        current_stages=current,
        stages_done=execution.stages_done,
        stages_total=execution.stages_total,
        error=None if error is None else error_summary(error),
        parent=parent_execution(execution),
        labels=facts.get("labels") or {},
        links=links(reading, execution),
    )


def links(reading: Reading, execution: Execution) -> Links:
    """Where an execution is found."""
    until = None if execution.active else execution.ended_at or execution.last_at
    return Links(
        self=reading.api_link(execution.id),
        grafana=reading.grafana_link(execution.id, execution.sort_at, until),
        source=execution.facts.get("link"),
    )


def progress(connection: Connection, reading: Reading, execution: Execution) -> ExecutionProgress:
    """How far an execution is."""
    whole = summaries(connection, reading, [execution])[0]
    return ExecutionProgress(
        id=whole.id,
        status=whole.status,
        progress=whole.progress,
        progress_source=whole.progress_source,
        message=execution.facts.get("message"),
        eta=whole.eta,
        started_at=whole.started_at,
        ended_at=whole.ended_at,
        elapsed_seconds=elapsed(execution, reading.now()),
        current_stages=whole.current_stages,
        stages_done=whole.stages_done,
        stages_total=whole.stages_total,
    )


def elapsed(execution: Execution, now: datetime) -> float | None:
    """Seconds since the start, up to the end or now."""
    if execution.duration is not None:
        return seconds(execution.duration)
    if execution.started_at is None or not execution.active:
        return None
    return max(0.0, now.timestamp() - execution.started_at / 1_000_000)


def attempts(execution: Execution) -> list[ExecutionAttempt]:
    """Every start of an execution and what became of it."""
    return [
        ExecutionAttempt(
            number=number,
            status=Status(episode.status),
            source_status=episode.word or None,
            queued_at=rfc3339(episode.queued_at),
            started_at=rfc3339(episode.started_at),
            ended_at=rfc3339(episode.ended_at),
            duration_seconds=seconds(episode.duration),
        )
        for number, episode in enumerate(execution.episodes(), 1)
    ]


_SAYS_NOTHING = frozenset({"task_failure", "unknown", "Failure", "DagRunFailed"})
"""Types under which a source only says that a stage failed; the stage's own error tells more."""


def own_error(execution: Execution) -> Mapping[str, Any] | None:
    """The error that ended an execution: its own, or that of its stage where its own says nothing."""
    facts = execution.facts
    own: Mapping[str, Any] | None = facts.get("error")
    stage: Mapping[str, Any] | None = facts.get("stage_error")
    if execution.status in (Status.SUCCEEDED, Status.SKIPPED) or Status(execution.status) in ACTIVE:
        return None
    if stage is None or execution.status not in (Status.FAILED, Status.TIMED_OUT):
        return own
    return stage if own is None or own.get("type") in _SAYS_NOTHING else own


def _queued(execution: Execution) -> int | None:
    return Episode(queued_at=execution.queued_at, started_at=execution.started_at).queue_duration


def parent_execution(execution: Execution) -> ParentExecution | None:
    """The execution that started this one."""
    told: Mapping[str, str] | None = execution.facts.get("parent")
    if told is None:
        return None
    pipeline, run, environment = told["pipeline"], told["execution"], execution.environment
    # The namespace is not stored. That of CloudEvents is known, and shows in the execution's own id.
    mine = execution_id("", environment, execution.pipeline, execution.external_id)
    id_ = execution_id("", environment, pipeline, run) if mine == execution.id else None
    return ParentExecution(pipeline=pipeline, execution=run, id=id_)


def starter(execution: Execution) -> ParentExecution | None:
    """The same, where it is another one: one that is told as its own parent was started by nobody known."""
    parent = parent_execution(execution)
    own = (execution.pipeline, execution.external_id)
    return None if parent is None or (parent.pipeline, parent.execution) == own else parent


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
