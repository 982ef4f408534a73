"""A server that reads two sources by itself, one of which breaks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import requests

from tests.support.exporter import Exporter, StartExporter
from tests.support.paths import REPOSITORY
from tests.support.program import wait_for
from tests.support.sources import copied


def configured(tmp_path: Path, imaging: Path, luigi: Path) -> str:
    file = tmp_path / "exporter.yml"
    file.write_text(
        "sources:\n"
        f"  - {{name: imaging, preset: dsa110, url: 'sqlite:///{imaging}', environment: lab, every: 1s}}\n"
        f"  - {{name: luigi, preset: luigi, url: 'sqlite:///{luigi}', every: 1s}}\n"
    )
    return str(file)


def metric(exporter: Exporter, name: str, **labels: str) -> float | None:
    """The value of a sample; None if it is not there."""
    for line in requests.get(f"{exporter.url}/metrics", timeout=10).text.splitlines():
        if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return None


def until(exporter: Exporter, value: float, name: str, **labels: str) -> None:
    wait_for(lambda: metric(exporter, name, **labels) == value or None, f"{name} {labels} is {value}")


def test_one_source_breaks_and_the_other_goes_on(tmp_path: Path, start_exporter: StartExporter) -> None:
    imaging = copied("dsa110", tmp_path) / "pipeline.sqlite3"
    luigi = copied("luigi", tmp_path) / "luigi-task-hist.db"
    exporter = start_exporter(
        "--config", configured(tmp_path, imaging, luigi), database=f"sqlite:///{tmp_path / 'x.db'}"
    )
    failed = {"environment": "lab", "pipeline": "standard_imaging", "status": "failed"}
    until(exporter, 4, "pipeline_executions_total", **failed)
    until(exporter, 1, "pipeline_exporter_source_up", source="luigi")
    luigi.unlink()
    until(exporter, 0, "pipeline_exporter_source_up", source="luigi")
    with closing(sqlite3.connect(imaging)) as owner:
        owner.execute("UPDATE pipeline_executions SET status = 'failed' WHERE status = 'running'")
        owner.execute(
            "INSERT INTO pipeline_executions (execution_id, pipeline_name, status, started_at, completed_at, error)"
            " VALUES ('next', 'standard_imaging', 'failed', 1795310700.0, 1795310701.0, 'no disk')"
        )
        owner.commit()
    until(exporter, 5, "pipeline_executions_total", **failed)
    assert metric(exporter, "pipeline_exporter_source_up", source="imaging") == 1
    assert "a source cannot be read source=luigi" in exporter.log
    assert metric(exporter, "pipeline_executions_total", pipeline="Broken", status="failed") == 1


def test_after_a_kill_nothing_is_counted_twice(tmp_path: Path, start_exporter: StartExporter) -> None:
    imaging = copied("dsa110", tmp_path) / "pipeline.sqlite3"
    luigi = copied("luigi", tmp_path) / "luigi-task-hist.db"
    exporter = start_exporter(
        "--config", configured(tmp_path, imaging, luigi), database=f"sqlite:///{tmp_path / 'x.db'}"
    )
    dead = {"pipeline": "dead letters", "stream": "calibration"}
    until(exporter, 1, "pipeline_stream_dead_letters_total", **dead)
    exporter.kill()
    exporter.start()
    exporter.wait_until_ready()
    until(exporter, 1, "pipeline_exporter_source_up", source="imaging")
    assert metric(exporter, "pipeline_stream_dead_letters_total", **dead) == 1
    failed = {"environment": "lab", "pipeline": "standard_imaging", "status": "failed"}
    assert metric(exporter, "pipeline_executions_total", **failed) == 4


def test_it_stops_at_once_while_sources_are_read(tmp_path: Path, start_exporter: StartExporter) -> None:
    imaging = copied("dsa110", tmp_path) / "pipeline.sqlite3"
    exporter = start_exporter(
        "--config",
        configured(tmp_path, imaging, tmp_path / "none"),
        database=f"sqlite:///{tmp_path / 'x.db'}",
    )
    assert exporter.stop(seconds=15) == 0


def test_a_malformed_mapping_stops_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.yml").write_text("system: a\nreads_from: database\nreads:\n  - nam: x\n")
    file = tmp_path / "exporter.yml"
    file.write_text(f"sources: [{{name: a, mapping: '{tmp_path / 'm.yml'}', url: 'sqlite:////x.db'}}]")
    for command in ("serve", "sources check"):
        ended = subprocess.run(
            [sys.executable, "-m", "exporter", *command.split(), "--config", str(file)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            timeout=60,
        )
        assert ended.returncode in (1, 2), signal.Signals
        told = ended.stderr + ended.stdout
        assert told.count("\n") == 1
        assert "m.yml:4: reads.0" in told
