"""One attempt of a command: started, watched, ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from exporter.wrapper import memory
from exporter.wrapper.output import Output

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
NOT_FOUND, NOT_EXECUTABLE, TIMED_OUT = 127, 126, 124
"""Exit codes: the first two as in shells, the third as in timeout(1)."""
LINGER = 1.0
"""Seconds that the pipes are waited for once the command has ended."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: how long an attempt may take, and how long it has to end after SIGTERM."""

    timeout: float | None = None
    kill_after: float = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `code`: for the shell; `asked`: the signal by which the wrapper was told to end."""

    code: int
    signal: int | None = None
    asked: int | None = None
    timed_out: bool = False
    out_of_memory: bool = False
    refusal: OSError | None = None
    lines: list[tuple[str, str]] = field(default_factory=list)


class Command:
    """A command that is run once."""

    def __init__(
        self, words: Sequence[str], environ: Mapping[str, str], limits: Limits, keep: Sequence[int] = ()
    ) -> None:
        self._words = list(words)
        self._environ = dict(environ)
        self._limits = limits
        self._keep = tuple(keep)
        self._pid = 0
        self._status: int | None = None
        self._asked: int | None = None
        self._timed_out = False
        # At a terminal the command stays in its process group: Ctrl-C and Ctrl-Z reach it from there.
        self._at_terminal = any(_is_terminal(number) for number in (0, 1, 2))

    def run(self, most_lines: int) -> Outcome:
        """Run it to its end."""
        kills = memory.kills()
        output = Output()
        with self._signals(output):
            try:
                process = subprocess.Popen(
                    self._words,
                    env=self._environ,
                    pass_fds=self._keep,
                    process_group=None if self._at_terminal else 0,
                    stdout=output.arguments.get("stdout"),
                    stderr=output.arguments.get("stderr"),
                )
            except OSError as error:
                output.started()
                code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
                return Outcome(code, refusal=error)
            self._pid = process.pid
            if self._asked is not None:
                self._send(self._asked)  # it came while the command was being started
            output.started()
            self._arm(self._limits.timeout)
            self._watch(output)
            self._arm(None)
        status = os.waitstatus_to_exitcode(self._status or 0)
        process.returncode = status  # else it would wait for a process that is not there any more
        after = memory.kills()
        killed = status == -signal.SIGKILL or status == 128 + signal.SIGKILL
        return Outcome(
            TIMED_OUT if self._timed_out else status if status >= 0 else 128 - status,
            signal=-status if status < 0 else None,
            asked=self._asked,
            timed_out=self._timed_out,
            out_of_memory=killed and kills is not None and after is not None and after > kills,
            lines=output.lines(most_lines),
        )

    def _watch(self, output: Output) -> None:
        while self._status is None:
            output.turn(None)
            self._reap()
        deadline = time.monotonic() + LINGER
        while output.is_open and time.monotonic() < deadline:
            output.turn(0.1)
        if output.is_open and os.getpid() != 1:
            _leave_to_another(output)

    def _reap(self) -> None:
        """Take note of every child that ended: as pid 1, orphans of others are among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._status = status

    @contextmanager
    def _signals(self, output: Output) -> Iterator[None]:
        """Handle signals meanwhile; each also wakes the loop, by way of a pipe."""
        read_end, write_end = os.pipe()
        for end in (read_end, write_end):
            os.set_blocking(end, False)
        output.selector.register(read_end, selectors.EVENT_READ)
        before: dict[signal.Signals, Any] = {}
        for number in (*PASSED_ON, signal.SIGCHLD, signal.SIGALRM):
            if signal.getsignal(number) is signal.SIG_IGN and number in PASSED_ON:
                continue  # as under nohup: the command ignores it as well
            before[number] = signal.signal(number, self._handle)
        wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            output.selector.unregister(read_end)
            os.close(read_end)
            os.close(write_end)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGALRM:
            self._overrun()
        elif number != signal.SIGCHLD:
            if number in ENDING:
                self._asked = number
            from_terminal = self._at_terminal and number in (signal.SIGINT, signal.SIGQUIT)
            if not from_terminal:
                self._send(number)

    def _overrun(self) -> None:
        if self._timed_out:
            self._send(signal.SIGKILL)
        else:
            self._timed_out = True
            self._send(signal.SIGTERM)
            self._send(signal.SIGCONT)
            self._arm(self._limits.kill_after)

    def _arm(self, seconds: float | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else max(seconds, 1e-3))

    def _send(self, number: int) -> None:
        if not self._pid or self._status is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._at_terminal:
                os.kill(self._pid, number)
            else:
                os.killpg(self._pid, number)


def wait(seconds: float) -> int | None:
    """Wait; returns early with the signal if the wrapper is told to end meanwhile."""
    asked: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        raise InterruptedError

    before = {number: signal.signal(number, handle) for number in ENDING}
    try:
        time.sleep(seconds)
    except InterruptedError:
        return asked[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return None


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False


def _leave_to_another(output: Output) -> None:
    """What the command left in the background may still write: a process of its own passes that on."""
    if os.fork() == 0:
        try:
            while output.is_open:
                output.turn(None)
        finally:
            os._exit(0)
