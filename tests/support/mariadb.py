"""A MariaDB server of a test's own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pymysql

from tests.support.postgresql import unprivileged
from tests.support.program import Program, free_port, launcher
from tests.support.tools import sbin_tool, tool


class MariaDB:
    """A server on a free loopback port with its data in a temporary folder, removed by `close`."""

    def __init__(self) -> None:
        self.port = free_port()
        self._account = unprivileged("mysql")
        self._folder = Path(tempfile.mkdtemp(prefix="pipeline-exporter-mariadb-"))
        if self._account:
            os.chown(self._folder, *self._account)
        # A zone far from UTC shows the reader that leans on the server's.
        settings = ("--bind-address=127.0.0.1", f"--port={self.port}", "--default-time-zone=+05:45")
        self._program = Program(
            "mariadb",
            [
                sbin_tool("mariadbd"),
                "--no-defaults",
                f"--datadir={self._folder / 'data'}",
                f"--socket={self._folder / 'socket'}",
                "--innodb-flush-log-at-trx-commit=0",
                *settings,
            ],
            folder=self._folder,
            account=self._account,
        )
        self._initialize()

    def start(self) -> None:
        """Starts it; also after `stop`, with the data that it had."""
        self._program.start()
        self._program.wait_until(self._accepts_connections, "MariaDB accepts connections")

    def stop(self) -> None:
        """Ends it in order."""
        self._program.stop()

    def close(self) -> None:
        try:
            self._program.close()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def connect(
        self, database: str | None = None
    ) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        """A session of its owner."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True
        )

    def url(self, database: str, user: str = "root") -> str:
        """URL as it stands in the configuration."""
        return f"mysql://{user}@127.0.0.1:{self.port}/{database}"

    def _accepts_connections(self) -> bool:
        try:
            self.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def _initialize(self) -> None:
        command = [
            tool("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self._folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        subprocess.run(
            [*launcher(self._account), *command],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )
