"""What one trace is made of: as much of an execution as an answer can hold, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, case, func, select

from exporter.domain.status import FAILING, Status
from exporter.store import schema
from exporter.store.queries.executions import ACTIVE
from exporter.store.queries.happenings import StoredError
from exporter.store.records import Attempt

MOST_ATTEMPTS = 4_000
MOST_CALLS = 1_000
MOST_EVENTS = 2_000
MOST_ERRORS = 1_000

MOST_READ = 32 << 20
"""Bytes of events read for one trace: prompts and messages may have a million characters each."""

CALLS_READ = 10_000
LONGEST_MESSAGE = 4_096
LONGEST_STACKTRACE = 16_384
LONGEST_CONTEXT = 4_096

CALL = "pipeline.llm.called"
EVENTS = ("pipeline.artifact.produced", "pipeline.warning.raised", "pipeline.log.emitted")
_NO_FACTS = b"{}"


class CallError(Struct, frozen=True):
    """What went wrong in a call."""

    message: str = ""
    type: str | None = None
    category: str | None = None


class Call(Struct, frozen=True):
    """A call of a language model as its event told it, without what was said."""

    provider: str
    request_model: str
    stage: str | None = None
    response_model: str | None = None
    operation: str = "chat"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    duration_seconds: float | None = None
    time_to_first_token_seconds: float | None = None
    cost_usd: float | None = None
    error: CallError | None = None


class Told(Struct, frozen=True):
    """A log line, a warning or an artifact as its event told it."""

    stage: str | None = None
    level: str | None = None
    message: str | None = None
    code: str | None = None
    name: str | None = None
    uri: str | None = None
    bytes: int | None = None
    media_type: str | None = None
    fields: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class TimedCall:
    """A call and when it ended, in microseconds; `seq` is its own among all events."""

    seq: int
    time: int
    call: Call


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event and when it happened, in microseconds."""

    time: int
    type: str
    told: Told


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of an execution, and how many attempts and calls it has besides; `events_left_out`: older events."""

    attempts: list[Attempt]
    errors: list[StoredError]
    calls: list[TimedCall]
    events: list[TimedEvent]
    attempts_left_out: int = 0
    calls_left_out: int = 0
    events_left_out: bool = False
    errors_left_out: bool = False


_decode_call = msgspec.json.Decoder(Call).decode
_decode_told = msgspec.json.Decoder(Told).decode
_decode_context = msgspec.json.Decoder(dict[str, Any]).decode


def parts(connection: Connection, execution_id: str) -> Parts:
    """Parts of an execution."""
    attempts, attempts_left_out = _attempts(connection, execution_id)
    errors = _errors(connection, execution_id)
    calls, calls_left_out = _calls(connection, execution_id)
    events, events_left_out = _events(connection, execution_id)
    return Parts(
        attempts=attempts,
        errors=errors[:MOST_ERRORS],
        calls=calls,
        events=events,
        attempts_left_out=attempts_left_out,
        calls_left_out=calls_left_out,
        events_left_out=events_left_out,
        errors_left_out=len(errors) > MOST_ERRORS,
    )


def _attempts(connection: Connection, execution_id: str) -> tuple[list[Attempt], int]:
    """Attempts: failed ones first, then running ones, then those that took longest; and the others' number.

    They come without what was told of them besides: errors have rows of their own. Those that never began come last,
    and do not count.
    """
    table = schema.stages
    mine = (table.c.execution_id == execution_id, table.c.status.is_not(None))
    rank = case(
        (table.c.own_status == Status.QUEUED, 3),
        (table.c.status.in_(sorted(FAILING)), 0),
        (table.c.status.in_(ACTIVE), 1),
        else_=2,
    )
    key = (table.c.instance, table.c.attempt_key)
    order = (rank, func.coalesce(table.c.duration, 0).desc(), table.c.first_at, *key)
    chosen = select(*key).where(*mine).order_by(*order).limit(MOST_ATTEMPTS + 1).subquery()
    columns = [column for column in table.c if column.name != "facts"]
    query = select(*columns, rank, func.coalesce(table.c.duration, 0)).join(
        chosen,
        and_(table.c.instance == chosen.c.instance, table.c.attempt_key == chosen.c.attempt_key),
    )
    rows = connection.execute(query.order_by(*order)).all()
    found = [Attempt.from_row((*row[:-2], _NO_FACTS)) for row in rows[:MOST_ATTEMPTS]]
    if len(rows) <= MOST_ATTEMPTS:
        return found, 0
    counted = select(func.count()).select_from(table).where(*mine, table.c.own_status != Status.QUEUED)
    number = connection.execute(counted).scalar_one()
    return found, number - sum(attempt.own_status != Status.QUEUED for attempt in found)


def _errors(connection: Connection, execution_id: str) -> list[StoredError]:
    """The first errors; long stack traces cut, long contexts left out. One more than wanted, if there are more."""
    table = schema.errors
    query = (
        select(
            *(
                table.c[name]
                for name in StoredError.__struct_fields__
                if name not in ("stacktrace", "context")
            ),
            func.substr(table.c.message, 1, LONGEST_MESSAGE).label("short"),
            func.substr(table.c.stacktrace, 1, LONGEST_STACKTRACE).label("stacktrace"),
            case((func.length(table.c.context) <= LONGEST_CONTEXT, table.c.context)).label("context"),
        )
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.time, table.c.identity)
        .limit(MOST_ERRORS + 1)
    )
    found = []
    for row in connection.execute(query):
        told = dict(row._mapping)
        told["message"] = told.pop("short")
        context = told.pop("context")
        found.append(StoredError(**told, context=None if context is None else _decode_context(context)))
    return found


def _calls(connection: Connection, execution_id: str) -> tuple[list[TimedCall], int]:
    """Calls: failed ones first, then those that took longest, in the order of their time; and the others' number."""
    table = schema.events
    mine = (table.c.execution_id == execution_id, table.c.type == CALL, table.c.body.is_not(None))
    query = select(table.c.seq, table.c.time, table.c.body).where(*mine)
    query = query.order_by(table.c.time, table.c.seq).limit(CALLS_READ)
    found: list[TimedCall] = []
    read = 0
    for seq, time, body in connection.execute(query, execution_options={"yield_per": 50}):
        found.append(TimedCall(seq, time, _decode_call(body)))
        read += len(body)
        if read > MOST_READ:
            break
    is_cut = len(found) == CALLS_READ or read > MOST_READ
    number = len(found)
    if is_cut:
        number = connection.execute(select(func.count()).select_from(table).where(*mine)).scalar_one()
    if len(found) > MOST_CALLS:
        found = sorted(nlargest(MOST_CALLS, found, key=_weight), key=lambda each: (each.time, each.seq))
    return found, number - len(found)


def _weight(each: TimedCall) -> tuple[bool, float]:
    return each.call.error is not None, each.call.duration_seconds or 0.0


def _events(connection: Connection, execution_id: str) -> tuple[list[TimedEvent], bool]:
    """The latest logs, warnings and artifacts, in the order of their time; and whether there are older ones."""
    table = schema.events
    query = (
        select(table.c.type, table.c.time, table.c.body)
        .where(table.c.execution_id == execution_id, table.c.type.in_(EVENTS), table.c.body.is_not(None))
        .order_by(table.c.time.desc(), table.c.seq.desc())
        .limit(MOST_EVENTS + 1)
    )
    found: list[TimedEvent] = []
    read = 0
    for type_, time, body in connection.execute(query, execution_options={"yield_per": 50}):
        if len(found) == MOST_EVENTS or read > MOST_READ:
            return found[::-1], True
        read += len(body)
        found.append(TimedEvent(time, type_, _short(_decode_told(body))))
    return found[::-1], False


def _short(told: Told) -> Told:
    message, fields = told.message, bytes(told.fields)
    if message is not None and len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE] + "…"
    # A copy: what is decoded would keep the whole event in memory.
    kept = msgspec.Raw(fields if fields != b"null" and len(fields) <= LONGEST_CONTEXT else b"")
    return msgspec.structs.replace(told, message=message, fields=kept)
