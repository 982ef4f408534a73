"""Databases of others: opened for reading only, in ways that their owners do not feel."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from exporter.sources import mysql
from exporter.sources.batch import Away, Changed, Missing

BUSY_SECONDS = 1.0
"""How long a read waits for a lock of the owner before it is put off to the next time."""

STATEMENT_SECONDS = 15
"""How long a statement may take before the database ends it."""

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}


class BadUrl(ValueError):
    """A URL that cannot be read from; says why."""


class Database:
    """A database by its SQLAlchemy URL. Each reading is short and ends its transaction."""

    def __init__(self, url: str, password: str | None = None, search_path: Sequence[str] = ()) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:
            raise BadUrl(
                "expected a URL such as sqlite:////data/state.db or postgresql://user@host/db"
            ) from error
        if password is not None:
            parsed = parsed.set(password=password)
        self.shown = parsed.render_as_string(hide_password=True)
        self.file = (
            Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None
        )
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and self.file is None:
            raise BadUrl("a SQLite database needs a file, as in sqlite:////data/state.db")
        # MySQL does as well, but reads the whole table for it.
        self.compares_rows = parsed.get_backend_name() in ("sqlite", "postgresql", "postgres")
        self._immutable = False
        self._engine = self._sqlite() if self.is_sqlite else _server(parsed, search_path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that can only read. Raises Away."""
        try:
            with self._engine.connect() as connection:
                if self._engine.dialect.name == "mysql":
                    mysql.only_read(connection, STATEMENT_SECONDS, BUSY_SECONDS)
                yield connection
                connection.rollback()
        except (SQLAlchemyError, OSError) as error:
            reason = _reason(error)
            if isinstance(error, DBAPIError) and _is_missing(reason):
                raise Missing(reason) from error
            raise Away(reason) from error
        if self._immutable and self.file is not None and _wal(self.file).exists():
            raise Changed("the owner began to write meanwhile")

    def close(self) -> None:
        """Close connections."""
        self._engine.dispose()

    def _sqlite(self) -> Engine:
        return create_engine("sqlite://", creator=self._open, poolclass=NullPool)

    def _open(self) -> sqlite3.Connection:
        """A new connection for each reading, so that a file that was replaced is noticed.

        A database in WAL mode that nobody has open has no -wal file, and opening it would make one, with this
        process's owner: the owner of the database might then be unable to write. So it is opened as immutable, which
        makes no files, and what was read is thrown away if a writer came meanwhile.
        """
        assert self.file is not None
        if not self.file.is_file():
            raise sqlite3.OperationalError(f"there is no file {self.file}")
        self._immutable = _is_wal(self.file) and not _wal(self.file).exists()
        mode = "mode=ro&immutable=1" if self._immutable else "mode=ro"
        path = quote(str(self.file.absolute()))
        connection = sqlite3.connect(
            f"file:{path}?{mode}", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
        )
        connection.text_factory = _text
        connection.execute("PRAGMA query_only=ON")
        return connection


def _server(url: URL, search_path: Sequence[str]) -> Engine:
    backend = url.get_backend_name()
    if "+" not in url.drivername and backend in _DRIVERS:
        url = url.set(drivername=_DRIVERS[backend])
    options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_pre_ping": True, "pool_recycle": 300}
    if backend == "postgresql":
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            "lock_timeout": f"{BUSY_SECONDS:.0f}s",
            "idle_in_transaction_session_timeout": "60s",
            "timezone": "UTC",
        }
        if search_path:
            settings["search_path"] = ",".join(search_path)
        options["connect_args"] = {
            "connect_timeout": 5,
            "application_name": "pipeline-exporter",
            "options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
        }
    try:
        if backend == "mysql":
            options["connect_args"] = mysql.connect_args(url.get_driver_name(), STATEMENT_SECONDS)
        return create_engine(url, **options)
    except NoSuchModuleError as error:
        raise BadUrl(f"no such kind of database: {backend}") from error
    except ModuleNotFoundError as error:
        wanted = "'pipeline-exporter[mysql]'" if error.name == "pymysql" else error.name
        raise BadUrl(f"{backend} needs the package {error.name}: pip install {wanted}") from error


def _reason(error: Exception) -> str:
    """What a driver says, in one line. MySQL's drivers give its number and its words apart."""
    told: Any = getattr(error, "orig", None) or error
    parts: tuple[object, ...] = getattr(told, "args", ())
    if len(parts) == 2 and isinstance(parts[0], int) and isinstance(parts[1], str):
        told = parts[1]
    return str(told).strip().partition("\n")[0]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _wal(file: Path) -> Path:
    return file.with_name(file.name + "-wal")


def _is_wal(file: Path) -> bool:
    """Whether the header says WAL (https://www.sqlite.org/fileformat.html, offsets 18 and 19)."""
    with file.open("rb") as opened:
        return opened.read(20)[18:20] == b"\x02\x02"


def _is_missing(reason: str) -> bool:
    low = reason.lower()
    return low.startswith(("no such table", "no such column")) or (
        "does not exist" in low or "doesn't exist" in low or "unknown column" in low
    )
