"""What has to happen without any event: executions are lost, starts are missed, old rows go.

Every replica runs it; a writer's turn (`engine.writing`) sees to it that each thing happens once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from exporter.catalogue.metrics import SCHEDULE_MISSED
from exporter.domain.times import SECOND, from_micros
from exporter.store import schema
from exporter.store.apply import take_due
from exporter.store.engine import writing
from exporter.store.retention import Retention
from exporter.store.rounds import Rounds
from exporter.store.rules.due import advance, cadence_of, skip_to
from exporter.store.schema import ACTIVE_WORDS
from exporter.store.settle import settle
from exporter.store.work import Work
from exporter.store.writer import Writer
from exporter.store.writes import write

INTERVAL = 5.0
"""Seconds between two looks."""

AWAY = 15 * SECOND
"""Without a sign of any replica for longer than this, the exporter was away, and silence proves nothing."""

BACK = 30 * SECOND
"""So long after it is back: whoever waited for it tries again at intervals that have grown meanwhile."""

STEP = 200
"""Rows worked on in one transaction."""

DUE = 100
"""Events of spans that waited, after which there are likely to be more."""

PAUSE = 0.01
"""Seconds in which whoever waits for its turn gets it."""

log = logging.getLogger(__name__)


class Keeper:
    """Looks after the store every few seconds. `failed` is told of what could not be done, and why."""

    def __init__(
        self, writer: Writer, failed: Callable[[str, str], None], *, now: Callable[[], float] = time.time
    ) -> None:
        self.writer = writer
        self._now = now
        self._retention = Retention()
        self._up_since = int(now() * SECOND)
        self.rounds = Rounds("keeper", self._tasks(), INTERVAL, failed)

    def look(self) -> None:
        """All of it once, up to what goes wrong."""
        for act in self._tasks().values():
            act()

    def _tasks(self) -> dict[str, Callable[[], None]]:
        return {
            "alive": self._be_alive,
            "lost": self._lose,
            "missed": self._miss,
            "spans": self._give_up_on_spans,
            "retention": self._delete,
        }

    def _be_alive(self) -> None:
        self._up_since = be_alive(self.writer.engine, int(self._now() * SECOND))

    def _lose(self) -> None:
        while self._turn(lambda work: lose(work, self._up_since)) == STEP and not self.rounds.is_stopping():
            pass

    def _miss(self) -> None:
        while self._turn(lambda work: miss(work, self._up_since)) == STEP and not self.rounds.is_stopping():
            pass

    def _give_up_on_spans(self) -> None:
        gatherer = self.writer.gatherer
        if gatherer is not None:
            while self._turn(lambda work: take_due(work, gatherer)) >= DUE and not self.rounds.is_stopping(
                PAUSE
            ):
                pass

    def _delete(self) -> None:
        writer, now = self.writer, int(self._now() * SECOND)
        while self._retention.step(writer.engine, writer.limits, now) and not self.rounds.is_stopping():
            pass

    def _turn(self, act: Callable[[Work], int]) -> int:
        """Do something in a transaction of the writer's, unless there is nothing to do."""
        writer = self.writer
        with writer.lock:
            try:
                with writing(writer.engine) as connection:
                    work = Work(connection, writer.cache, writer.limits, int(self._now() * SECOND))
                    number = act(work)
                    if number:
                        settle(work)
                        write(work)
            except BaseException:
                writer.cache.clear()
                raise
            if number:
                work.finish()
            return number


def be_alive(engine: Engine, now: int) -> int:
    """Note that the exporter runs; since when its silence proves something, in microseconds.

    That is when it was first started, or, after a pause, when those who waited for it must have noticed its return.
    """
    with writing(engine) as connection:
        row = connection.execute(select(schema.clock)).one()
        up_since: int = row.up_since
        if not row.alive_at:
            up_since = now
        elif now - row.alive_at > AWAY:
            up_since = now + BACK
        connection.execute(update(schema.clock).values(alive_at=max(now, row.alive_at), up_since=up_since))
    return up_since


def lose(work: Work, up_since: int) -> int:
    """Mark executions as lost whose silence, while the exporter listened, was longer than they may be silent."""
    table = schema.executions
    listened = work.now - up_since
    query = (
        select(table.c.id)
        .where(
            table.c.status.in_(ACTIVE_WORDS),
            table.c.deadline < work.now,
            table.c.deadline - table.c.seen_at < listened,
        )
        .order_by(table.c.deadline)
        .limit(STEP)
    )
    ids = list(work.connection.scalars(query))
    if not ids:
        return 0
    work.load_executions(ids)
    for id_ in ids:
        execution = work.executions[id_]
        execution.lost_at = work.now
        pipeline = work.pipeline(execution.environment, execution.pipeline)
        pipeline.dirty = True
        work.meter(pipeline).dirty = True
        log.info("execution lost", extra={"pipeline": execution.pipeline, "execution": execution.id})
    return len(ids)


def miss(work: Work, up_since: int) -> int:
    """Count starts that were due and did not come; those due while the exporter was away are not judged."""
    for pipeline_row in _overdue(work.connection, work.now):
        pipeline = work.pipeline(pipeline_row.environment, pipeline_row.name)
        state = pipeline.state
        pipeline.dirty = True
        due = state.next_expected
        known = cadence_of(state)
        if due is None or known is None:
            state.next_expected = state.due_at = None
        elif due < up_since:
            skip_to(state, from_micros(up_since))
        else:
            meter = work.meter(pipeline)
            meter.dirty = True
            meter.state.totals.add(SCHEDULE_MISSED)
            advance(state)
    return len(_overdue(work.connection, work.now))


def _overdue(connection: Connection, now: int) -> list[Any]:
    table = schema.pipelines
    query = (
        select(table.c.environment, table.c.name)
        .where(table.c.due_at < now)
        .order_by(table.c.due_at)
        .limit(STEP)
    )
    return list(connection.execute(query))
