"""Programs that use `exporter.client`, each a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import requests

from tests.support.exporter import Exporter
from tests.support.paths import REPOSITORY
from tests.support.program import free_port, wait_for


def nowhere() -> str:
    """Where no server is."""
    return f"http://127.0.0.1:{free_port()}"


class Running(NamedTuple):
    """A program and its stdout."""

    process: subprocess.Popen[bytes]
    stdout: IO[bytes]


class Programs:
    """Runs programs with one spool. `url`: where they send to."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.spool = folder / "spool"

    def environment(self, **further: str) -> dict[str, str]:
        """Variables for a program; those of whoever runs the tests do not reach it."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("PIPELINE_EXPORTER_")}
        ours = {
            "PYTHONPATH": str(REPOSITORY),
            "PIPELINE_EXPORTER_URL": self.url,
            "PIPELINE_EXPORTER_SPOOL": str(self.spool),
        }
        return own | ours | further

    def python(self, source: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", source, *arguments],
            env=self.environment(**variables), cwd=self.folder, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=120, check=False,
        )  # fmt: skip

    def start(self, source: str, **variables: str) -> subprocess.Popen[str]:
        """Start a program; its stdout is a pipe."""
        return subprocess.Popen(
            [sys.executable, "-c", source], env=self.environment(**variables), cwd=self.folder,
            stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def command(
        self, words: Sequence[str], options: Sequence[str] = (), **run: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """`pipeline-exporter run options -- words`."""
        environment = self.environment(**run.pop("variables", {}))
        settings: dict[str, Any] = {"capture_output": True, "stdin": subprocess.DEVNULL, "timeout": 120} | run
        command = self.wrapped(words, options)
        return subprocess.run(command, env=environment, cwd=self.folder, check=False, **settings)

    @contextmanager
    def running(self, words: Sequence[str], options: Sequence[str] = (), *before: str) -> Iterator[Running]:
        """A wrapped command that runs meanwhile, behind the words `before`; its stdout is a pipe."""
        with subprocess.Popen(
            [*before, *self.wrapped(words, options)],
            env=self.environment(),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            try:
                yield Running(process, process.stdout)
            finally:
                process.kill()

    def wrapped(self, words: Sequence[str], options: Sequence[str] = ()) -> list[str]:
        """The words of a wrapped command."""
        return [sys.executable, "-m", "exporter", "run", *options, "--", *words]

    def spooled(self) -> list[Path]:
        """Files that wait in the spool."""
        return sorted(self.spool.glob("spool-*/*.events"))


def executions(exporter: Exporter, **wanted: str) -> list[dict[str, Any]]:
    """Executions as the API lists them, the latest first."""
    answer = requests.get(
        f"{exporter.url}/api/pipeline/executions", params={"limit": "500", **wanted}, timeout=30
    )
    found: list[dict[str, Any]] = answer.json()["executions"]
    return found


def ended(exporter: Exporter, pipeline: str, number: int = 1) -> list[dict[str, Any]]:
    """The executions of a pipeline, each whole, once so many have ended; no more may come."""

    def attempt() -> list[dict[str, Any]]:
        found = executions(exporter, pipeline=pipeline)
        return found if sum(each["ended_at"] is not None for each in found) >= number else []

    found = wait_for(attempt, f"{number} executions of {pipeline} ended")
    assert len(found) == number
    return [whole(exporter, each["id"]) for each in found]


def whole(exporter: Exporter, id_: str) -> dict[str, Any]:
    """One execution with all its parts; stages inside others stand behind those."""
    answer: dict[str, Any] = requests.get(f"{exporter.url}/api/pipeline/executions/{id_}", timeout=30).json()
    return {**answer, "stages": list(_flat(answer["stages"]))}


def _flat(stages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for stage in stages:
        yield stage
        yield from _flat(stage.get("stages", []))


def part(exporter: Exporter, id_: str, name: str) -> Any:
    """A part of an execution that has a path of its own."""
    return requests.get(f"{exporter.url}/api/pipeline/executions/{id_}/{name}", timeout=30).json()


def metric(exporter: Exporter, name: str, **labels: str) -> float:
    """Sum of a metric's samples that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = requests.get(f"{exporter.url}/metrics", timeout=30).text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith((f"{name}{{", f"{name} ")) and all(label in line for label in wanted)
    )
