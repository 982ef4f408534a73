"""What is measured: the exporter, and what stands beside it, each a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import requests

from bench.filled import database_url
from tests.support.exporter import Exporter
from tests.support.paths import REPOSITORY
from tests.support.program import Program, free_port
from tests.support.prometheus import Pushgateway

ACCEPT = "text/plain; version=0.0.4"
"""The format that all of them write."""


class MeasuredExporter(Exporter):
    """The exporter over a SQLite file."""

    def __init__(self, folder: Path, file: Path) -> None:
        super().__init__(folder, database=database_url(file))


class PrometheusClient(Program):
    """prometheus_client's own server, with the metrics of a text file in its registry."""

    def __init__(self, folder: Path, metrics: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "bench.prometheus_client_server", str(port), str(metrics)]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        super().__init__("prometheus_client", command, folder=folder, environment=environment)

    def wait_until_ready(self) -> None:
        """Waits until the metrics are there."""
        self.wait_until_answers(self.url, seconds=120)


class MeasuredPushgateway(Pushgateway):
    """A Pushgateway that keeps everything in memory: Debian's would write to a file, and begin with what it holds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._command.append("--persistence.file=")


def push(pushgateway: Pushgateway, text: str) -> None:
    """Let a Pushgateway hold the lines of a scrape, each pipeline's as a group, as it would push them."""
    with requests.Session() as session:
        for pipeline, lines in _by_pipeline(text).items():
            url = f"{pushgateway.url}/metrics/job/pipelines/pipeline/{pipeline}"
            session.put(url, data="".join(lines).encode(), timeout=30).raise_for_status()


def _by_pipeline(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    about: list[str] = []
    family = ""
    heads: dict[str, str] = {}
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            if line.startswith("# HELP"):
                about = []
            about.append(line)
            family = line.split()[2]
            continue
        _, behind, rest = line.partition('pipeline="')
        if not behind:
            continue
        pipeline = rest.partition('"')[0]
        mine = found.setdefault(pipeline, [])
        if heads.get(pipeline) != family:
            heads[pipeline] = family
            mine += about
        mine.append(line)
    return found


def peak_memory(program: Program) -> float:
    """Most memory that a running program had so far, in MiB."""
    status = Path(f"/proc/{process_of(program).pid}/status").read_text()
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) / 1024


def process_of(program: Program) -> psutil.Process:
    """The process of a running program."""
    assert program._process is not None
    return psutil.Process(program._process.pid)
