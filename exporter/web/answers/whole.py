"""One execution with all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection

from exporter.domain.times import rfc3339
from exporter.store.queries import attempts as attempt_rows
from exporter.store.queries import happenings
from exporter.store.queries.attempts import Place
from exporter.store.queries.happenings import StoredError
from exporter.store.queries.pipelines import upstreams
from exporter.store.records import Attempt, Execution
from exporter.web.answers.content import (
    ARTIFACT,
    LOG,
    SAMPLE,
    WARNING,
    Artifact,
    ResourceSample,
    Warned,
    artifact,
    logged,
    sample,
    warned,
)
from exporter.web.answers.error import Error, TimedError, error, timed_error
from exporter.web.answers.execution import (
    ExecutionAttempt,
    ExecutionSummary,
    attempts,
    own_error,
    summaries,
)
from exporter.web.answers.stage import Instance, Stage, instances, stages
from exporter.web.reading import Reading

MOST_STAGES = 1_000
"""Stages in one answer, instances of mapped ones counted each."""

Upstreams: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeExecution(ExecutionSummary):
    """One execution, whole. It has the first thousand stages; `/{id}/stages` has them all, page by page."""

    error: Error | None
    parameters: dict[str, Any]
    message: str | None
    heartbeat_seconds: float | None
    first_event_at: str
    last_event_at: str
    attempts: list[ExecutionAttempt]
    stages: list[Stage]
    stages_truncated: bool
    artifacts: list[Artifact]
    warnings: list[Warned]
    errors: list[TimedError]
    resources: list[ResourceSample]


def stage_instances(
    connection: Connection, execution: Execution, errors: Sequence[StoredError] | None = None
) -> tuple[list[Instance], Upstreams]:
    """Stages of an execution, and the upstream stages known of its pipeline where some did not tell theirs."""
    rows = attempt_rows.of_execution(connection, execution.id)
    return _instances(connection, execution, rows, errors)


def stage_page(
    connection: Connection,
    execution: Execution,
    after: Place | None,
    size: int,
    errors: Sequence[StoredError] | None = None,
) -> tuple[list[Instance], Upstreams, Place | None]:
    """The same of the next stages only, instances of mapped ones counted each; and where to go on from."""
    rows, following = attempt_rows.page_of_execution(connection, execution.id, after, size)
    return *_instances(connection, execution, rows, errors), following


def _instances(
    connection: Connection,
    execution: Execution,
    rows: Sequence[Attempt],
    errors: Sequence[StoredError] | None,
) -> tuple[list[Instance], Upstreams]:
    if errors is None:
        errors = happenings.errors(connection, execution.id)
    told = all(row.facts.get("depends_on") is not None for row in rows)
    return instances(rows, errors), {} if told else upstreams(connection, execution.pipeline_id)


def whole(
    connection: Connection, reading: Reading, execution: Execution, *, most: int | None = MOST_STAGES
) -> WholeExecution:
    """An execution with everything but its events and log; with all stages, where `most` is None."""
    short = summaries(connection, reading, [execution])[0]
    errors = happenings.errors(connection, execution.id)
    following = None
    if most is None:
        found, declared = stage_instances(connection, execution, errors)
    else:
        found, declared, following = stage_page(connection, execution, None, most, errors)
    facts = execution.facts
    told = own_error(execution)
    content: dict[str, list[happenings.Happening]] = {ARTIFACT: [], WARNING: [], SAMPLE: []}
    for event in happenings.events(connection, execution.id, tuple(content)):
        content[event.type].append(event)
    common = {name: getattr(short, name) for name in ExecutionSummary.__dataclass_fields__ if name != "error"}
    return WholeExecution(
        **common,
        error=None if told is None else error(told),
        parameters=facts.get("parameters") or {},
        message=facts.get("message"),
        heartbeat_seconds=facts.get("heartbeat_seconds"),
        first_event_at=rfc3339(execution.first_at) or "",
        last_event_at=rfc3339(execution.last_at) or "",
        attempts=attempts(execution),
        stages=stages(found, declared),
        stages_truncated=following is not None,
        artifacts=[artifact(event) for event in content[ARTIFACT]],
        warnings=[warned(event) for event in content[WARNING]],
        errors=[timed_error(stored) for stored in errors],
        resources=[sample(event) for event in content[SAMPLE]],
    )


def export(connection: Connection, reading: Reading, execution: Execution) -> Iterator[bytes]:
    """An execution complete, as JSON in pieces: the whole, its log, and every event it was made from."""
    encode = msgspec.json.encode
    yield b'{"exported_at":' + encode(rfc3339_of(reading)) + b',"execution":'
    yield encode(whole(connection, reading, execution, most=None))
    yield b',"logs":'
    yield from _array(
        encode(logged(event)) for event in happenings.events(connection, execution.id, (LOG,), None)
    )
    yield b',"events":'
    yield from _array(
        encode(
            {
                "type": event.type,
                "time": rfc3339(event.time),
                "received_at": rfc3339(event.received_at),
                "data": event.body,
            }
        )
        for event in happenings.events(connection, execution.id, (), None)
    )
    yield b"}"


def rfc3339_of(reading: Reading) -> str:
    """The time of an answer."""
    return reading.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _array(entries: Iterator[bytes]) -> Iterator[bytes]:
    yield b"["
    piece: list[bytes] = []
    first = True
    for entry in entries:
        piece.append(entry if first and not piece else b"," + entry)
        if len(piece) == 500:
            yield b"".join(piece)
            piece, first = [], False
    yield b"".join(piece) + b"]"
