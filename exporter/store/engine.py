"""The database: SQLite in a file, or PostgreSQL, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from exporter.store.schema import clock

BUSY_SECONDS = 5
"""How long a statement waits for a lock that somebody else holds before it fails."""

POOL_SIZE = 8


class BadDatabase(ValueError):
    """A database URL that cannot be used; the message says why."""


def open_engine(url: str, password: str | None = None) -> Engine:
    """Engine for a database URL; a password may be given apart from it. Raises BadDatabase. Does not connect yet."""
    parsed = _with_password(_parse(url), password)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return create_engine(
        parsed,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": BUSY_SECONDS,
            "application_name": "pipeline-exporter",
            "options": f"-c lock_timeout={BUSY_SECONDS}s -c timezone=UTC",
        },
    )


def reason_of(error: SQLAlchemyError) -> str:
    """What the database said, in one line."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise BadDatabase(
            "expected a URL such as sqlite:///file.db or postgresql://user@host/database"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise BadDatabase("a SQLite database needs a file, as in sqlite:///./pipeline-exporter.db")
        folder = Path(parsed.database).parent
        if not folder.is_dir():
            raise BadDatabase(f"the folder {folder} does not exist")
        return parsed.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise BadDatabase(f"{backend} is not supported, expected sqlite or postgresql")


def _with_password(url: URL, password: str | None) -> URL:
    if password is None:
        return url
    if url.get_backend_name() == "sqlite":
        raise BadDatabase("a password was given, and SQLite has none")
    if url.password is not None:
        raise BadDatabase("a password was given, and the URL holds one as well")
    return url.set(password=password)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver's own transactions begin late and without a lock; ours begin where they are asked for.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an answered event survives a power cut, not only a crash
            "temp_store=MEMORY",
            "cache_size=-32000",
            "mmap_size=268435456",
            "journal_size_limit=67108864",
            "wal_autocheckpoint=8000",  # 32 MB: pages that every group changes are copied back less often
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def folder_of(engine: Engine) -> Path | None:
    """Folder of a SQLite database; None for one that is a server's."""
    if engine.dialect.name != "sqlite" or engine.url.database is None:
        return None
    return Path(engine.url.database).parent


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose statements all see one state of the database."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        try:
            yield connection
        finally:
            connection.rollback()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction of one writer: others that write, here or in other replicas, wait until it ends."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(select(clock.c.id).with_for_update())
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
