"""A PostgreSQL server of the test run's own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from tests.support.program import Program, free_port, launcher
from tests.support.tools import postgresql_tool

# Owns the databases of the tests. Not a superuser: few users get to be one on their own server.
OWNER = "exporter"

# A zone far from UTC shows the query that leans on the server's.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "Asia/Kathmandu",
    "log_checkpoints": "off",
    "log_lock_waits": "on",
}
# Survives the end of any process, not that of the machine.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_CREATE_OWNER = SQL(
    f"""DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') THEN
            CREATE ROLE {OWNER} LOGIN CREATEROLE;
        END IF;
    END $$"""
)


class PostgreSQL:
    """A server on a free loopback port with its data in a temporary folder, removed by `close`.

    durable: writes as in production (fsync); without it, commits do not wait for the disk.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.port = free_port()
        self._names = (f"test_{number}" for number in count())
        self._templates: dict[Callable[[str], None], str] = {}
        self._account = unprivileged("postgres")
        # Not pytest's own temporary folder: that is closed to the user that the server runs as.
        self._folder = Path(tempfile.mkdtemp(prefix="pipeline-exporter-postgresql-"))
        if self._account:
            os.chown(self._folder, *self._account)
        settings = _SETTINGS | {"port": str(self.port)} | ({} if durable else _FAST)
        self._program = Program(
            "postgresql",
            [postgresql_tool("postgres"), "-D", "data", *(f"--{key}={settings[key]}" for key in settings)],
            folder=self._folder,
            account=self._account,
            end_signal=signal.SIGINT,  # "fast": ends the sessions of others, unlike SIGTERM
        )
        self._initialize()

    def start(self) -> None:
        """Starts it, also after `stop` or `kill`: then with the data that it had."""
        self._program.start()
        self._program.wait_until(self._accepts_connections, "PostgreSQL accepts connections")
        self.execute(_CREATE_OWNER)

    def stop(self) -> None:
        """Ends it in order; sessions of others are cut off."""
        self._program.stop()

    def kill(self) -> None:
        """As a crash: no process of it lives on, nothing is written any more."""
        self._program.kill()

    def close(self) -> None:
        try:
            self._program.close()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """What it logged."""
        return self._program.log

    def url(self, database: str = "postgres", *, user: str = OWNER) -> str:
        """SQLAlchemy's URL of a database."""
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, *, prepared_by: Callable[[str], None] | None = None) -> str:
        """A new database, and its URL.

        prepared_by: fills an empty database, given its URL. It is called once; what it made is copied into
        every further database that names it. It has to close its connections.
        """
        template = "template1"
        if prepared_by is not None:
            if prepared_by not in self._templates:
                url = self.create_database()
                prepared_by(url)
                self._templates[prepared_by] = _name(url)
            template = self._templates[prepared_by]
        name = next(self._names)
        self.execute(
            SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                Identifier(name), Identifier(OWNER), Identifier(template)
            )
        )
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Removes a database, whoever is still connected to it."""
        self.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(_name(url))))

    def execute(self, statement: SQL | psycopg.sql.Composed) -> None:
        """Runs a statement as superuser, outside of a transaction."""
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def _accepts_connections(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _initialize(self) -> None:
        # Sorted as people sort, like the official container image; C would sort as SQLite does.
        command = [
            postgresql_tool("initdb"),
            "-D",
            "data",
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
        ]
        collation = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        subprocess.run(
            [*launcher(self._account), *command, *collation],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def unprivileged(name: str) -> tuple[int, int] | None:
    """User and group to run as when these tests run as root, which database servers refuse to be."""
    if os.geteuid() != 0:
        return None
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = accounts.get(name) or accounts["nobody"]
    return account.pw_uid, account.pw_gid
