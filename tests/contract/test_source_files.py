"""Folders of files: what they tell, and what is wrong with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.domain import events as e
from tests.support.sources import mapped, problems, reading, source, told

LINES = """system: lines
reads_from: folder
reads:
  - name: runs
    files: "*.jsonl"
    format: jsonl
    rows: events
    emits:
      - execution: {pipeline: name, execution: id, status: state, at: at}
"""
TESTS = """import pytest
def test_good(): pass
def test_bad(): assert 1 == 2
@pytest.mark.skip(reason="later")
def test_later(): pass
@pytest.mark.parametrize("x", [1, 2])
def test_many(x): pass
"""


def line(number: int, state: str = "done") -> str:
    return json.dumps({"id": number, "name": "n", "state": state, "at": 1767225600 + number}) + "\n"


def test_what_pytest_itself_writes_is_read(tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "test_ours.py").write_text(TESTS)
    results = tmp_path / "results"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        f"--junit-xml={results}/r.xml",
        "test_ours.py",
    ]
    subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, timeout=120)
    with reading(sqlite_url, source("junit", results)) as read:
        read.round()
        ((run, status),) = read.statuses("pytest").items()
        assert status == "failed"
        assert {name: status for (name, _, _), (status, _) in read.stages(run).items()} == {
            "test_ours.test_good": "succeeded",
            "test_ours.test_bad": "failed",
            "test_ours.test_later": "skipped",
            "test_ours.test_many[1]": "succeeded",
            "test_ours.test_many[2]": "succeeded",
        }
        count = read.count()
        read.round()
        assert read.count() == count
    assert problems(source("junit", results)) == []
    logs = [
        event.payload.message
        for event in told(source("junit", results))
        if isinstance(event.payload, e.LogEmitted)
    ]
    assert len(logs) == 1
    assert "assert 1 == 2" in logs[0]


@pytest.mark.parametrize("text", ["", "<a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "\x00"])
def test_what_is_no_junit_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.xml").write_text(text)
    (problem,) = problems(source("junit", tmp_path))
    assert problem.startswith("r.xml: ")


def test_lines_that_are_added_are_told_and_no_other(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line(1) + line(2))
    with reading(sqlite_url, mapped(LINES, str(tmp_path))) as read:
        read.round()
        assert read.count() == 2
        with file.open("a") as opened:
            opened.write(line(3, "failed"))
        read.round()
        assert read.count() == 3
        assert read.statuses("n") == {"1": "succeeded", "2": "succeeded", "3": "failed"}


def test_a_line_that_is_being_written_is_read_once_it_is_whole(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line(1) + line(2)[:10])
    with reading(sqlite_url, mapped(LINES, str(tmp_path))) as read:
        read.round()
        assert read.statuses("n") == {"1": "succeeded"}
        file.write_text(line(1) + line(2))
        read.round()
        assert len(read.statuses("n")) == 2


def test_a_folder_that_is_gone_is_away(tmp_path: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, mapped(LINES, str(tmp_path / "none"))) as read:
        read.round()
        assert read.metric("source_up", source="ours") == 0
