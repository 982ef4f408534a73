"""`pipeline-exporter run` where things go wrong: closed streams, odd signals, locks left behind, no memory."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.clients import Programs, ended
from tests.support.exporter import Exporter, StartExporter
from tests.support.program import wait_for


@pytest.fixture
def exporter(sqlite_url: str, start_exporter: StartExporter) -> Exporter:
    return start_exporter(database=sqlite_url)


@pytest.fixture
def programs(tmp_path: Path, exporter: Exporter) -> Programs:
    return Programs(tmp_path, exporter.url)


def test_a_command_finds_streams_closed_that_were_closed_before(
    programs: Programs, exporter: Exporter
) -> None:
    script = "for n in 0 1 2; do test -e /proc/self/fd/$n && is=open || is=closed; echo $n $is >&3; done"
    wrapped = shlex.join(
        programs.wrapped(["sh", "-c", f"exec 3>>streams; {script}"], ["--pipeline", "closed"])
    )
    done = subprocess.run(
        ["sh", "-c", f"exec {wrapped} <&- >&- 2>&-"],
        env=programs.environment(),
        cwd=programs.folder,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert (programs.folder / "streams").read_text() == "0 closed\n1 closed\n2 closed\n"
    assert ended(exporter, "closed")[0]["status"] == "succeeded"
    assert programs.spooled() == []


def test_the_exit_code_is_the_commands_though_nobody_hears_the_wrapper(programs: Programs) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = programs.command(["/no/such/command"], capture_output=False, stderr=write_end)
    os.close(write_end)
    assert done.returncode == 127


LISTENING = """
import signal, sys, time
for number in map(int, sys.argv[1:]):
    signal.signal(number, lambda number, _: print("got", number, flush=True))
print("ready", flush=True)
while True: time.sleep(0.02)
"""


def test_all_signals_that_mean_something_to_a_program_are_passed_on(programs: Programs) -> None:
    numbers = [
        signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCONT, signal.SIGALRM, signal.SIGURG,
        signal.SIGRTMIN, signal.SIGRTMIN + 3,
    ]  # fmt: skip
    words = [sys.executable, "-c", LISTENING, *(str(int(number)) for number in numbers)]
    with programs.running(words) as (process, stdout):
        assert stdout.readline() == b"ready\n"
        for number in numbers:
            process.send_signal(number)
            assert stdout.readline() == b"got %d\n" % number
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM


def test_a_signal_is_passed_on_from_the_commands_first_moment(programs: Programs) -> None:
    script = "trap 'exit 3' USR1; kill -USR1 $PPID; while :; do sleep 0.05; done"
    for _ in range(5):
        assert programs.command(["sh", "-c", script]).returncode == 3


# A shell that is stopped while it starts a program waits for that and is not shown as stopped.
FOREVER = [
    sys.executable, "-c", "import os, time\nprint(os.getpid(), flush=True)\nwhile True: time.sleep(0.02)"
]  # fmt: skip


def test_a_stop_stops_the_command_and_the_wrapper_until_they_are_to_go_on(programs: Programs) -> None:
    with programs.running(FOREVER, (), "env", "--default-signal=TSTP") as (process, stdout):
        command = psutil.Process(int(stdout.readline()))
        wrapper = psutil.Process(process.pid)
        process.send_signal(signal.SIGTSTP)
        wait_for(lambda: command.status() == wrapper.status() == psutil.STATUS_STOPPED, "both stop")
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: psutil.STATUS_STOPPED not in (command.status(), wrapper.status()), "both go on")
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM


def test_where_stops_are_ignored_neither_stops(programs: Programs) -> None:
    with programs.running(FOREVER, (), "env", "--ignore-signal=TSTP") as (process, stdout):
        command = psutil.Process(int(stdout.readline()))
        wrapper = psutil.Process(process.pid)
        process.send_signal(signal.SIGTSTP)
        time.sleep(0.5)  # nothing outside shows that it was ignored
        assert psutil.STATUS_STOPPED not in (command.status(), wrapper.status())
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM


def test_between_two_attempts_it_can_be_told_to_end(programs: Programs, exporter: Exporter) -> None:
    options = ["--pipeline", "between", "--retries", "3", "--retry-wait", "10m"]
    with programs.running(["sh", "-c", "echo tried; exit 1"], options) as (process, stdout):
        assert stdout.readline() == b"tried\n"
        children = psutil.Process(process.pid).children
        wait_for(lambda: not children(), "the attempt ends")
        time.sleep(0.5)  # it waits now; nothing outside shows that
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    (found,) = ended(exporter, "between")
    assert found["status"] == "cancelled"


def test_a_timeout_comes_though_nobody_reads_what_the_command_writes(
    programs: Programs, exporter: Exporter
) -> None:
    with programs.running(["sh", "-c", "echo $$; exec yes"], ["--pipeline", "deaf", "--timeout", "1s"]) as (
        process,
        stdout,
    ):
        command = int(stdout.readline())
        wait_for(lambda: not psutil.pid_exists(command) or _is_zombie(command), "the command ends")
        stdout.read()
        assert process.wait(60) == 124
    assert ended(exporter, "deaf")[0]["status"] == "timed_out"


def _is_zombie(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_what_a_command_leaves_behind_does_not_hold_the_lock(programs: Programs) -> None:
    options = ["--pipeline", "l", "--lock"]
    first = programs.command(["sh", "-c", "setsid sleep 30 > /dev/null 2>&1 & echo $!"], options)
    background = psutil.Process(int(first.stdout))
    assert programs.command(["echo", "again"], options).stdout == b"again\n"
    background.kill()


def test_the_lock_holds_while_the_command_of_a_killed_wrapper_runs(programs: Programs) -> None:
    options = ["--pipeline", "l", "--lock"]
    with programs.running(["sh", "-c", "echo $$; exec sleep 60"], options) as (process, stdout):
        command = psutil.Process(int(stdout.readline()))
        process.kill()
        process.wait()
        assert programs.command(["echo", "twice"], options).stdout == b""
        command.kill()
        wait_for(lambda: not command.is_running(), "the command is gone")
        assert programs.command(["echo", "free"], options).stdout == b"free\n"


def test_as_in_cron_with_next_to_no_variables(programs: Programs, exporter: Exporter) -> None:
    variables = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": programs.environment()["PYTHONPATH"],
        "PIPELINE_EXPORTER_URL": exporter.url,
        "PIPELINE_EXPORTER_SPOOL": str(programs.spool),
    }
    words = programs.wrapped(["sh", "-c", "exit 3"], ["--pipeline", "bare"])
    done = subprocess.run(words, env=variables, cwd="/", capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")
    assert ended(exporter, "bare")[0]["status"] == "failed"


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup of 200 MB, on whichever version counts memory here."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = Path(root) / f"pipeline-exporter-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / limit).write_text("200M")
            yield folder
            return
        except OSError:
            continue
        finally:
            folder.rmdir()
    pytest.skip("no cgroup with a limit of memory can be made here")


def test_a_command_that_the_kernel_kills_for_want_of_memory_is_told_as_such(
    programs: Programs, exporter: Exporter, cgroup: Path
) -> None:
    hungry = [sys.executable, "-c", "held = []\nwhile True: held.append(bytearray(10_000_000))"]
    wrapped = shlex.join(programs.wrapped(hungry, ["--pipeline", "hungry"]))
    done = subprocess.run(
        ["sh", "-c", f"echo $$ > {cgroup}/cgroup.procs; exec {wrapped}"],
        env=programs.environment(), cwd=programs.folder, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 128 + signal.SIGKILL, done.stderr
    (found,) = ended(exporter, "hungry")
    assert (found["status"], found["error"]["type"]) == ("failed", "OutOfMemory")


def test_on_a_full_disk_a_locked_command_runs_to_its_end(programs: Programs) -> None:
    # No file may grow, which the kernel says by an error where a full disk would.
    words = programs.wrapped(["sh", "-c", "echo hi; sleep 1; exit 5"], ["--lock"])
    limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *words]
    done = subprocess.run(limited, env=programs.environment(), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (5, b"hi\n")
    assert b"--lock: " in done.stderr


def test_an_environment_that_cannot_be_stops_no_command_and_no_program(programs: Programs) -> None:
    bad = {"PIPELINE_EXPORTER_ENVIRONMENT": "two\nlines"}
    done = programs.command(["echo", "hi"], variables=bad)
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert b"PIPELINE_EXPORTER_ENVIRONMENT" in done.stderr
    source = "from exporter.client import pipeline\nwith pipeline('p'): print('ran')"
    assert programs.python(source, **bad).stdout == "ran\n"


def test_a_password_in_the_servers_address_is_not_shown(programs: Programs) -> None:
    address = programs.url.replace("//", "//bob:secret@").rpartition(":")[0] + ":1"
    source = "from exporter.client import flush, pipeline\nwith pipeline('p'): flush(1)"
    done = programs.python(source, PIPELINE_EXPORTER_URL=address)
    assert "does not answer" in done.stderr
    assert "secret" not in done.stderr
