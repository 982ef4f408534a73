"""Old rows go, in small steps; totals stay."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, Engine, delete, func, select, update

from exporter.catalogue.own import RETENTION_ROWS
from exporter.domain.times import SECOND
from exporter.store import schema
from exporter.store.bulk import insert_rows
from exporter.store.engine import writing
from exporter.store.limits import Limits
from exporter.store.records import encode
from exporter.store.schema import ACTIVE_WORDS, ended_sort
from exporter.store.state import ClockState
from exporter.store.work import decode_clock

STEP = 100
"""Executions deleted in one transaction, with all that belongs to them."""

EVENTS_STEP = 2000

REPEATS = timedelta(days=7)
"""How long an event is recognised as a repeat at least, even where its execution went earlier."""

COUNT_EVERY = 60 * SECOND
"""Microseconds between two counts of all executions: a count reads them all."""


class Retention:
    """Deletes executions that ended longer ago than the limit, and the oldest above a number."""

    def __init__(self) -> None:
        self._counted_at = 0
        self._excess = 0

    def step(self, engine: Engine, limits: Limits, now: int) -> bool:
        """Delete a little; True if there may be more."""
        self._count(engine, limits, now)
        oldest = now - _micros(limits.retention)
        with engine.connect() as connection:
            if not self._excess and not _anything_old(connection, oldest, now - _keep_events(limits)):
                return False
        with writing(engine) as connection:
            gone = _delete_executions(connection, oldest, self._excess, now)
            gone["events"] = gone.get("events", 0) + _delete_events(connection, now - _keep_events(limits))
            _note(connection, gone)
        self._excess = max(0, self._excess - gone["executions"])
        return any(gone.values())

    def _count(self, engine: Engine, limits: Limits, now: int) -> None:
        if limits.max_executions is None or now - self._counted_at < COUNT_EVERY:
            return
        self._counted_at = now
        with engine.connect() as connection:
            number = connection.scalar(select(func.count()).select_from(schema.executions)) or 0
        self._excess = max(0, number - limits.max_executions)


def _micros(span: timedelta) -> int:
    return int(span.total_seconds() * SECOND)


def _keep_events(limits: Limits) -> int:
    return max(_micros(limits.retention), _micros(REPEATS))


def _anything_old(connection: Connection, oldest: int, events_oldest: int) -> bool:
    executions, events = schema.executions, schema.events
    ended = select(executions.c.id).where(
        ended_sort > 0, ended_sort < oldest, executions.c.status.not_in(ACTIVE_WORDS)
    )
    if connection.execute(ended.limit(1)).first() is not None:
        return True
    received_at = connection.scalar(select(events.c.received_at).order_by(events.c.seq).limit(1))
    return received_at is not None and received_at < events_oldest


def _delete_executions(connection: Connection, oldest: int, excess: int, now: int) -> dict[str, int]:
    executions, events = schema.executions, schema.events
    final = executions.c.status.not_in(ACTIVE_WORDS)
    query = select(executions.c.id).where(final, ended_sort > 0).order_by(ended_sort, executions.c.id)
    query = query.limit(min(STEP, excess)) if excess else query.where(ended_sort < oldest).limit(STEP)
    ids = list(connection.scalars(query))
    gone = {"executions": len(ids)}
    if not ids:
        return gone
    recent = events.c.received_at >= now - _micros(REPEATS)
    mine = events.c.execution_id.in_(ids)
    gone["events"] = connection.execute(delete(events).where(mine, ~recent)).rowcount
    connection.execute(update(events).where(mine).values(execution_id=None, body=None))
    _bury(connection, ids, now)
    for table in (schema.stages, schema.errors, schema.execution_search):
        gone[table.name] = connection.execute(delete(table).where(table.c.execution_id.in_(ids))).rowcount
    connection.execute(delete(schema.long_stages).where(schema.long_stages.c.execution_id.in_(ids)))
    connection.execute(delete(executions).where(executions.c.id.in_(ids)))
    return gone


def _bury(connection: Connection, ids: list[str], now: int) -> None:
    """Leave a tombstone for each execution, as long as its events are recognised as repeats."""
    executions, tombstones = schema.executions, schema.tombstones
    ended = connection.execute(select(executions.c.id, ended_sort).where(executions.c.id.in_(ids)))
    connection.execute(delete(tombstones).where(tombstones.c.execution_id.in_(ids)))
    insert_rows(connection, tombstones, [(id_, ended_at, now) for id_, ended_at in ended])
    connection.execute(delete(tombstones).where(tombstones.c.deleted_at < now - _micros(REPEATS)))


def _delete_events(connection: Connection, oldest: int) -> int:
    """Events of no execution, or of one that outlives them: their effect is in the rows and totals."""
    events = schema.events
    first = select(events.c.seq, events.c.received_at).order_by(events.c.seq).limit(EVENTS_STEP)
    old = [row.seq for row in connection.execute(first) if row.received_at < oldest]
    if not old:
        return 0
    return connection.execute(delete(events).where(events.c.seq <= old[-1])).rowcount


def _note(connection: Connection, gone: dict[str, int]) -> None:
    state: ClockState = decode_clock(connection.scalar(select(schema.clock.c.state)) or b"{}")
    for table, number in gone.items():
        if number:
            state.totals.add(RETENTION_ROWS, number, table)
    connection.execute(update(schema.clock).values(state=encode(state)))
