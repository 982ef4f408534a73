"""What happened in an execution besides its states: errors, and events that are read as they came."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, or_, select

from exporter.store import schema
from exporter.store.queries.order import BadCursor, decode_cursor, encode_cursor

MOST = 10_000
"""Events or errors of one kind read for one answer."""


class Happening(Struct, frozen=True):
    """An event: its type, its time in microseconds, and its payload."""

    type: str
    time: int
    received_at: int
    body: dict[str, Any]


class Place(Struct, frozen=True):
    """Where an event stands among those of its execution: its time in microseconds, and its number."""

    time: int
    seq: int

    @property
    def cursor(self) -> str:
        """The place as text that a client hands back."""
        return encode_cursor("events", self.time, str(self.seq))

    @classmethod
    def of_cursor(cls, cursor: str) -> Place:
        """The place that a client handed back. Raises BadCursor."""
        time, seq = decode_cursor(cursor, "events")
        if not (seq.isascii() and seq.isdigit() and len(seq) < 19):
            raise BadCursor("not a cursor of this server")
        return cls(time, int(seq))


class StoredError(Struct, frozen=True):
    """A row of `errors`; `context` decoded."""

    time: int
    stage: str | None
    index: str | None
    attempt: int | None
    type: str
    category: str
    severity: str
    component: str | None
    message: str
    stacktrace: str | None
    context: dict[str, Any] | None


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def events(
    connection: Connection, execution_id: str, types: Collection[str] = (), most: int | None = MOST
) -> Iterator[Happening]:
    """Events of an execution in the order of their time, of some types or of all."""
    table = schema.events
    query = (
        select(table.c.type, table.c.time, table.c.received_at, table.c.body)
        .where(table.c.execution_id == execution_id, table.c.body.is_not(None))
        .order_by(table.c.time, table.c.seq)
        .limit(most)
    )
    if types:
        query = query.where(table.c.type.in_(types))
    options = {"yield_per": 500}
    for type_, time, received_at, body in connection.execute(query, execution_options=options):
        yield Happening(type_, time, received_at, _decode(body))


def latest(
    connection: Connection,
    execution_id: str,
    type_: str,
    most: int,
    *,
    before: Place | None = None,
    stage: str | None = None,
) -> tuple[list[Happening], Place | None]:
    """Events of a type, the latest first, those before a place if it is given; and where they go on, if they do."""
    table = schema.events
    query = (
        select(table.c.seq, table.c.type, table.c.time, table.c.received_at, table.c.body)
        .where(table.c.execution_id == execution_id, table.c.type == type_, table.c.body.is_not(None))
        .order_by(table.c.time.desc(), table.c.seq.desc())
    )
    if before is not None:
        same_time = and_(table.c.time == before.time, table.c.seq < before.seq)
        query = query.where(table.c.time <= before.time, or_(table.c.time < before.time, same_time))
    if stage is None:
        query = query.limit(most + 1)
    found: list[Happening] = []
    last: Place | None = None
    with connection.execute(query, execution_options={"yield_per": 500}) as rows:
        for seq, told, time, received_at, body in rows:
            event = Happening(told, time, received_at, _decode(body))
            if stage is not None and event.body.get("stage") != stage:
                continue
            if len(found) == most:
                return found, last
            found.append(event)
            last = Place(time, seq)
    return found, None


def errors(connection: Connection, execution_id: str, most: int = MOST) -> list[StoredError]:
    """Errors of an execution in the order of their time."""
    table = schema.errors
    columns = [table.c[name] for name in StoredError.__struct_fields__]
    query = (
        select(*columns)
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.time, table.c.identity)
        .limit(most)
    )
    found = []
    for row in connection.execute(query):
        error = StoredError(**row._mapping)
        if row.context is not None:
            error = msgspec.structs.replace(error, context=_decode(row.context))
        found.append(error)
    return found
