"""Signals that reach the wrapper while it has a command: from its first step to its last, and passed on."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Those that tell the wrapper to end: it does, once the command has."""
_STOP = signal.SIGTSTP
_OWN = {
    signal.SIGKILL, signal.SIGSTOP,  # nobody can handle them
    signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS,
    signal.SIGPIPE, signal.SIGXCPU, signal.SIGXFSZ, signal.SIGVTALRM, signal.SIGPROF,  # the kernel's, on what it did
    signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD,
}  # fmt: skip
"""Signals that are meant for the wrapper itself, and not for what it runs."""
_FROM_TERMINAL = {signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH}
"""What the terminal and its shell send to the whole process group: the command has it already."""


def at_terminal() -> bool:
    """Whether one of the standard streams is a terminal; the command then stays in its process group."""
    return any(_is_terminal(number) for number in (0, 1, 2))


class Signals:
    """Notes signals and hands them to whoever wants them. Each also wakes a select on `read_end`."""

    def __init__(self) -> None:
        self.asked: int | None = None
        """The signal by which the wrapper was told to end, if it was."""
        self.receiver: Callable[[int], None] | None = None
        self.read_end, self._write_end = os.pipe()
        self._handled: list[int] = []
        self._late: list[int] | None = None

    def __enter__(self) -> Signals:
        for end in (self.read_end, self._write_end):
            os.set_blocking(end, False)
        own = _OWN | _FROM_TERMINAL if at_terminal() else _OWN
        for number in signal.valid_signals() - own:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue  # as under nohup: the command ignores it as well
            signal.signal(number, self._handle)
            self._handled.append(number)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is left is the end of this process, which has its command's exit code whatever comes meanwhile.
        signal.set_wakeup_fd(-1)
        for number in self._handled:
            signal.signal(number, signal.SIG_IGN)
        os.close(self.read_end)
        os.close(self._write_end)

    def forget(self) -> None:
        """In a child process: signals do there what they do to any process."""
        signal.set_wakeup_fd(-1)
        for number in self._handled:
            signal.signal(number, signal.SIG_DFL)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What comes meanwhile is done at the end, in its order."""
        self._late = []
        try:
            yield
        finally:
            late, self._late = self._late, None
            for number in late:
                self._handle(number, None)

    def wait(self, seconds: float) -> None:
        """Wait; less if the wrapper is told to end."""
        until = time.monotonic() + seconds
        while self.asked is None and (left := until - time.monotonic()) > 0:
            select.select([self.read_end], [], [], left)
            self.seen()

    def seen(self) -> None:
        """Empty the pipe."""
        try:
            os.read(self.read_end, 4096)
        except BlockingIOError:
            return

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._late is not None:
            self._late.append(number)
            return
        if number in ENDING:
            self.asked = number
        if self.receiver is not None:
            self.receiver(number)
        if number == _STOP:
            os.kill(os.getpid(), signal.SIGSTOP)  # goes on with SIGCONT, and passes that on


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False
