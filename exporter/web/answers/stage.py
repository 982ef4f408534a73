"""Stages of one execution, nested as they ran, and as rows of a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from exporter.domain.lifecycle import Episode
from exporter.domain.status import ACTIVE, Status
from exporter.domain.times import rfc3339
from exporter.store.queries.happenings import StoredError
from exporter.store.records import SETTLED, Attempt
from exporter.store.standing import Try as Numbered
from exporter.store.standing import tries as numbered
from exporter.web.answers import seconds
from exporter.web.answers.error import Error, error


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAttempt:
    """One attempt of a stage."""

    number: int
    status: Status
    source_status: str | None
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_seconds: float | None
    error: Error | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of an execution, or one instance of a mapped stage: as its last attempt stands, with those inside it."""

    name: str
    index: str | None
    path: list[str]
    status: Status
    source_status: str | None
    depends_on: list[str]
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_seconds: float | None
    items_in: int | None
    items_out: int | None
    cpu_seconds: float | None
    memory_peak_bytes: float | None
    progress: float | None
    message: str | None
    attempts: list[StageAttempt]
    error: Error | None
    stages: list[Stage] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Stages of an execution. What lies inside a stage of another page stands beside those of this one."""

    execution: str
    stages: list[Stage]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One attempt in a timeline. `offset_seconds`: from the start of the execution."""

    name: str
    index: str | None
    path: list[str]
    depth: int
    attempt: int
    status: Status
    queued_at: str | None
    started_at: str
    ended_at: str | None
    offset_seconds: float
    duration_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When the stages of an execution ran, those first that began first."""

    execution: str
    status: Status
    started_at: str | None
    ended_at: str | None
    duration_seconds: float | None
    bars: list[Bar]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt as it stands, in stored units, and the row that it is from."""

    number: int
    episode: Episode
    error: Mapping[str, Any] | None
    row: Attempt


@dataclass(frozen=True, slots=True)
class Instance:
    """A stage, or an instance of a mapped one, with its attempts in order; `last` is the row of the latest."""

    path: tuple[str, ...]
    last: Attempt
    tries: list[Try]


def instances(rows: Sequence[Attempt], errors: Sequence[StoredError]) -> list[Instance]:
    """Stages in the order in which they began."""
    grouped: dict[bytes, list[Attempt]] = {}
    for row in rows:
        grouped.setdefault(row.instance, []).append(row)
    by_time = {(found.stage, found.index, found.time): found for found in errors}
    return [_instance(sorted(group, key=lambda row: row.attempt), by_time) for group in grouped.values()]


def _instance(rows: list[Attempt], errors: Mapping[Any, StoredError]) -> Instance:
    real = numbered([row for row in rows if row.attempt_key != SETTLED])
    last = real[-1].row if real else rows[-1]
    if not real and last.status != Status.SKIPPED:
        real = [Numbered(max(last.attempt, 1), last, Episode())]
    tries: list[Try] = []
    shown: set[str] = set()
    for number, row, told in reversed(real):
        episode = told if row.attempt_key in shown else _as_stored(row)
        shown.add(row.attempt_key)
        tries.append(Try(number, episode, _error(row, episode, errors), row))
    return Instance(tuple(msgspec.json.decode(last.path)), last, tries[::-1])


def _as_stored(row: Attempt) -> Episode:
    """The latest episode of an attempt as the row has it, which knows what its source settled."""
    status = Status(row.status or Status.RUNNING)
    return Episode(status, row.source_status or "", row.queued_at, row.started_at, row.ended_at)


def _error(row: Attempt, episode: Episode, errors: Mapping[Any, StoredError]) -> Mapping[str, Any] | None:
    if episode.status is Status.SUCCEEDED or episode.status in ACTIVE:
        return None
    found = errors.get((row.name, row.index, episode.ended_at))
    if found is not None:
        return {**msgspec.structs.asdict(found), "stage": row.name}
    told = row.facts.get("error")
    return {**told, "stage": row.name} if told and episode.ended_at == row.ended_at else None


def stages(found: Sequence[Instance], declared: Mapping[str, Sequence[str]]) -> list[Stage]:
    """Stages nested by their paths. What is inside a stage that nothing is known of stands beside it.

    `declared`: upstream stages by stage, for those that did not tell.
    """
    shown = [(instance, _stage(instance, declared)) for instance in found]
    first: dict[tuple[str, ...], Stage] = {}
    for instance, stage in shown:
        if instance.path not in first or stage.index is None:
            first[instance.path] = stage
    top: list[Stage] = []
    for instance, stage in shown:
        enclosing = [
            first[instance.path[:depth]]
            for depth in range(1, len(instance.path))
            if instance.path[:depth] in first
        ]
        (enclosing[-1].stages if enclosing else top).append(stage)
    return top


def _stage(instance: Instance, declared: Mapping[str, Sequence[str]]) -> Stage:
    row = instance.last
    last = instance.tries[-1] if instance.tries else None
    status = Status(row.status or Status.RUNNING)
    duration = last.episode.duration if last is not None else None
    return Stage(
        name=row.name,
        index=row.index,
        path=list(instance.path),
        status=status,
        source_status=row.source_status,
        depends_on=list(row.facts.get("depends_on") or declared.get(row.name, ())),
        queued_at=rfc3339(row.queued_at),
        started_at=rfc3339(row.started_at),
        ended_at=rfc3339(row.ended_at),
        duration_seconds=seconds(row.duration if row.duration is not None else duration),
        items_in=row.items_in,
        items_out=row.items_out,
        cpu_seconds=row.cpu_seconds,
        memory_peak_bytes=row.memory_peak_bytes,
        progress=row.facts.get("progress"),
        message=row.facts.get("message"),
        attempts=[_attempt(each, row) for each in instance.tries],
        error=error(last.error) if last is not None and last.error is not None else None,
    )


def _attempt(each: Try, row: Attempt) -> StageAttempt:
    episode = each.episode
    # What a source settled has a duration without having a start.
    duration = row.duration if row.attempt_key == SETTLED else episode.duration
    return StageAttempt(
        number=each.number,
        status=Status(episode.status),
        source_status=episode.word or None,
        queued_at=rfc3339(episode.queued_at),
        started_at=rfc3339(episode.started_at),
        ended_at=rfc3339(episode.ended_at),
        duration_seconds=seconds(duration),
        error=None if each.error is None else error(each.error),
    )


def bars(found: Sequence[Instance], start: int | None) -> list[Bar]:
    """Attempts with a start, in its order. `start`: that of the execution, in microseconds."""
    rows: list[tuple[int, Bar]] = []
    for instance in found:
        for each in instance.tries:
            began = each.episode.started_at
            if began is None:
                continue
            offset = began - (start if start is not None else began)
            bar = Bar(
                name=instance.last.name,
                index=instance.last.index,
                path=list(instance.path),
                depth=len(instance.path) - 1,
                attempt=each.number,
                status=Status(each.episode.status),
                queued_at=rfc3339(each.episode.queued_at),
                started_at=rfc3339(began) or "",
                ended_at=rfc3339(each.episode.ended_at),
                offset_seconds=offset / 1_000_000,
                duration_seconds=seconds(each.episode.duration),
            )
            rows.append((began, bar))
    return [bar for _, bar in sorted(rows, key=lambda row: row[0])]
