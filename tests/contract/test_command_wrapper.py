"""`pipeline-exporter run`, as cron, shells, terminals and containers run it, against a real exporter."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.clients import Programs, ended, executions, metric, nowhere
from tests.support.exporter import Exporter, StartExporter
from tests.support.program import wait_for


@pytest.fixture
def exporter(sqlite_url: str, start_exporter: StartExporter) -> Exporter:
    return start_exporter(database=sqlite_url)


@pytest.fixture
def programs(tmp_path: Path, exporter: Exporter) -> Programs:
    return Programs(tmp_path, exporter.url)


ENDS = {
    "true": (0, "succeeded", None),
    "exit 3": (3, "failed", "ExitCode"),
    "kill -SEGV $$": (139, "failed", "SIGSEGV"),
    "kill -KILL $$": (137, "failed", "SIGKILL"),
}


@pytest.mark.parametrize("script", ENDS)
def test_it_ends_as_the_command_did_and_tells_why(
    programs: Programs, exporter: Exporter, script: str
) -> None:
    code, status, kind = ENDS[script]
    assert programs.command(["sh", "-c", script], ["--pipeline", "c"]).returncode == code
    (found,) = ended(exporter, "c")
    assert (found["status"], (found["error"] or {}).get("type")) == (status, kind)


@pytest.mark.parametrize(("word", "code"), [("/no/such/command", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_started_is_told_as_failed(
    programs: Programs, exporter: Exporter, word: str, code: int
) -> None:
    done = programs.command([word], ["--pipeline", "c", "--retries", "3"])
    assert done.returncode == code
    assert word.encode() in done.stderr
    (found,) = ended(exporter, "c")
    assert found["status"] == "failed"
    assert len(found["stages"][0]["attempts"]) == 1


def test_streams_pass_through_byte_by_byte_and_apart(programs: Programs, exporter: Exporter) -> None:
    given = bytes(range(256)) * 1000
    done = programs.command(["sh", "-c", "cat; echo to-stderr >&2; exit 4"], stdin=None, input=given)
    assert (done.stdout, done.stderr, done.returncode) == (given, b"to-stderr\n", 4)
    (found,) = ended(exporter, "sh")
    assert found["error"]["message"] == "exit code 4: to-stderr"


def test_one_file_for_both_streams_keeps_their_order(programs: Programs) -> None:
    script = "for n in 1 2 3 4 5 6 7 8 9; do echo $n; echo e$n >&2; done"
    done = programs.command(
        ["sh", "-c", script], capture_output=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.stdout.split() == [word for n in "123456789" for word in (n.encode(), f"e{n}".encode())]


def test_a_terminal_stays_a_terminal(programs: Programs) -> None:
    controller, terminal = pty.openpty()
    words = programs.wrapped(["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo yes"])
    process = subprocess.Popen(
        words,
        env=programs.environment(),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    assert process.wait(60) == 0
    assert os.read(controller, 100) == b"yes\r\n"
    os.close(controller)


def test_whoever_reads_no_more_ends_the_command(programs: Programs) -> None:
    reader = subprocess.Popen(["head", "-c", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    done = programs.command(["yes"], capture_output=False, stdout=reader.stdin, stderr=subprocess.DEVNULL)
    assert done.returncode == 128 + signal.SIGPIPE
    assert reader.communicate(timeout=30)[0] == b"y\ny"


def test_a_background_process_holds_nothing_up_and_is_heard_to_its_end(programs: Programs) -> None:
    with programs.running(["sh", "-c", "(sleep 6; echo late) & echo now"]) as (process, stdout):
        assert stdout.readline() == b"now\n"
        now = time.monotonic()
        assert process.wait(60) == 0
        assert time.monotonic() - now < 6
        assert stdout.read() == b"late\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on(programs: Programs, exporter: Exporter, number: signal.Signals) -> None:
    script = (
        f"trap 'echo got; exit 9' {number.name.removeprefix('SIG')}; echo ready; while :; do sleep 0.05; done"
    )
    with programs.running(["sh", "-c", script], ["--pipeline", "s"]) as (process, stdout):
        assert stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert stdout.readline() == b"got\n"
        assert process.wait(60) == 9
    assert ended(exporter, "s")[0]["status"] == "cancelled"


def test_a_timeout_ends_the_command_and_its_children(programs: Programs, exporter: Exporter) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; wait; sleep 60"
    done = programs.command(
        ["sh", "-c", script], ["--pipeline", "t", "--timeout", "0.5s", "--kill-after", "0.5s"]
    )
    assert done.returncode == 124
    (found,) = ended(exporter, "t")
    assert (found["status"], found["error"]["type"]) == ("timed_out", "Timeout")
    assert found["duration_seconds"] < 10
    wait_for(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), "its child is gone")


def test_retries_are_attempts_of_a_stage(programs: Programs, exporter: Exporter) -> None:
    script = "test -e done || { touch done; echo no >&2; exit 1; }"
    assert (
        programs.command(
            ["sh", "-c", script], ["--pipeline", "r", "--stage", "x", "--retries", "2"]
        ).returncode
        == 0
    )
    (found,) = ended(exporter, "r")
    (stage,) = found["stages"]
    assert (found["status"], stage["name"]) == ("succeeded", "x")
    assert [attempt["status"] for attempt in stage["attempts"]] == ["failed", "succeeded"]


def test_a_script_of_wrapped_commands_is_one_run(programs: Programs, exporter: Exporter) -> None:
    inner = f"{sys.executable} -m exporter run --stage"
    python = (
        "from exporter.client import pipeline\nwith pipeline('script') as e:\n  with e.stage('deep'): pass"
    )
    (programs.folder / "deep.py").write_text(python)
    script = f"{inner} one -- true; {inner} two -- false; {inner} three -- {sys.executable} deep.py"
    assert programs.command(["sh", "-c", script], ["--pipeline", "script"]).returncode == 0
    (found,) = ended(exporter, "script")
    stages = {tuple(stage["path"]): stage["status"] for stage in found["stages"]}
    assert stages == {
        ("one",): "succeeded",
        ("two",): "failed",
        ("three",): "succeeded",
        ("three", "deep"): "succeeded",
    }
    assert len(executions(exporter)) == 1


def test_an_overlapping_run_is_skipped(programs: Programs, exporter: Exporter) -> None:
    options = ["--pipeline", "l", "--lock"]
    with programs.running(["sh", "-c", "echo in; sleep 30"], options) as (first, stdout):
        assert stdout.readline() == b"in\n"
        second = programs.command(["echo", "twice"], options)
        assert (second.returncode, second.stdout) == (0, b"")
        first.terminate()
        assert first.wait(60) == 128 + signal.SIGTERM
    assert {each["status"] for each in ended(exporter, "l", 2)} == {"skipped", "cancelled"}
    assert programs.command(["echo", "free"], options).stdout == b"free\n"


def test_what_the_whole_tree_used_is_told(programs: Programs, exporter: Exporter) -> None:
    burn = "import time; x = bytearray(80_000_000); e = time.process_time() + 1\nwhile time.process_time() < e: pass"
    (programs.folder / "burn.py").write_text(burn)
    programs.command(["sh", "-c", f"{sys.executable} burn.py"], ["--pipeline", "u"])
    (found,) = ended(exporter, "u")
    last = found["resources"][-1]
    assert 1 <= last["cpu_seconds"] < 3
    assert last["memory_peak_bytes"] > 80_000_000


def test_without_a_server_the_command_runs_in_silence(tmp_path: Path, exporter: Exporter) -> None:
    away = Programs(tmp_path, nowhere())
    done = away.command(["echo", "hello"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    assert len(away.spooled()) == 1
    assert executions(exporter) == []


def test_as_pid_1_it_reaps_and_passes_signals_on(programs: Programs, exporter: Exporter) -> None:
    script = (
        "trap 'exit 7' TERM; (sh -c 'sleep 0.1' &); sleep 0.6; cat /proc/[0-9]*/stat | grep -c ' Z '; echo $PPID; "
        "while :; do sleep 0.05; done"
    )
    namespace = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    with programs.running(["sh", "-c", script], ["--pipeline", "one"], *namespace) as (process, stdout):
        assert stdout.readline() == b"0\n"  # no zombie
        assert stdout.readline() == b"1\n"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert process.wait(60) == 7
    assert ended(exporter, "one")[0]["status"] == "cancelled"


def test_a_schedule_is_declared(programs: Programs, exporter: Exporter) -> None:
    programs.command(["true"], ["--pipeline", "d", "--schedule", "0 2 * * *", "--timezone", "Europe/Berlin"])
    ended(exporter, "d")
    assert (
        metric(exporter, "pipeline_schedule_next_expected_timestamp_seconds", pipeline="d") > time.time() - 60
    )


@pytest.mark.parametrize(
    "options", [["--timeout", "soon"], ["--retries", "-1"], ["--pipeline", ""], ["--schedule", "x"],
     ["--timezone", "X/Y", "--schedule", "@daily"]],
)  # fmt: skip
def test_bad_options_are_named_and_nothing_runs(programs: Programs, options: list[str]) -> None:
    done = programs.command(["echo", "ran"], options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert options[0].lstrip("-").encode() in done.stderr
