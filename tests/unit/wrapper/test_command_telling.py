"""What the wrapper says of how a command ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.wrapper import memory
from exporter.wrapper.process import Outcome
from exporter.wrapper.telling import error_of, name_of, status_of


def test_out_of_memory_is_told_as_such() -> None:
    error = error_of(Outcome(137, signal=9, memory_kills=1), None)
    assert error is not None
    assert (error["type"], error["category"]) == ("OutOfMemory", "resource")


def test_a_traceback_on_stderr_is_the_error() -> None:
    lines = ["first", "Traceback (most recent call last):", '  File "x"', "KeyError: 'day'"]
    error = error_of(
        Outcome(1, lines=[("stdout", "KeyError: no")] + [("stderr", line) for line in lines]), None
    )
    assert error == {"type": "KeyError", "message": "'day'", "stacktrace": "\n".join(lines[1:])}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(0), "succeeded"),
        (Outcome(1), "failed"),
        (Outcome(0, asked=15), "succeeded"),
        (Outcome(143, signal=15, asked=15), "cancelled"),
        (Outcome(124, timed_out=True), "timed_out"),
    ],
)
def test_statuses(outcome: Outcome, status: str) -> None:
    assert status_of(outcome) == status


@pytest.mark.parametrize(
    ("word", "name"), [("/opt/nightly.sh", "nightly"), ("true", "true"), (".hidden", ".hidden")]
)
def test_a_command_without_a_name_has_that_of_its_file(word: str, name: str) -> None:
    assert name_of([word]) == name


@pytest.mark.parametrize(
    ("line", "file", "content"),
    [
        ("0::/a/b", "a/b/memory.events", "low 0\noom 3\noom_kill 2\n"),
        ("0::/", "memory.events", "oom_kill 2\n"),
        ("5:cpu,memory:/c", "memory/c/memory.oom_control", "oom_kill_disable 0\noom_kill 2\n"),
    ],
)
def test_kills_are_counted_by_the_cgroup(tmp_path: Path, line: str, file: str, content: str) -> None:
    membership = tmp_path / "proc" / "self" / "cgroup"
    membership.parent.mkdir(parents=True)
    membership.write_text(f"9:pids:/x\n{line}\n")
    counted = tmp_path / "root" / file
    counted.parent.mkdir(parents=True)
    counted.write_text(content)
    assert memory.kills(tmp_path / "root", tmp_path / "proc") == 2


def test_without_cgroups_nothing_is_counted(tmp_path: Path) -> None:
    assert memory.kills(tmp_path, tmp_path / "none") is None


def test_where_the_cgroup_does_not_count_kills_the_machine_does(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 7\noom_kill 3\n")
    assert memory.kills(tmp_path / "root", tmp_path) == 3


def test_a_kill_for_want_of_memory_elsewhere_is_told_beside_the_error() -> None:
    error = error_of(Outcome(1, memory_kills=1), None)
    assert error is not None
    assert error["type"] == "ExitCode"
    assert "the kernel killed 1 for want of memory" in error["message"]
