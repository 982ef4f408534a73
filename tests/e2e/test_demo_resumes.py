"""`demo --backfill LENGTH --resume`, started again over a store that an earlier demo filled."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import requests

from tests.support.exporter import Exporter, StartExporter
from tests.support.paths import REPOSITORY


def history(exporter: Exporter, *options: str, environment: dict[str, str] | None = None) -> str:
    """What the demo prints until it is live and its history, if any, is told; it is stopped then."""
    told = "history: complete" if "--backfill" in options else "demo: live"
    command = [sys.executable, "-m", "exporter.demo", "--url", exporter.url, *options]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if told in line:
                demo.terminate()
    assert demo.returncode == 0, "".join(lines)
    return "".join(lines)


def delivered(output: str) -> int:
    return int(re.findall(r"(\d+) events delivered", output)[-1])


def started(exporter: Exporter) -> list[str]:
    """When the executions known started, the earliest first."""
    found: list[str] = []
    where = {"sort": "started_at", "limit": "500"}
    while True:
        page = requests.get(f"{exporter.url}/api/pipeline/executions", params=where, timeout=30).json()
        found += [row["started_at"] or row["queued_at"] for row in page["executions"]]
        if page["next_cursor"] is None:
            return found
        where["cursor"] = page["next_cursor"]


def test_history_alone_ends_by_itself_and_leaves_no_run_cut_off(
    sqlite_url: str, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(database=sqlite_url)
    options = ["--backfill", "12h", "--resume", "--history-only"]
    command = [sys.executable, "-m", "exporter.demo", "--url", exporter.url, *options]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=True)
    assert "history: complete" in told.stdout
    assert len(started(exporter)) > 100
    active = requests.get(f"{exporter.url}/api/pipeline/executions/active", timeout=30).json()
    # A stream never ends, and a transcoding host died without a word: that run is soon lost.
    assert {execution["kind"] for execution in active["executions"]} <= {"streaming", "media"}


def test_history_is_not_told_twice(sqlite_url: str, start_exporter: StartExporter) -> None:
    exporter = start_exporter(database=sqlite_url)
    options = ("--backfill", "12h", "--resume", "--speed", "20")
    first = history(exporter, *options)
    before = started(exporter)
    second = history(exporter, *options)
    assert "the server knew" not in first
    assert "the server knew" in second
    after = started(exporter)
    # The second told what happened since, and that was seconds.
    assert after[: len(before)] == before
    assert delivered(second) < delivered(first) / 5


def test_the_token_is_read_from_a_file(
    sqlite_url: str, tmp_path: Path, start_exporter: StartExporter
) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-test\n")
    exporter = start_exporter("--token-file", str(token), database=sqlite_url)
    told = history(exporter, environment={"PIPELINE_EXPORTER_TOKEN_FILE": str(token)})
    assert delivered(told) > 0
    refused = subprocess.run(
        [sys.executable, "-m", "exporter.demo", "--url", exporter.url],
        cwd=REPOSITORY,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "does not take events: 401" in refused.stdout


def test_a_file_of_a_token_that_is_missing_is_named(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "exporter.demo"],
        cwd=REPOSITORY,
        env={"PIPELINE_EXPORTER_TOKEN_FILE": str(tmp_path / "missing")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "PIPELINE_EXPORTER_TOKEN_FILE" in ended.stdout
