"""Spans of one transaction, by their keys: as stored, as gathered, and as they are to be stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, field
from sqlalchemy import Connection

from exporter.domain.spans import Call, Place, Span
from exporter.store import schema
from exporter.store.bulk import column_names, insert_rows, select_in, update_rows

HELD, SETTLED, PROVISIONAL = 0, 1, 2


class Told(Struct, frozen=True, omit_defaults=True):
    """What was made of a span: its place, the events' identities, and the attempts of the stage that they are about.

    `call`: the call of a language model that was counted.
    """

    place: Place
    identities: list[bytes] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    call: Call | None = None


class SpanRow(Struct):
    """A row of `spans`, in the order of its columns."""

    key: bytes
    started: int
    parent_key: bytes
    state: int
    due_at: int | None
    arrived_at: int
    execution_id: str | None
    told: Told | None
    span: Span | None
    stored: bool = False
    dirty: bool = True

    def values(self) -> tuple[Any, ...]:
        """The row to store."""
        return (
            self.key, self.started, self.parent_key, self.state, self.due_at, self.arrived_at, self.execution_id,
            None if self.told is None else _encode(self.told), None if self.span is None else _encode(self.span),
        )  # fmt: skip


_encode = msgspec.json.Encoder().encode
_decode_told = msgspec.json.Decoder(Told).decode
_decode_span = msgspec.json.Decoder(Span).decode


class SpanRows:
    """The spans at hand. One key has several rows where a span's id was used again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[bytes, dict[int, SpanRow]] = {}
        self._below: dict[bytes, list[SpanRow]] = {}

    def load(self, keys: Iterable[bytes]) -> None:
        """Read the spans of keys that are not at hand yet."""
        missing = [key for key in keys if key not in self._rows]
        for key in missing:
            self._rows[key] = {}
        for values in select_in(self._connection, schema.spans, "key", missing):
            self.take(values)

    def take(self, values: Any) -> SpanRow:
        """A stored row, or what it has become since."""
        known = self._rows.get(values[0], {}).get(values[1])
        if known is not None:
            return known
        told = None if values[7] is None else _decode_told(values[7])
        span = None if values[8] is None else _decode_span(values[8])
        row = SpanRow(*values[:7], told, span, True, False)  # type: ignore[call-arg]  # as many values as columns
        self.keep(row)
        return row

    def keep(self, row: SpanRow) -> None:
        """Have a row at hand."""
        self._rows.setdefault(row.key, {})[row.started] = row
        if row.parent_key:
            self._below.setdefault(row.parent_key, []).append(row)

    def knows(self, span: Span) -> bool:
        """Whether a span is at hand."""
        return span.start in self._rows.get(span.key, {})

    def get(self, key: bytes, before: int) -> SpanRow | None:
        """The span of that key; of several, the last that began before a time."""
        found = self._rows.get(key)
        if not found:
            return None
        earlier = [started for started in found if started <= before]
        return found[max(earlier) if earlier else min(found)]

    def above(self, row: SpanRow) -> SpanRow | None:
        """The span that another lies in, if it is known."""
        if not row.parent_key:
            return None
        self.load([row.parent_key])
        found = self.get(row.parent_key, row.started)
        return None if found is row else found

    def below(self, key: bytes) -> list[SpanRow]:
        """Spans whose parent has that key."""
        return self._below.get(key, [])

    def of_trace(self, trace: bytes) -> Iterator[SpanRow]:
        """Spans of a trace."""
        for key, rows in self._rows.items():
            if key[:16] == trace:
                yield from rows.values()

    def write(self) -> None:
        """Store what changed."""
        changed = [row for rows in self._rows.values() for row in rows.values() if row.dirty]
        table = schema.spans
        insert_rows(self._connection, table, [row.values() for row in changed if not row.stored])
        update_rows(
            self._connection,
            table,
            column_names(table)[2:],
            column_names(table)[:2],
            [(*values[2:], *values[:2]) for row in changed if row.stored for values in [row.values()]],
        )
