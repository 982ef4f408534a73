"""Calls of language models that two instruments tell, a framework and the client that it is built on: each counts once.

Which spans are the same call, `exporter.domain.spans.Call` says; where they are looked for is said here.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from exporter.domain.spans import Call, Interpreter, Reading, Span
from exporter.domain.times import SECOND
from exporter.store import schema
from exporter.store.bulk import select_in
from exporter.store.siblings import Siblings
from exporter.store.span_rows import HELD, SpanRow, SpanRows

EARLIER = 60 * SECOND
"""Microseconds by which the same call, told before by another instrument, may have begun earlier."""

GENERATIONS = 8
"""Generations of spans within a call, and around it, that may tell of it."""

MOST = 200
"""Spans within a call that are looked through, about."""


class ToldCalls:
    """The calls of one transaction among the spans at hand."""

    def __init__(self, connection: Connection, rows: SpanRows, interpreter: Interpreter) -> None:
        self._connection = connection
        self._rows = rows
        self._interpreter = interpreter
        self._siblings: dict[bytes, tuple[int, int, Siblings[SpanRow]]] = {}

    def once(self, row: SpanRow, reading: Reading, call: Call) -> Reading:
        """A call that another instrument told counts no more; what it lacks, spans within and beside it may tell."""
        assert row.span is not None
        within, counted = self._within(row)
        beside = [one for one in self._beside(row.parent_key, row.started).around(call) if one is not row]
        told = (one.told.call for one in beside if one.told is not None)
        if counted or any(other is not None and call.is_same_as(other) for other in told):
            return Reading(reading.place, [], whole=reading.whole)
        if self._is_told_above(row, call):
            return Reading(reading.place, [], whole=reading.whole)
        waiting = [one.span for one in beside if one.state == HELD and one.span is not None]
        return self._interpreter.filled(row.span, reading, within + waiting)

    def _is_told_above(self, row: SpanRow, call: Call) -> bool:
        """Whether the client that a framework calls told it, as if what encloses the framework had made the call.

        That is so where a framework does not say to the client in which span it is.
        """
        for _ in range(GENERATIONS):
            above = self._rows.above(row)
            if above is None:
                return False
            for one in self._beside(above.parent_key, call.start).around(call):
                other = self._call_of(one)
                if other is not None and call.wraps(other):
                    return True
            row = above
        return False

    def _call_of(self, row: SpanRow) -> Call | None:
        """The call that a span was counted as, or will be, as what encloses it is known."""
        if row.told is not None:
            return row.told.call
        return None if row.span is None else self._interpreter.call_of(row.span)

    def _beside(self, parent_key: bytes, started: int) -> Siblings[SpanRow]:
        """Spans below a parent that are calls or may be, from shortly before a time on."""
        if not parent_key:
            return Siblings(())
        since, number, found = self._siblings.get(parent_key, (started, 0, None))
        if started - EARLIER < since:
            # Further back than this call needs, for those before it in the same request.
            since = started - 2 * EARLIER
            table = schema.spans
            recent = and_(table.c.parent_key == parent_key, table.c.started >= since)
            which = and_(recent, table.c.state != HELD)
            for values in self._connection.execute(select(table).where(which)):
                self._rows.take(tuple(values))
            number = 0
        below = self._rows.below(parent_key)
        if found is None or number != len(below):
            found = Siblings(told for one in below if (told := _by_scope(one)) is not None)
        self._siblings[parent_key] = (since, len(below), found)
        return found

    def _within(self, row: SpanRow) -> tuple[list[Span], bool]:
        """Spans within a call that wait for it; whether one of them did not, and was counted as a call."""
        found: list[Span] = []
        counted = False
        keys = [row.key]
        for _ in range(GENERATIONS):
            for values in select_in(self._connection, schema.spans, "parent_key", keys):
                self._rows.take(values)
            rows = [one for key in keys for one in self._rows.below(key)]
            counted = counted or any(one.told is not None and one.told.call is not None for one in rows)
            spans = [one.span for one in rows if one.span is not None]
            if not spans or len(found) > MOST:
                break
            found += spans
            keys = [span.key for span in spans]
        return found, counted


def _by_scope(row: SpanRow) -> tuple[str, int, int, SpanRow] | None:
    if row.told is not None and (call := row.told.call) is not None:
        return (call.scope, call.start, call.end, row)
    span = row.span
    return None if span is None else (span.scope, span.start, span.end, row)
