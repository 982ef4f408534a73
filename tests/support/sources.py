"""Sources over real files, and what becomes of what they tell."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from sqlalchemy import delete, func, select

from exporter.catalogue.own import UNMAPPED
from exporter.domain.events import Event
from exporter.exposition import StoreCollector
from exporter.exposition.own import OwnMetrics
from exporter.source_settings import SourceSetting
from exporter.sources import mapping_file
from exporter.sources.cursor import Forgetful
from exporter.sources.service import Sources, Taken
from exporter.sources.source import Source, opened, reader_of
from exporter.store import Store, schema
from exporter.store.limits import Limits
from exporter.store.state import ClockState
from tests.support.migrated import begun
from tests.support.paths import REPOSITORY

STATE = REPOSITORY / "tests" / "state"
READ_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def copied(name: str, folder: Path) -> Path:
    """A copy of a system's state that a test may change."""
    target = folder / name
    shutil.copytree(STATE / name, target)
    return target


def source(preset: str, url: str | Path, *, name: str = "ours", sqlite: bool = False) -> Source:
    """A source over a preset."""
    return opened(SourceSetting(name=name, preset=preset, url=f"sqlite:///{url}" if sqlite else str(url)))


def mapped(text: str, url: str, *, name: str = "ours") -> Source:
    """A source over a mapping that a test writes."""
    file = mapping_file.parse(text, "mapping.yml")
    setting = SourceSetting(name=name, mapping="mapping.yml", url=url)
    return Source(setting, file.mapping, reader_of(setting, file))


def told(of: Source, read_at: datetime = READ_AT) -> list[Event]:
    """All that a source tells from its beginning, each event once."""
    with closing(of.reader):
        events = [event for batch in of.reader.batches(Forgetful(), read_at) for event in batch.events]
    return of.fresh(events)


def problems(of: Source, read_at: datetime = READ_AT) -> list[str]:
    """What could not be understood."""
    with closing(of.reader):
        return [one for batch in of.reader.batches(Forgetful(), read_at) for one in batch.problems]


class Reading:
    """A store with its writer, and sources that are read into it one round at a time."""

    def __init__(self, store: Store, sources: Sequence[Source], own: OwnMetrics, taken: Taken = list) -> None:
        self.store = store
        self.own = own
        self.now = READ_AT.timestamp()
        self.loops = Sources(sources, store, own, now=lambda: self.now, taken=taken).loops

    def round(self, seconds: float = 30) -> list[float]:
        """Read each source once; how long each would wait now."""
        self.now += seconds
        return [loop.round() for loop in self.loops]

    def statuses(self, pipeline: str) -> dict[str, str]:
        """Status of each run of a pipeline, by the system's own id."""
        e = schema.executions
        with self.store.engine.connect() as connection:
            rows = connection.execute(select(e.c.external_id, e.c.status).where(e.c.pipeline == pipeline))
            return {row.external_id: row.status for row in rows}

    def stages(self, execution: str) -> dict[tuple[str, str | None, int], tuple[str, str | None]]:
        """Status and the system's own word of each attempt of a run."""
        s, e = schema.stages, schema.executions
        query = select(s).join(e, e.c.id == s.c.execution_id).where(e.c.external_id == execution)
        with self.store.engine.connect() as connection:
            return {
                (row[s.c.name], row[s.c.index], row[s.c.attempt]): (row[s.c.status], row[s.c.source_status])
                for row in connection.execute(query).mappings()
            }

    def count(self, *, without: Sequence[str] = ()) -> int:
        """Events that are stored, but for those of some types."""
        query = select(func.count()).where(schema.events.c.type.not_in(without))
        with self.store.engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def position(self, read: str) -> dict[str, Any]:
        """What is remembered of a read."""
        with self.store.engine.connect() as connection:
            query = select(schema.source_cursors.c.state).where(schema.source_cursors.c.read == read)
            found: dict[str, Any] = json.loads(connection.execute(query).scalar_one())
            return found

    def forget(self) -> None:
        """Lose the positions, as with a database that was brought back from a backup."""
        with self.store.engine.begin() as connection:
            connection.execute(delete(schema.source_cursors))

    def total(self, name: str, **labels: str) -> float | None:
        """A metric of the pipelines, as a scrape would tell it."""
        for family in StoreCollector(self.store.engine, Limits()).collect():
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None

    def unmapped(self) -> dict[str, float]:
        """Words of systems that were counted as standing for no status."""
        with self.store.engine.connect() as connection:
            state = connection.execute(select(schema.clock.c.state)).scalar_one()
        found = msgspec.json.decode(state, type=ClockState).totals.counters
        return found.get(UNMAPPED.name, {})

    def metric(self, name: str, **labels: str) -> float | None:
        """A metric of the exporter's own."""
        return self.own.registry.get_sample_value(f"pipeline_exporter_{name}", labels)


@contextmanager
def reading(url: str, *sources: Source, taken: Taken = list) -> Iterator[Reading]:
    """Sources over a store whose writer runs."""
    own = OwnMetrics(process=False)
    store = Store.open(begun(url), Limits(), observer=own)
    store.writer.start()
    try:
        yield Reading(store, sources, own, taken)
    finally:
        store.writer.stop()
        for one in sources:
            one.reader.close()
        store.engine.dispose()


PHILOTES = """
CREATE SCHEMA philotes;
SET search_path = philotes;
CREATE TABLE cdc_events (id BIGSERIAL PRIMARY KEY, source_id TEXT NOT NULL, schema_name TEXT NOT NULL,
  table_name TEXT NOT NULL, operation TEXT NOT NULL, lsn TEXT NOT NULL, transaction_id BIGINT, key_columns JSONB,
  before_data JSONB, after_data JSONB, metadata JSONB, event_time TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(), processed_at TIMESTAMPTZ);
CREATE TABLE sources (id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, host TEXT NOT NULL,
  port INTEGER NOT NULL, database_name TEXT NOT NULL, username TEXT NOT NULL, password TEXT NOT NULL,
  ssl_mode TEXT NOT NULL, slot_name TEXT, publication_name TEXT, status TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL, updated_at TIMESTAMPTZ NOT NULL);
CREATE TABLE pipelines (id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE, source_id UUID NOT NULL REFERENCES sources(id),
  status TEXT NOT NULL, config JSONB NOT NULL, error_message TEXT, created_at TIMESTAMPTZ NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL, started_at TIMESTAMPTZ, stopped_at TIMESTAMPTZ);
CREATE TABLE table_mappings (id UUID PRIMARY KEY, pipeline_id UUID NOT NULL REFERENCES pipelines(id),
  source_schema TEXT NOT NULL, source_table TEXT NOT NULL, enabled BOOLEAN NOT NULL, config JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL);
CREATE TABLE dead_letter_events (id BIGSERIAL PRIMARY KEY, original_event_id BIGINT, source_id TEXT NOT NULL,
  schema_name TEXT NOT NULL, table_name TEXT NOT NULL, operation TEXT NOT NULL, event_data JSONB NOT NULL,
  error_message TEXT NOT NULL, error_type TEXT, retry_count INT, created_at TIMESTAMPTZ, last_retry_at TIMESTAMPTZ,
  expires_at TIMESTAMPTZ);
"""
"""The columns of the CDC engine's own schema."""


def fill_philotes(url: str) -> None:
    """Make the CDC engine's database from what it held."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(PHILOTES)
        for table in ("sources", "pipelines", "table_mappings", "dead_letter_events", "cdc_events"):
            _copy(connection, table, STATE / "philotes" / f"pg_{table}.csv")


def _copy(connection: psycopg.Connection[tuple[object, ...]], table: str, file: Path) -> None:
    packed = file.with_name(file.name + ".gz")
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else file.read_text()
    columns = next(csv.reader(io.StringIO(text)))
    command = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv, HEADER)"
    with connection.cursor().copy(command) as copy:
        copy.write(text)


def rows_of(file: Path, query: str) -> list[tuple[object, ...]]:
    """What a SQLite file says itself."""
    with sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True) as connection:
        found: list[tuple[object, ...]] = connection.execute(query).fetchall()
    connection.close()
    return found
