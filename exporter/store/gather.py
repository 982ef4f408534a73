"""Spans are gathered until it is known where they belong; what they mean is told as events in the same transaction.

A span is held until its parent is known, or patience is over (`due`); then it is told as well as can be, and told anew
should its parent still arrive: what was told wrongly is withdrawn. So every order of arrival ends with the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, func, select, update

from exporter.domain.events import Event, StagePayload
from exporter.domain.identity import execution_id
from exporter.domain.spans import HOST, Interpreter, Place, Reading, Span
from exporter.domain.times import SECOND
from exporter.store import schema
from exporter.store.bulk import column_names, select_in
from exporter.store.hosts import Host, host_of, is_host
from exporter.store.open_runs import OpenRuns
from exporter.store.records import Execution
from exporter.store.span_rows import HELD, PROVISIONAL, SETTLED, SpanRow, SpanRows, Told
from exporter.store.told_calls import ToldCalls
from exporter.store.withdraw import bury, move_call, withdraw_stage
from exporter.store.work import Work, attempt_key

PATIENCE = timedelta(seconds=10)
"""How long a span waits for its parent before it is shown without."""

QUIET = timedelta(minutes=10)
"""Silence after which an execution whose end nothing tells is over, if its dialect says that silence proves that."""

KEPT = timedelta(days=1)
"""How long spans are kept for others to refer to."""

STEP = 200
AT_ONCE = 2000
"""Spans told in one transaction, so that nobody waits long for it; the keeper tells the rest."""

DEEPEST = 256
"""Generations of spans looked through at once; a cycle has no end."""


class Gatherer:
    """Gathers spans and tells what they mean, as an interpreter reads them."""

    def __init__(
        self, interpreter: Interpreter, *, patience: timedelta = PATIENCE, quiet: timedelta = QUIET
    ) -> None:
        self.interpreter = interpreter
        self.patience = round(patience.total_seconds() * SECOND)
        self.quiet = round(quiet.total_seconds() * SECOND)

    def gather(self, work: Work, spans: Sequence[Span]) -> tuple[list[bool], list[Event]]:
        """Which spans are new, in their order, and the events that they and those that waited for them come to."""
        gathering = _Gathering(self, work)
        fresh = gathering.add(spans)
        return fresh, gathering.finish()

    def due(self, work: Work) -> list[Event]:
        """Events of spans that waited long enough, and ends of executions that fell silent."""
        gathering = _Gathering(self, work)
        gathering.give_up()
        gathering.events += gathering.runs.silent()
        return gathering.finish()

    def revisit(self, work: Work, executions: Iterable[Execution]) -> None:
        """Let the keeper read spans again that were shown elsewhere: the run whose id is their trace's is known now."""
        table = schema.spans
        hosts = [each.id for each in executions if is_host(each)]
        if not hosts or work.connection.scalar(select(table.c.started).limit(1)) is None:
            return
        for id_ in hosts:
            trace = bytes.fromhex(id_)
            of_trace = table.c.key.between(trace + bytes(8), trace + b"\xff" * 8)
            shown = update(table).where(of_trace, table.c.state == PROVISIONAL)
            work.connection.execute(shown.values(due_at=work.now - 1))

    def forget(self, work: Work) -> None:
        """Delete a few spans to which nothing will refer any more."""
        oldest = work.now - round(KEPT.total_seconds() * SECOND)
        for table in (schema.spans, schema.open_runs):
            key = table.c[column_names(table)[0]]
            old = select(key).where(table.c.arrived_at < oldest).order_by(table.c.arrived_at).limit(STEP * 5)
            work.connection.execute(delete(table).where(key.in_(old.scalar_subquery())))


class _Gathering:
    """One transaction's worth of it."""

    def __init__(self, gatherer: Gatherer, work: Work) -> None:
        self.gatherer = gatherer
        self.work = work
        self.rows = SpanRows(work.connection)
        self.runs = OpenRuns(work, gatherer.quiet)
        self.calls = ToldCalls(work.connection, self.rows, gatherer.interpreter)
        self.roots: dict[bytes, Place | None] = {}
        self.hosts: dict[bytes, Host | None] = {}
        self.events: list[Event] = []
        self.telling: dict[tuple[bytes, int], list[Event]] = {}
        self.retold: set[str] = set()
        self.withdrawn: list[tuple[str, Told]] = []
        self.outdated: list[bytes] = []
        self.told = 0

    # Rows

    def add(self, spans: Sequence[Span]) -> list[bool]:
        """Take new spans and tell what can be told; which of them were new."""
        self.rows.load({span.key for span in spans} | {span.parent_key for span in spans if span.parent})
        fresh: list[bool] = []
        new: list[SpanRow] = []
        now = self.work.now
        for span in spans:
            fresh.append(not self.rows.knows(span))
            if fresh[-1]:
                row = SpanRow(
                    span.key, span.start, span.parent_key, HELD, now + self.gatherer.patience, now, None, None, span
                )  # fmt: skip
                self.rows.keep(row)
                new.append(row)
        self._tell_all(new)
        return fresh

    # Telling

    def _tell_all(self, rows: list[SpanRow], *, orphans: bool = False) -> None:
        """Tell spans and, generation by generation, those that waited for them, as many as may be told at once."""
        for _ in range(DEEPEST):
            changed = []
            # Of two that tell the same, the one around the other comes first.
            for row in sorted(rows, key=lambda one: one.started):
                if self.told >= AT_ONCE:
                    self._defer(row)
                elif self._read(row, orphan=orphans):
                    self.told += 1
                    changed.append(row)
            if not changed:
                return
            rows, orphans = self._waiting(changed), False

    def _defer(self, row: SpanRow) -> None:
        """Leave a span to the keeper, as its next."""
        if row.span is not None and row.state != SETTLED:
            row.due_at, row.dirty = self.work.now - 1, True

    def _waiting(self, changed: list[SpanRow]) -> list[SpanRow]:
        """Spans that may mean something else now."""
        keys = list({row.key for row in changed})
        table = schema.spans
        if not self._left_to_keeper(table.c.parent_key.in_(keys)):
            for values in select_in(self.work.connection, table, "parent_key", keys):
                if values[3] != SETTLED:
                    self.rows.take(values)
        found = [row for key in keys for row in self.rows.below(key) if row.state != SETTLED]
        for row in changed:
            if not row.parent_key:
                self.roots.pop(row.key[:16], None)
                found += self._provisional(row.key[:16])
                continue
            above = self.rows.get(row.parent_key, row.started)
            if above is not None and above.state != SETTLED and not above.parent_key:
                found.append(above)
        return list({(row.key, row.started): row for row in found}.values())

    def _provisional(self, trace: bytes) -> list[SpanRow]:
        table = schema.spans
        of_trace = and_(table.c.key >= trace + bytes(8), table.c.key <= trace + b"\xff" * 8)
        shown = and_(of_trace, table.c.state == PROVISIONAL)
        if not self._left_to_keeper(shown):
            for values in self.work.connection.execute(select(table).where(shown)):
                self.rows.take(tuple(values))
        return [row for row in self.rows.of_trace(trace) if row.state == PROVISIONAL]

    def _left_to_keeper(self, which: ColumnElement[bool]) -> bool:
        """Whether stored spans are too many to be told at once: then the keeper does, and they are not even loaded."""
        table = schema.spans
        untold = and_(which, table.c.state != SETTLED)
        number = self.work.connection.scalar(select(func.count()).select_from(table).where(untold))
        if number is None or number <= AT_ONCE:
            return False
        self.work.connection.execute(update(table).where(untold).values(due_at=self.work.now - 1))
        return True

    def _read(self, row: SpanRow, *, orphan: bool = False) -> bool:
        """Tell a span, if its meaning is known; whether that changed."""
        if row.span is None or row.state == SETTLED:
            return False
        above = self.rows.get(row.parent_key, row.started) if row.parent_key else None
        parent = None if above is None or above is row or above.told is None else above.told.place
        waited = orphan or row.state == PROVISIONAL
        hosted = False
        if above is None and row.parent_key and (host := self._host_of(row.key[:16])) is not None:
            parent = host.by_span.get(row.span.parent) or (host.place if waited else None)
            hosted = row.span.parent in host.by_span
        elif parent is None and row.parent_key and waited:
            parent = self._root_of(row.key[:16])
        orphan = waited and parent is None
        interpreter = self.gatherer.interpreter
        reading = interpreter.read(row.span, parent, orphan=orphan)
        if not row.parent_key and (reading is None or not reading.whole):
            child = self._child_of(row)
            reading = interpreter.read(row.span, None, orphan=orphan, child=child)
        if reading is None:
            return False
        if reading.call is not None and (row.told is None or row.told.call is None):
            reading = self.calls.once(row, reading, reading.call)
        certain = reading.whole or hosted or (above is not None and above.state == SETTLED)
        return self._tell(row, reading, SETTLED if certain else PROVISIONAL)

    def _host_of(self, trace: bytes) -> Host | None:
        """The run, told by another way in, that a trace belongs to."""
        if trace not in self.hosts:
            self.hosts[trace] = host_of(self.work.connection, trace.hex())
        return self.hosts[trace]

    def _root_of(self, trace: bytes) -> Place | None:
        """Place of the root of a trace, if it is known."""
        if trace not in self.roots:
            table = schema.spans
            query = select(table).where(
                table.c.key >= trace + bytes(8), table.c.key <= trace + b"\xff" * 8, table.c.parent_key == b""
            )
            for values in self.work.connection.execute(query):
                self.rows.take(tuple(values))
            found = [
                (row.started, row.key, row.told.place)
                for row in self.rows.of_trace(trace)
                if not row.parent_key and row.told is not None
            ]
            self.roots[trace] = min(found, key=lambda one: one[:2])[2] if found else None
        return self.roots[trace]

    def _child_of(self, row: SpanRow) -> Place | None:
        """Place of a child that was told, for a root that learns from its children."""
        for values in select_in(self.work.connection, schema.spans, "parent_key", [row.key]):
            self.rows.take(values)
            break
        told = [one.told.place for one in self.rows.below(row.key) if one.told is not None]
        return told[0] if told else None

    def _tell(self, row: SpanRow, reading: Reading, state: int) -> bool:
        assert row.span is not None
        old, place = row.told, reading.place
        events = self.gatherer.interpreter.events(row.span, reading)
        untold = (row.key, row.started) in self.telling
        if old is not None and old.place.call and not untold:
            return self._move(row, old, place, events, state)
        told = Told(
            place,
            [event.identity for event in events],
            sorted({key for event in events if (key := _attempt_key(event)) is not None}),
            reading.call,
        )
        same = old is not None and old.place == place
        if same and row.state == state:
            return False
        old_id, new_id = row.execution_id, _execution_id(place) if events else None
        if old is not None and untold:
            # Nothing is stored of what it was taken for a moment ago.
            self.retold.update({old_id} - {new_id} if old_id is not None else ())
        elif old is not None:
            self.outdated += old.identities
            if not same and old_id is not None:
                self.withdrawn.append((old_id, old))
        if reading.tally is not None and new_id is not None and (old is None or old_id != new_id):
            self.runs.count(row.span, reading, new_id)
        row.told, row.state, row.execution_id = told, state, new_id
        row.due_at, row.dirty = None, True
        if state == SETTLED:
            row.span = None
        self.telling[row.key, row.started] = events
        return True

    def _move(self, row: SpanRow, old: Told, place: Place, events: list[Event], state: int) -> bool:
        """Counters cannot fall: a call is told once, and only its rows go where it belongs."""
        if old.place == place and row.state == state:
            return False
        row.execution_id = _execution_id(place) if events else None
        row.told = Told(place, old.identities, call=old.call)
        row.state, row.due_at, row.dirty = state, None, True
        if state == SETTLED:
            row.span = None
        if old.place != place:
            for identity, event in zip(old.identities, events, strict=False):
                move_call(self.work, identity, event, row.execution_id)
        return True

    def give_up(self) -> None:
        """Tell spans that waited long enough, the highest of those that wait first."""
        table = schema.spans
        query = select(table).where(table.c.due_at < self.work.now).order_by(table.c.due_at).limit(STEP * 5)
        waited = [self.rows.take(tuple(values)) for values in self.work.connection.execute(query)]
        highest: dict[tuple[bytes, int], SpanRow] = {}
        for row in waited:
            top = self._highest(row)
            highest[top.key, top.started] = top
        self._tell_all(list(highest.values()), orphans=True)
        for row in [*waited, *highest.values()]:
            if row.due_at is not None and row.due_at != self.work.now - 1:
                # In a cycle of parents, told by nothing at all, or told before as it is.
                row.due_at, row.dirty = None, True

    def _highest(self, row: SpanRow) -> SpanRow:
        for _ in range(DEEPEST):
            above = self.rows.above(row)
            if above is None or above.state != HELD:
                return row
            row = above
        return row

    # Writing

    def finish(self) -> list[Event]:
        """Write what was gathered, withdraw what was told wrongly; what there is to tell."""
        self.rows.write()
        self.events += [event for events in self.telling.values() for event in events]
        self.runs.forget(self.retold)
        self.events += self.runs.over()
        self.runs.write()
        self._withdraw()
        return self.events

    def _withdraw(self) -> None:
        connection = self.work.connection
        still = {event.identity for event in self.events}
        gone = [one for one in self.outdated if one not in still]
        for table in (schema.events, schema.errors):
            for start in range(0, len(gone), STEP):
                connection.execute(delete(table).where(table.c.identity.in_(gone[start : start + STEP])))
        ids = {id_ for id_, _ in self.withdrawn}
        left = {row[6] for row in select_in(connection, schema.spans, "execution_id", list(ids))}
        joined = {id_ for id_, told in self.withdrawn if told.place.dialect == HOST}
        for id_ in ids - left - joined:
            bury(self.work, id_)
            self.runs.drop(id_)
        for id_, told in self.withdrawn:
            if id_ in left | joined and told.place.path:
                withdraw_stage(self.work, id_, tuple(told.place.path), told.place.index, told.attempts)


def _execution_id(place: Place) -> str | None:
    if place.execution is None:
        return None
    return execution_id(place.namespace, place.environment, place.pipeline, place.execution)


def _attempt_key(event: Event) -> str | None:
    payload = event.payload
    if not isinstance(payload, StagePayload):
        return None
    return attempt_key(payload)
