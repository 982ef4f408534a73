"""Databases that begin with this version's schema: to make it anew takes longer than most tests do."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine, event, make_url

from exporter.store.engine import open_engine
from exporter.store.migrate import migrate

_BEGUN: set[str] = set()
"""SQLite files of stores; those that sources read are left alone."""


def migrated(url: str) -> None:
    """Bring a database to this version's schema, as the exporter does when it starts."""
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()


def begun(url: str) -> str:
    """The same URL, of a store; if its SQLite file does not exist yet, it does now, with the schema."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        _BEGUN.add(parsed.database)
        if not Path(parsed.database).exists():
            Path(parsed.database).write_bytes(_migrated_file())
    return url


@event.listens_for(Engine, "engine_connect")
def _write_without_waiting(connection: Connection) -> None:
    """Stores of the tests' own process, like their PostgreSQL, survive the end of any process, not of the machine."""
    if connection.engine.url.database in _BEGUN and connection.info.setdefault("waits", True):
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA synchronous = OFF")
        connection.info["waits"] = False


@cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "exporter.db"
        migrated(f"sqlite:///{file}")
        assert not file.with_name("exporter.db-wal").exists(), "the schema is not all in the file"
        return file.read_bytes()
