"""Forecasts of executions in the store: what is remembered of their pipelines, and where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select

from exporter.catalogue import Scope
from exporter.catalogue.metric import OTHER
from exporter.domain.forecast import ExecutionRun, Forecast, StageRun, forecast
from exporter.domain.history import Span, learn
from exporter.domain.lifecycle import Sign
from exporter.domain.plan import plan
from exporter.domain.remaining import Outlook
from exporter.domain.status import FAILING, Status
from exporter.domain.times import SECOND, from_micros
from exporter.store import schema
from exporter.store.queries.executions import ACTIVE as ACTIVE_WORDS
from exporter.store.readings import ExecutionReading
from exporter.store.records import Execution
from exporter.store.state import STAGE_SUCCESSES, Fact
from exporter.store.work import chunks

__all__ = ["Forecast", "active_forecasts", "forecast_executions"]

MOST_ACTIVE = 200
"""Active executions that are forecast for one scrape."""

MOST_OUTLOOKS = 512
"""Outlooks kept. Each takes as long to make as ten forecasts, and holds until a stage or run succeeds."""

Successes: TypeAlias = tuple[tuple[int, str, int], ...]
"""When it ended, a key, and how long it took, of each success; in microseconds."""


class _Told(Struct, frozen=True):
    """What was told of a pipeline or stage, as far as it is needed here; each with its time."""

    stages: tuple[int, tuple[str, ...]] | None = None
    depends_on: tuple[int, tuple[str, ...]] | None = None
    progress: tuple[int, float] | None = None


class _Facts(Struct, frozen=True):
    told: _Told = _Told()


class _State(Struct, frozen=True):
    """The part of `PipelineState` and `ComponentState` that is needed here; the rest is not even decoded."""

    facts: _Facts = _Facts()
    successes: Successes = ()


class _Stage(NamedTuple):
    """What is remembered of a stage; `after` is None if nobody told what it runs after."""

    name: str
    successes: Successes
    after: tuple[str, ...] | None


class _Memory(NamedTuple):
    """What is remembered of a pipeline and its stages."""

    successes: Successes = ()
    declared: tuple[str, ...] = ()
    stages: tuple[_Stage, ...] = ()


@dataclass(slots=True)
class _Group:
    """Stages of one name in one execution: a stage, or instances of a mapped one."""

    counts: dict[Status, int] = field(default_factory=dict)
    mapped: bool = False
    started_at: int | None = None
    ended_at: int | None = None
    progress: tuple[int, float] | None = None


_state = msgspec.json.Decoder(_State).decode
_facts = msgspec.json.Decoder(_Facts).decode
_labels = msgspec.json.Decoder(tuple[str, ...]).decode


def active_forecasts(
    connection: Connection, now: datetime, limit: int = MOST_ACTIVE
) -> Iterable[ExecutionReading]:
    """Forecasts of active executions, those that started last first."""
    table = schema.executions
    # An order that no index has: else SQLite may walk through all there ever were, to find the active ones in order.
    started = func.coalesce(table.c.started_at, table.c.sort_at)
    query = (
        select(table)
        .where(table.c.status.in_(ACTIVE_WORDS))
        .order_by(started.desc(), table.c.id)
        .limit(limit)
    )
    executions = [Execution.from_row(row) for row in connection.execute(query)]
    forecasts = forecast_executions(connection, executions, now)
    for execution in executions:
        found = forecasts[execution.id]
        yield ExecutionReading(
            execution.pipeline, execution.environment, execution.id, found.progress, found.eta
        )


def forecast_executions(
    connection: Connection, executions: Sequence[Execution], now: datetime
) -> dict[str, Forecast]:
    """Forecasts by the execution's id. Four statements for 500 active executions, none for those over."""
    active = [execution for execution in executions if execution.active]
    memories = _memories(connection, {execution.pipeline_id for execution in active})
    groups = _groups(connection, [execution.id for execution in active])
    found = {}
    for execution in executions:
        outlook = _outlook(memories.get(execution.pipeline_id, _Memory()) if execution.active else _Memory())
        stages = _stages(execution, groups.get(execution.id, {}))
        found[execution.id] = forecast(_standing(execution, stages), outlook, now)
    return found


# Good for any store and any time: it is worked out from nothing but its argument.
@lru_cache(MOST_OUTLOOKS)
def _outlook(memory: _Memory) -> Outlook:
    spans = {stage.name: _spans(stage.successes) for stage in memory.stages}
    graph = {stage.name: stage.after for stage in memory.stages if stage.after is not None}
    return Outlook(plan(learn(_spans(memory.successes), spans, graph, STAGE_SUCCESSES), memory.declared))


def _spans(successes: Successes) -> list[Span]:
    return [((ended - duration) / SECOND, ended / SECOND) for ended, _, duration in successes]


def _memories(connection: Connection, ids: set[int]) -> dict[int, _Memory]:
    pipelines, components = schema.pipelines, schema.components
    found: dict[int, _Memory] = {}
    for chunk in chunks(sorted(ids)):
        stages: dict[int, list[_Stage]] = {}
        query = (
            select(components.c.pipeline_id, components.c.labels, components.c.state)
            .where(components.c.pipeline_id.in_(chunk), components.c.scope == Scope.STAGE.value)
            .order_by(components.c.pipeline_id, components.c.id)
        )
        for id_, labels, state in connection.execute(query):
            (name,) = _labels(labels)
            if name != OTHER:
                known = _state(state)
                after = known.facts.told.depends_on
                stages.setdefault(id_, []).append(
                    _Stage(name, known.successes, None if after is None else after[1])
                )
        query = select(pipelines.c.id, pipelines.c.state).where(pipelines.c.id.in_(chunk))
        for id_, state in connection.execute(query):
            known = _state(state)
            declared = known.facts.told.stages
            found[id_] = _Memory(
                known.successes, () if declared is None else declared[1], tuple(stages.get(id_, ()))
            )
    return found


def _groups(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, _Group]]:
    """Stages by execution and name; those with many instances are counted in the database."""
    table = schema.stages
    found: dict[str, dict[str, _Group]] = {}
    for chunk in chunks(list(ids)):
        of_chunk = table.c.execution_id.in_(chunk) & table.c.last & table.c.status.is_not(None)
        key = (table.c.execution_id, table.c.name, table.c.status)
        figures = (
            func.count(),
            func.count(table.c.index),
            func.min(table.c.started_at),
            func.max(table.c.ended_at),
        )
        for id_, name, status, count, mapped, start, end in connection.execute(
            select(*key, *figures).where(of_chunk).group_by(*key)
        ):
            group = found.setdefault(id_, {}).setdefault(name, _Group())
            group.counts[Status(status)] = count
            group.mapped = group.mapped or mapped > 0
            group.started_at = min(_known(group.started_at, start), default=None)
            group.ended_at = max(_known(group.ended_at, end), default=None)
        running = of_chunk & (table.c.status == Status.RUNNING.value) & table.c.index.is_(None)
        for id_, name, facts in connection.execute(
            select(table.c.execution_id, table.c.name, table.c.facts).where(running)
        ):
            found[id_][name].progress = _facts(facts).told.progress
    return found


def _known(*moments: int | None) -> Iterator[int]:
    return (moment for moment in moments if moment is not None)


def _stages(execution: Execution, groups: dict[str, _Group]) -> list[StageRun]:
    failure = execution.facts.told.get("stage_error")
    return [_stage(name, group, failure) for name, group in groups.items()]


def _stage(name: str, group: _Group, failure: Fact | None) -> StageRun:
    counts = group.counts
    total = sum(counts.values())
    started_at, ended_at = _time(group.started_at), _time(group.ended_at)
    if total == 1 and not group.mapped:
        progress, told_at = (None, None) if group.progress is None else group.progress[::-1]
        (status,) = counts
        final = (
            failure is not None and failure.value["stage"] == name and failure.time >= (group.ended_at or 0)
        )
        return StageRun(name, status, started_at, ended_at, progress, _time(told_at), final=final)
    running = counts.get(Status.RUNNING, 0) + counts.get(Status.PAUSED, 0)
    done = total - running - counts.get(Status.QUEUED, 0)
    if done < total:
        status = Status.RUNNING if running + done else Status.QUEUED
        return StageRun(
            name, status, started_at, None, told_at=ended_at, done=done, running=running, total=total
        )
    return StageRun(name, _together(counts), started_at, ended_at)


def _together(counts: dict[Status, int]) -> Status:
    """What instances that are all over amount to."""
    if FAILING & counts.keys():
        return Status.FAILED
    return next(iter(counts)) if len(counts) == 1 else Status.SUCCEEDED


def _standing(execution: Execution, stages: Sequence[StageRun]) -> ExecutionRun:
    """What counts of an execution is its last episode: what it told in one before is of no use."""
    start = execution.started_at or 0
    told = execution.facts.told
    progress, eta = (
        fact if fact is not None and fact.time >= start else None
        for fact in map(told.get, ("progress", "eta"))
    )
    paused = [mark.time for mark in execution.marks if mark.sign is Sign.PAUSED]
    return ExecutionRun(
        Status(execution.status),
        _time(execution.first_at if execution.started_at is None else start),
        stages,
        None if progress is None else progress.value,
        None if progress is None else from_micros(progress.time),
        None if eta is None else from_micros(eta.value),
        _time(paused[-1] if paused else None),
    )


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
