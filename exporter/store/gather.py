"""Spans are gathered until it is known where they belong; what they mean is told as events in the same transaction.

A span is held until its parent is known, or patience is over (`due`); then it is told as well as can be, and told anew
should its parent still arrive: what was told wrongly is withdrawn. So every order of arrival ends with the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct, field
from sqlalchemy import ColumnElement, and_, delete, func, select, update

from exporter.domain.events import Event, ExecutionFinished, StagePayload
from exporter.domain.identity import event_identity, execution_id
from exporter.domain.spans import HOST, Interpreter, Place, Reading, Span
from exporter.domain.status import Status
from exporter.domain.times import SECOND, from_micros
from exporter.store import schema
from exporter.store.bulk import column_names, insert_rows, select_in, update_rows
from exporter.store.hosts import Host, host_of, is_host
from exporter.store.records import Execution
from exporter.store.withdraw import bury, move_call, withdraw_stage
from exporter.store.work import Work, attempt_key

HELD, SETTLED, PROVISIONAL = 0, 1, 2

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


class Told(Struct, frozen=True):
    """What was made of a span: its place, the events' identities, and the attempts of the stage that they are about."""

    place: Place
    identities: list[bytes] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)


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


class Run(Struct):
    """A row of `open_runs`, in the order of its columns."""

    execution_id: str
    namespace: str
    environment: str
    pipeline: str
    external_id: str
    source: str
    ended: int
    open: int
    failed: int
    due_at: int | None
    arrived_at: int
    stored: bool = False
    counted: bool = False


_encode = msgspec.json.Encoder().encode
_decode_told = msgspec.json.Decoder(Told).decode
_decode_span = msgspec.json.Decoder(Span).decode


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
        gathering.conclude_silent()
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
        self.rows: dict[bytes, dict[int, SpanRow]] = {}
        self.below: dict[bytes, list[SpanRow]] = {}
        self.runs: dict[str, Run] = {}
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
        self._load({span.key for span in spans} | {span.parent_key for span in spans if span.parent})
        fresh: list[bool] = []
        new: list[SpanRow] = []
        now = self.work.now
        for span in spans:
            known = self.rows.setdefault(span.key, {})
            fresh.append(span.start not in known)
            if fresh[-1]:
                row = SpanRow(
                    span.key, span.start, span.parent_key, HELD, now + self.gatherer.patience, now, None, None, span
                )  # fmt: skip
                self._keep(row)
                new.append(row)
        self._tell_all(new)
        return fresh

    def _load(self, keys: Iterable[bytes]) -> None:
        missing = [key for key in keys if key not in self.rows]
        for key in missing:
            self.rows[key] = {}
        for values in select_in(self.work.connection, schema.spans, "key", missing):
            self._take(values)

    def _take(self, values: Any) -> SpanRow:
        known = self.rows.get(values[0], {}).get(values[1])
        if known is not None:
            return known
        told = None if values[7] is None else _decode_told(values[7])
        span = None if values[8] is None else _decode_span(values[8])
        row = SpanRow(*values[:7], told, span, True, False)  # type: ignore[call-arg]  # as many values as columns
        self._keep(row)
        return row

    def _keep(self, row: SpanRow) -> None:
        self.rows.setdefault(row.key, {})[row.started] = row
        if row.parent_key:
            self.below.setdefault(row.parent_key, []).append(row)

    def _row(self, key: bytes, before: int) -> SpanRow | None:
        """The span of that key; of several, the last that began before a time."""
        found = self.rows.get(key)
        if not found:
            return None
        earlier = [started for started in found if started <= before]
        return found[max(earlier) if earlier else min(found)]

    # Telling

    def _tell_all(self, rows: list[SpanRow], *, orphans: bool = False) -> None:
        """Tell spans and, generation by generation, those that waited for them, as many as may be told at once."""
        for _ in range(DEEPEST):
            changed = []
            for row in rows:
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
                    self._take(values)
        found = [row for key in keys for row in self.below.get(key, ()) if row.state != SETTLED]
        for row in changed:
            if not row.parent_key:
                self.roots.pop(row.key[:16], None)
                found += self._provisional(row.key[:16])
                continue
            above = self._row(row.parent_key, row.started)
            if above is not None and above.state != SETTLED and not above.parent_key:
                found.append(above)
        return list({(row.key, row.started): row for row in found}.values())

    def _provisional(self, trace: bytes) -> list[SpanRow]:
        table = schema.spans
        of_trace = and_(table.c.key >= trace + bytes(8), table.c.key <= trace + b"\xff" * 8)
        shown = and_(of_trace, table.c.state == PROVISIONAL)
        if not self._left_to_keeper(shown):
            for values in self.work.connection.execute(select(table).where(shown)):
                self._take(tuple(values))
        return [
            row
            for key, rows in self.rows.items()
            if key[:16] == trace
            for row in rows.values()
            if row.state == PROVISIONAL
        ]

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
        above = self._row(row.parent_key, row.started) if row.parent_key else None
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
                self._take(tuple(values))
            found = [
                (row.started, row.key, row.told.place)
                for key, rows in self.rows.items()
                if key[:16] == trace
                for row in rows.values()
                if not row.parent_key and row.told is not None
            ]
            self.roots[trace] = min(found, key=lambda one: one[:2])[2] if found else None
        return self.roots[trace]

    def _child_of(self, row: SpanRow) -> Place | None:
        """Place of a child that was told, for a root that learns from its children."""
        for values in select_in(self.work.connection, schema.spans, "parent_key", [row.key]):
            self._take(values)
            break
        told = [one.told.place for one in self.below.get(row.key, ()) if one.told is not None]
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
            self._count(row.span, reading, new_id)
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
        row.told = Told(place, old.identities)
        row.state, row.due_at, row.dirty = state, None, True
        if state == SETTLED:
            row.span = None
        if old.place != place:
            for identity, event in zip(old.identities, events, strict=False):
                move_call(self.work, identity, event, row.execution_id)
        return True

    # Executions whose end nothing tells

    def _run(self, id_: str) -> Run | None:
        if id_ not in self.runs:
            for values in select_in(self.work.connection, schema.open_runs, "execution_id", [id_]):
                self.runs[id_] = _stored_run(values)
        return self.runs.get(id_)

    def _count(self, span: Span, reading: Reading, id_: str) -> None:
        place, tally = reading.place, reading.tally
        assert place.execution is not None
        assert tally is not None
        run = self._run(id_)
        if run is None:
            run = self.runs[id_] = Run(
                id_, place.namespace, place.environment, place.pipeline, place.execution, place.source,
                span.end, 0, 0, None, self.work.now,
            )  # fmt: skip
        run.open += tally.open
        run.failed += tally.failed
        run.ended = max(run.ended, span.end)
        run.arrived_at = self.work.now
        run.counted = run.counted or tally.counted
        awaited = run.failed > 0 if tally.quiet_failure else tally.quiet or run.due_at is not None
        run.due_at = self.work.now + self.gatherer.quiet if awaited else None

    def conclude_silent(self) -> None:
        """End executions that fell silent."""
        table = schema.open_runs
        query = select(table).where(table.c.due_at < self.work.now).order_by(table.c.due_at).limit(STEP)
        for values in self.work.connection.execute(query):
            run = self.runs.setdefault(values[0], _stored_run(values))
            run.due_at = None
            self.events.append(_end(run))

    def give_up(self) -> None:
        """Tell spans that waited long enough, the highest of those that wait first."""
        table = schema.spans
        query = select(table).where(table.c.due_at < self.work.now).order_by(table.c.due_at).limit(STEP * 5)
        waited = [self._take(tuple(values)) for values in self.work.connection.execute(query)]
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
            if not row.parent_key:
                return row
            self._load([row.parent_key])
            above = self._row(row.parent_key, row.started)
            if above is None or above.state != HELD or above is row:
                return row
            row = above
        return row

    # Writing

    def finish(self) -> list[Event]:
        """Write what was gathered, withdraw what was told wrongly; what there is to tell."""
        connection = self.work.connection
        changed = [row for rows in self.rows.values() for row in rows.values() if row.dirty]
        table = schema.spans
        insert_rows(connection, table, [row.values() for row in changed if not row.stored])
        update_rows(
            connection,
            table,
            column_names(table)[2:],
            column_names(table)[:2],
            [(*values[2:], *values[:2]) for row in changed if row.stored for values in [row.values()]],
        )
        self.events += [event for events in self.telling.values() for event in events]
        self._forget_runs()
        for run in self.runs.values():
            if run.counted and run.open <= 0:
                self.events.append(_end(run))
        self._write_runs()
        self._withdraw()
        return self.events

    def _forget_runs(self) -> None:
        """Drop what was counted for executions that no span is taken to belong to any more."""
        left = {
            row[6] for row in select_in(self.work.connection, schema.spans, "execution_id", list(self.retold))
        }
        for id_ in self.retold - left:
            if (run := self.runs.get(id_)) is not None and not run.stored:
                del self.runs[id_]

    def _write_runs(self) -> None:
        table = schema.open_runs
        names = column_names(table)
        rows = [(run.stored, tuple(getattr(run, name) for name in names)) for run in self.runs.values()]
        insert_rows(self.work.connection, table, [values for stored, values in rows if not stored])
        update_rows(
            self.work.connection,
            table,
            names[1:],
            names[:1],
            [(*values[1:], values[0]) for stored, values in rows if stored],
        )

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
            self.runs.pop(id_, None)
        for id_, told in self.withdrawn:
            if id_ in left | joined and told.place.path:
                withdraw_stage(self.work, id_, tuple(told.place.path), told.place.index, told.attempts)


def _stored_run(values: Any) -> Run:
    return Run(*values, True)  # type: ignore[call-arg]  # as many values as columns


def _execution_id(place: Place) -> str | None:
    if place.execution is None:
        return None
    return execution_id(place.namespace, place.environment, place.pipeline, place.execution)


def _attempt_key(event: Event) -> str | None:
    payload = event.payload
    if not isinstance(payload, StagePayload):
        return None
    return attempt_key(payload)


def _end(run: Run) -> Event:
    """An execution is over, by what its parts told. Those told later move its end, and do not begin it anew."""
    status = Status.FAILED if run.failed > 0 else Status.SUCCEEDED
    identity = event_identity("otlp-end", f"{run.execution_id}\x1f{run.ended}\x1f{status}")
    finished = ExecutionFinished(
        pipeline=run.pipeline,
        environment=run.environment,
        execution=run.external_id,
        status=status,
        conclusive=True,
    )
    return Event(identity, from_micros(run.ended), run.source, run.namespace, finished)
