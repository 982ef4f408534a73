"""A store to put events into by hand, and to look at what became of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select

from exporter.domain.events import Event, Payload
from exporter.domain.identity import event_identity
from exporter.domain.times import SECOND, to_micros
from exporter.store import schema
from exporter.store.apply import apply
from exporter.store.engine import open_engine
from exporter.store.keeper import AWAY, Keeper
from exporter.store.limits import Limits
from exporter.store.migrate import migrate
from exporter.store.state import ClockState, ComponentState, PipelineState
from exporter.store.writer import Writer
from tests.support.migrated import begun

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_numbers = itertools.count()


def at(seconds: float) -> datetime:
    """A time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def event(
    payload: Payload, seconds: float = 0, *, id_: str | None = None, source: str = "cloudevents"
) -> Event:
    """An event some seconds after noon; each is new unless `id_` says which one it repeats."""
    identity = event_identity("test", f"n{next(_numbers)}" if id_ is None else id_)
    return Event(identity, at(seconds), source, "", payload)


class Stored:
    """A store over a database, with a clock that stands still unless it is set."""

    def __init__(self, url: str, limits: Limits | None = None) -> None:
        self.engine = open_engine(begun(url))
        migrate(self.engine)
        self.limits = limits or Limits()
        self.now = to_micros(NOON)
        self.writer = Writer(self.engine, self.limits, now=lambda: self.now / SECOND)
        self.failures: list[tuple[str, str]] = []
        self.keeper = Keeper(
            self.writer, lambda *failure: self.failures.append(failure), now=lambda: self.now / SECOND
        )

    def put(self, *events: Event) -> list[bool]:
        """Apply events in one group; which of them were new."""
        return apply(self.engine, self.writer.cache, self.limits, events, now=self.now).fresh

    def pass_time(self, seconds: float) -> None:
        """Let the store's clock go on, in steps that it is seen to live through, and let it look after itself."""
        end = self.now + round(seconds * SECOND)
        while self.now < end:
            self.now = min(end, self.now + AWAY)
            self.keeper.look()

    def stay_up(self, seconds: float) -> None:
        """Let the store's clock go on as if a replica had been seen all the while; it looks after itself once."""
        self.now += round(seconds * SECOND)
        with self.engine.begin() as connection:
            connection.execute(schema.clock.update().values(alive_at=self.now))
        self.keeper.look()

    def rows(self, table: Any, *where: Any) -> list[Any]:
        """Rows of a table."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).where(*where)))

    def execution(self) -> Any:
        """The only execution."""
        (row,) = self.rows(schema.executions)
        return row

    def attempts(self) -> list[Any]:
        """Attempts of all stages that are shown, in order."""
        rows = self.rows(schema.stages, schema.stages.c.status.is_not(None))
        return sorted(rows, key=lambda row: (row.path, row.index or "", row.attempt))

    def pipeline(self, name: str = "nightly", environment: str = "default") -> PipelineState:
        """What is remembered of a pipeline."""
        table = schema.pipelines
        (row,) = self.rows(table, table.c.name == name, table.c.environment == environment)
        return msgspec.json.decode(row.state, type=PipelineState)

    def components(self, scope: str) -> dict[tuple[str, ...], ComponentState]:
        """Parts of all pipelines, by their labels."""
        rows = self.rows(schema.components, schema.components.c.scope == scope)
        return {
            tuple(msgspec.json.decode(row.labels)): msgspec.json.decode(row.state, type=ComponentState)
            for row in rows
        }

    def clock(self) -> ClockState:
        """What the exporter tells of itself."""
        (row,) = self.rows(schema.clock)
        return msgspec.json.decode(row.state, type=ClockState)

    def counter(self, name: str, pipeline: str = "nightly") -> dict[str, float]:
        """A counter of a pipeline by the value of its own label."""
        return self.pipeline(pipeline).totals.counters.get(name, {})

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


@contextmanager
def stored(url: str, limits: Limits | None = None) -> Iterator[Stored]:
    """A store for the time of a test."""
    store = Stored(url, limits)
    try:
        yield store
    finally:
        store.close()


def lifecycle(payloads: Sequence[tuple[float, Payload]]) -> list[Event]:
    """Events of payloads with the seconds at which they happened."""
    return [event(payload, seconds) for seconds, payload in payloads]


def micros(moment: datetime | None) -> int | None:
    """A time as it is stored."""
    return None if moment is None else to_micros(moment)


def stages_of(store: Stored, execution: str) -> dict[object, object]:
    """Status, duration and attempts of the stages of an execution, by path and index."""
    table = schema.stages
    rows = store.rows(table, table.c.execution_id == execution, table.c.status.is_not(None))
    found: dict[object, list[Any]] = {}
    for row in sorted(rows, key=lambda row: row.attempt):
        found.setdefault((tuple(msgspec.json.decode(row.path)), row.index), []).append(row)
    return {place: _stage(attempts) for place, attempts in found.items()}


def _stage(rows: list[Any]) -> tuple[object, ...]:
    attempts = [(row.attempt, row.status, _seconds(row.duration)) for row in rows if row.attempt_key != "*"]
    return rows[-1].status, _seconds(rows[-1].duration), attempts


def _seconds(duration: int | None) -> float | None:
    return None if duration is None else duration / SECOND
