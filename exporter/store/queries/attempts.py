"""Attempts of stages: rows of one execution."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, select, tuple_

from exporter.store import schema
from exporter.store.queries.order import BadCursor, decode_cursor, encode_cursor
from exporter.store.records import Attempt
from exporter.store.work import chunks

_CURSOR = "stages"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage, or an instance of a mapped one, stands among those of its execution: by its begin, then name."""

    began: int
    name: str
    index: str
    instance: bytes

    @property
    def cursor(self) -> str:
        """The place as text that a client hands back."""
        rest = msgspec.json.encode([self.name, self.index, self.instance.hex()]).decode()
        return encode_cursor(_CURSOR, self.began, rest)

    @classmethod
    def of_cursor(cls, cursor: str) -> Place:
        """The place that a client handed back. Raises BadCursor."""
        began, rest = decode_cursor(cursor, _CURSOR)
        try:
            name, index, instance = msgspec.json.decode(rest, type=tuple[str, str, str])
            place = cls(began, name, index, bytes.fromhex(instance))
        except (msgspec.DecodeError, ValueError) as error:
            raise BadCursor("not a cursor of this server") from error
        if "\0" in name or "\0" in index:
            raise BadCursor("not a cursor of this server")
        return place


def page_of_execution(
    connection: Connection, execution_id: str, after: Place | None, size: int
) -> tuple[list[Attempt], Place | None]:
    """All attempts of the next stages of an execution, in the order in which they began; and where to go on from."""
    table = schema.stages
    began = func.min(func.coalesce(table.c.started_at, table.c.queued_at, table.c.first_at))
    whole = (
        select(
            began.label("began"),
            table.c.name,
            func.coalesce(table.c.index, "").label("index"),
            table.c.instance,
        )
        .where(table.c.execution_id == execution_id, table.c.status.is_not(None))
        .group_by(table.c.instance, table.c.name, table.c.index)
        .subquery()
    )
    key = (whole.c.began, whole.c.name, whole.c.index, whole.c.instance)
    query = select(*key).order_by(*key).limit(size + 1)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(after.began, after.name, after.index, after.instance))
    places = [Place(*row) for row in connection.execute(query)]
    rows: list[Attempt] = []
    for chunk in chunks([place.instance for place in places[:size]]):
        wanted = select(table).where(table.c.instance.in_(chunk), table.c.status.is_not(None))
        rows += [Attempt.from_row(row) for row in connection.execute(wanted)]
    return sorted(rows, key=_begin), places[size - 1] if len(places) > size else None


def of_execution(connection: Connection, execution_id: str) -> list[Attempt]:
    """All attempts of the stages of an execution that are to be seen, in the order in which they began."""
    table = schema.stages
    query = select(table).where(table.c.execution_id == execution_id, table.c.status.is_not(None))
    attempts = [Attempt.from_row(row) for row in connection.execute(query)]
    return sorted(attempts, key=_begin)


def _begin(attempt: Attempt) -> tuple[int, str, str, int]:
    began = next((at for at in (attempt.started_at, attempt.queued_at) if at is not None), attempt.first_at)
    return began, attempt.name, attempt.index or "", attempt.attempt
