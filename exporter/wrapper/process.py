"""One attempt of a command: started, watched, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.wrapper import memory
from exporter.wrapper.lock import Lock
from exporter.wrapper.output import Output
from exporter.wrapper.signals import Signals, at_terminal

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
    """How an attempt ended. `code`: for the shell; `asked`: the signal by which the wrapper was told to end.

    `memory_kills`: how many processes of the cgroup the kernel killed meanwhile for want of memory.
    """

    code: int
    signal: int | None = None
    asked: int | None = None
    timed_out: bool = False
    memory_kills: int = 0
    refusal: OSError | None = None
    lines: list[tuple[str, str]] = field(default_factory=list)

    @property
    def out_of_memory(self) -> bool:
        """Whether it was the command, or the last one of a shell, that the kernel killed for want of memory."""
        return self.memory_kills > 0 and self.code == 128 + signal.SIGKILL


class Command:
    """A command that is run once. `held`: the lock, which learns its process id, and stays with the wrapper alone."""

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        limits: Limits,
        signals: Signals,
        held: Lock | None = None,
    ) -> None:
        self._words = list(words)
        self._environ = dict(environ)
        self._limits = limits
        self._signals = signals
        self._held = held
        self._pid = 0
        self._status: int | None = None
        self._timed_out = False
        self._reaping = threading.RLock()
        # At a terminal the command stays in its process group: Ctrl-C and Ctrl-Z reach it from there.
        self._at_terminal = at_terminal()

    def run(self, most_lines: int) -> Outcome:
        """Run it to its end."""
        kills = memory.kills()
        # The command may run, and be meant by a signal, before this process knows its pid.
        with self._signals.held():
            if (asked := self._signals.asked) is not None:
                return Outcome(128 + asked, asked=asked)
            output = Output(self._signals)
            try:
                process = self._start(output)
            except (OSError, ValueError) as error:
                output.close()
                return _not_started(error)
            self._pid = process.pid
            self._signals.receiver = self._pass_on
        if self._held is not None:
            self._held.names(process.pid)
        output.started()
        timer = self._timer(self._limits.timeout)
        try:
            self._watch(output)
        finally:
            self._signals.receiver = None
            output.close()
            if timer is not None:
                timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(self._status or 0)  # else Popen would wait for it
        return self._outcome(process.returncode, kills, output.lines(most_lines))

    def _start(self, output: Output) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._words,
            env=self._environ,
            process_group=None if self._at_terminal else 0,
            stdout=output.arguments.get("stdout"),
            stderr=output.arguments.get("stderr"),
        )

    def _outcome(self, status: int, kills: int | None, lines: list[tuple[str, str]]) -> Outcome:
        after = memory.kills()
        return Outcome(
            TIMED_OUT if self._timed_out else status if status >= 0 else 128 - status,
            signal=-status if status < 0 else None,
            asked=self._signals.asked,
            timed_out=self._timed_out,
            memory_kills=0 if kills is None or after is None else max(after - kills, 0),
            lines=lines,
        )

    def _watch(self, output: Output) -> None:
        while self._status is None:
            output.turn(None)
            self._reap()
        deadline = time.monotonic() + LINGER
        while output.is_open and time.monotonic() < deadline:
            output.turn(0.1)
        if output.is_open and os.getpid() != 1:
            self._leave_to_another(output)

    def _reap(self) -> None:
        """Take note of the command's end, and as pid 1 of that of orphans."""
        with self._reaping:
            while self._status is None:
                try:
                    pid, status = os.waitpid(-1 if os.getpid() == 1 else self._pid, os.WNOHANG)
                except ChildProcessError:
                    return
                if pid == 0:
                    return
                if pid == self._pid:
                    self._status = status

    def _timer(self, seconds: float | None) -> threading.Timer | None:
        """A thread, as this one may be waiting for whoever reads the output."""
        if seconds is None:
            return None
        timer = threading.Timer(max(seconds, 1e-3), self._overrun)
        timer.daemon = True
        timer.start()
        return timer

    def _overrun(self) -> None:
        with self._reaping:
            if self._status is not None:
                return
            if self._timed_out:
                self._send(signal.SIGKILL)
                return
            self._timed_out = True
            self._send(signal.SIGTERM)
            self._send(signal.SIGCONT)
        self._timer(self._limits.kill_after)

    def _pass_on(self, number: int) -> None:
        if not (self._at_terminal and number in (signal.SIGINT, signal.SIGQUIT)):
            self._send(number)

    def _send(self, number: int) -> None:
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):
            if self._status is not None:
                return
            if self._at_terminal:
                os.kill(self._pid, number)
            else:
                os.killpg(self._pid, number)

    def _leave_to_another(self, output: Output) -> None:
        """What the command left in the background may still write: a process of its own passes that on."""
        if os.fork() == 0:
            try:
                self._signals.forget()
                if self._held is not None:
                    os.close(self._held.descriptor)
                output.pass_all_on()
            finally:
                os._exit(0)


def _not_started(error: OSError | ValueError) -> Outcome:
    if not isinstance(error, OSError):
        error = OSError(0, str(error))  # a NUL character among the words
    return Outcome(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE, refusal=error)
