"""Starting, watching and ending one program."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil
import requests

from tests.support.tools import tool

T = TypeVar("T")


class TooLate(Exception):
    """What a test waited for did not come."""


class ProgramEnded(Exception):
    """A program ended when it should run."""


def wait_for(attempt: Callable[[], T], what: str, *, seconds: float = 30) -> T:
    """Repeats `attempt` until its answer is true and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := attempt():
            return answer
        if time.monotonic() > deadline:
            raise TooLate(f"{what}: not within {seconds:g} seconds; the last answer was {answer!r}")
        time.sleep(0.02)


def free_port() -> int:
    """A loopback port that the kernel gives to nobody else for a minute.

    A connection closed by the listening side leaves the port in TIME_WAIT: the kernel then chooses other
    ports for those who ask for any, and lets those in who name it. That keeps parallel tests apart.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        address: tuple[str, int] = listener.getsockname()
        with socket.create_connection(address), listener.accept()[0]:
            return address[1]


def launcher(account: tuple[int, int] | None = None, end: signal.Signals = signal.SIGTERM) -> list[str]:
    """What to put before a command so that it ends, by signal `end`, with the thread that started it.

    A test run that is killed takes its servers with it. account: user and group id to run as. The launcher
    becomes the program: it keeps the process id.
    """
    command = [tool("setpriv"), "--pdeathsig", end.name.removeprefix("SIG")]
    if account:
        user, group = account
        command += [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    return [*command, "--"]


class Program:
    """One program with its own process group and a file for its output.

    account: user and group id to run as. It can be started again after it was stopped or killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        account: tuple[int, int] | None = None,
        end_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.folder = folder
        self._command = list(command)
        self._environment = environment
        self._account = account
        self._end_signal = end_signal
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Everything it has printed so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            # The kernel ends a child with the thread that started it, see launcher.
            raise RuntimeError("start programs from the main thread: start() returns at once")
        if self.running:
            raise RuntimeError(f"{self.name} already runs")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*launcher(self._account, self._end_signal), *self._command],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until(self, answer: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
        """Waits for `answer`, and fails at once with the output if the program ends before."""

        def attempt() -> bool:
            if not self.running:
                raise ProgramEnded(f"{self.name} ended before this: {what}\n{self.log[-4000:]}")
            return answer()

        try:
            wait_for(attempt, what, seconds=seconds)
        except TooLate as error:
            error.add_note(f"Output of {self.name}:\n{self.log[-4000:]}")
            raise

    def wait_until_answers(self, url: str, *, seconds: float = 30) -> None:
        """Waits until a GET of `url` is answered by 200."""
        self.wait_until(lambda: _answers(url), f"{self.name} answers at {url}", seconds=seconds)

    def stop(self, *, seconds: float = 30) -> int:
        """Asks it to end (SIGTERM) and returns its exit code; for one ended by a signal that is negative."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        with suppress(ProcessLookupError):
            self._process.send_signal(self._end_signal)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TooLate(f"{self.name} did not end on {self._end_signal.name}\n{self.log[-4000:]}") from None

    def kill(self) -> None:
        """As `kill -9`, with all its children: nothing gets a chance to tidy up."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        # Not by process group: PostgreSQL's sessions are each in one of their own.
        children = psutil.Process(self._process.pid).children(recursive=True) if self.running else []
        self._process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self._process.wait()
        wait_for(lambda: not any(_alive(child) for child in children), f"{self.name} is gone")

    def close(self) -> None:
        """Ends it if it still runs, and prints its output: pytest shows that for a test that failed."""
        try:
            if self.running:
                self.stop()
        finally:
            print(f"--- output of {self.name} ---\n{self.log[-20000:]}")


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False
