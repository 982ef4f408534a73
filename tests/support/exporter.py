"""The exporter, as a user runs it: a process of its own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.support.paths import REPOSITORY
from tests.support.program import Program, free_port


class Exporter(Program):
    """`pipeline-exporter serve` on a free loopback port. `url` stays the same when it is started again.

    options: further ones of the command. environment: further variables; those named PIPELINE_EXPORTER_…
    of whoever runs the tests do not reach it.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        database: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        where = ["--database", database] if database else []
        own = {key: value for key, value in os.environ.items() if not key.startswith("PIPELINE_EXPORTER_")}
        super().__init__(
            f"exporter-{address.rpartition(':')[2]}",
            [sys.executable, "-m", "exporter", "serve", "--listen", address, *where, *options],
            folder=folder,
            environment=own | {"PYTHONPATH": str(REPOSITORY)} | dict(environment or {}),
        )

    def wait_until_ready(self, *, seconds: float = 30) -> None:
        """Waits for /readyz: the database is reachable and migrated."""
        self.wait_until_answers(f"{self.url}/readyz", seconds=seconds)


class StartExporter(Protocol):
    """The fixture `start_exporter`."""

    def __call__(
        self,
        *options: str,
        database: str | None = None,
        environment: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> Exporter: ...
