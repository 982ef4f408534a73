"""What happened in an execution besides its states: errors, and events that are read as they came."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from exporter.store import schema

MOST = 10_000
"""Events or errors of one kind read for one answer."""


class Happening(Struct, frozen=True):
    """An event: its type, its time in microseconds, and its payload."""

    type: str
    time: int
    received_at: int
    body: dict[str, Any]


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
