"""Durable ingest of batches over HTTP, beside SQLite's own speed for as many rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.client import ask, connect
from bench.filled import database_url
from bench.lifecycles import BATCH, CloudEvent, body, side_by_side
from bench.result import Limit, Row, in_turns
from bench.setting import Setting
from exporter.store import schema
from exporter.store.bulk import column_names
from exporter.store.engine import open_engine
from exporter.store.migrate import migrate

SIZE = 500
CLIENTS = 4
PIPELINES = 50
BATCHES = 80

Posted = list[bytes]


def measure(setting: Setting) -> Iterator[Row]:
    """Events a second until the last answer; rows a second until the last commit."""
    rounds = setting.scale.rounds
    events = side_by_side(PIPELINES, datetime.now(UTC))
    with setting.exporter() as exporter, closing(Bare(setting.new_folder())) as bare:

        def several() -> float:
            return _post(exporter.url, _batches(events), CLIENTS)

        def alone() -> float:
            return _post(exporter.url, _batches(events), 1)

        stored = exporter.folder / "exporter.db"
        by_several, by_one, rows = in_turns(rounds, several, alone, lambda: bare.insert(_last_rows(stored)))
    against = "rows of the same events by sqlite3's `executemany`"
    what = f"durable ingest, batches of {SIZE}"
    yield Row(
        f"{what}, {CLIENTS} connections",
        against,
        "events/s",
        by_several,
        rows,
        Limit(0.15, 0.4, at_most=False),
    )
    yield Row(f"{what}, 1 connection", against, "events/s", by_one, rows)


def _batches(events: Iterator[CloudEvent]) -> Posted:
    return [body(list(islice(events, SIZE))) for _ in range(BATCHES)]


def _post(url: str, batches: Posted, clients: int) -> float:
    def post(mine: Posted) -> None:
        with closing(connect(url)) as connection:
            for batch in mine:
                ask(connection, "POST", "/api/v1/events", batch, BATCH)

    started = perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(post, [batches[number::clients] for number in range(clients)]))
    return SIZE * len(batches) / (perf_counter() - started)


def _last_rows(stored: Path) -> list[tuple[Any, ...]]:
    """What the exporter made of the events last posted."""
    with closing(sqlite3.connect(stored)) as connection:
        names = ", ".join(column_names(schema.events))
        query = f"SELECT {names} FROM events ORDER BY seq DESC LIMIT {SIZE * BATCHES}"  # noqa: S608 - our names
        return connection.execute(query).fetchall()


class Bare:
    """Our table of events with its indexes and pragmas, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._engine = open_engine(database_url(folder / "bare.db"))
        migrate(self._engine)
        self._connection = self._engine.raw_connection()
        names = column_names(schema.events)
        marks = ", ".join("?" * len(names))
        self._statement = f"INSERT INTO events ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our names

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> float:
        """Rows a second, in transactions of as many as a batch has."""
        cursor = self._connection.cursor()
        started = perf_counter()
        for begin in range(0, len(rows), SIZE):
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(self._statement, rows[begin : begin + SIZE])
            cursor.execute("COMMIT")
        return len(rows) / (perf_counter() - started)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
        self._engine.dispose()
