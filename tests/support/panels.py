"""A PostgreSQL as the stack has it: the exporter is not a superuser, and panels read as grafana_reader."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg.sql import SQL

from tests.support.paths import REPOSITORY
from tests.support.postgresql import PostgreSQL
from tests.support.tools import tool

EXPORTER = "plain_exporter"
Session: TypeAlias = psycopg.Connection[Any]


def prepare(server: PostgreSQL, folder: Path, password: str = "of the reader") -> str:
    """A database with both roles; its URL for the exporter."""
    name = server.create_database().rpartition("/")[2]
    server.execute(
        SQL(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{EXPORTER}') "
            f"THEN CREATE ROLE {EXPORTER} LOGIN; END IF; END $$"
        )
    )
    make_reader(server, name, folder, password)
    return server.url(name, user=EXPORTER)


def make_reader(server: PostgreSQL, database: str, folder: Path, password: str = "of the reader") -> None:
    """Runs postgres/reader.sql as its first lines say."""
    file = folder / "it's a password"
    file.write_text(password)
    command = [tool("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"exporter={EXPORTER}"]
    command += ["-v", f"password_file={file}", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres"]
    command += ["-d", database, "-f", str(REPOSITORY / "postgres" / "reader.sql")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)


@contextmanager
def session(url: str, user: str = "grafana_reader") -> Iterator[Session]:
    """A session that Grafana's pool holds: many statements in one text, each text its own transaction."""
    host = url.rpartition("@")[2]
    with psycopg.connect(f"postgresql://{user}@{host}", autocommit=True) as connection:
        yield connection


class Attack:
    """Statements sent by a session of the reader, in a thread, as they are expected to last."""

    def __init__(self, connection: Session, statements: LiteralString) -> None:
        self.error: psycopg.Error | None = None
        self._connection = connection
        self._statements = statements
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._connection.execute(self._statements)
        except psycopg.Error as error:
            self.error = error

    def over(self) -> bool:
        """Whether it was answered."""
        self._thread.join(0.05)
        return not self._thread.is_alive()
