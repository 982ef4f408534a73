"""What a command writes: passed through byte by byte, its last lines remembered.

A stream that is a terminal is inherited as it is, and nothing of it is kept: programs behave there as without the
wrapper, and whoever sits before it has seen the lines. Any other stream becomes a pipe. Where stdout and stderr are
one file (`>log 2>&1`), they share one pipe, which keeps their order.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque

from exporter.wrapper.signals import Signals

MOST_BYTES = 64 << 10
"""Bytes remembered of each stream."""
NAMES = {1: "stdout", 2: "stderr"}


class Stream:
    """One pipe from the command, and where it leads."""

    def __init__(self, target: int, name: str) -> None:
        self.name = name
        self.read_end, self.write_end = os.pipe()
        self._target = target
        self._tail = bytearray()

    def pass_on(self) -> bool:
        """Pass on what is there; False at the end, and when nobody takes it any more."""
        chunk = os.read(self.read_end, 65_536)
        if not chunk:
            return False
        self._tail += chunk
        del self._tail[:-MOST_BYTES]
        left = memoryview(chunk)
        while left:
            try:
                left = left[os.write(self._target, left) :]
            except BlockingIOError:
                time.sleep(0.01)  # the target was set to non-blocking by whoever shares it
            except OSError:
                return False  # as `head` does: the command then gets its SIGPIPE from the closed pipe
        return True

    def lines(self, most: int) -> list[str]:
        """The last lines."""
        found = self._tail.decode("utf-8", "replace").splitlines()
        return list(deque((line for line in found if line.strip()), maxlen=most))


class Output:
    """The streams of one attempt. `arguments`: for `Popen`."""

    def __init__(self, signals: Signals) -> None:
        self.arguments: dict[str, int] = {}
        self.streams: list[Stream] = []
        self._signals = signals
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals.read_end, selectors.EVENT_READ)
        self._open: list[Stream] = []
        piped = [number for number in (1, 2) if _is_given(number) and not os.isatty(number)]
        shared = len(piped) == 2 and os.path.sameopenfile(1, 2)
        for number in piped:
            if shared and self.streams:
                self.arguments[NAMES[number]] = self.streams[0].write_end
                continue
            stream = Stream(number, "output" if shared else NAMES[number])
            self.streams.append(stream)
            self._open.append(stream)
            self.arguments[NAMES[number]] = stream.write_end
            self._selector.register(stream.read_end, selectors.EVENT_READ, stream)

    def started(self) -> None:
        """The command has its ends of the pipes; ours would keep them open."""
        for stream in self.streams:
            os.close(stream.write_end)

    def close(self) -> None:
        """Let go of our ends of the pipes."""
        for stream in self._open:
            os.close(stream.read_end)
        self._open.clear()
        self._selector.close()

    def turn(self, seconds: float | None) -> None:
        """Pass on what comes within the time; a signal ends the wait."""
        for key, _ in self._selector.select(seconds):
            if not isinstance(key.data, Stream):
                self._signals.seen()
            elif not key.data.pass_on():
                self._selector.unregister(key.data.read_end)
                os.close(key.data.read_end)
                self._open.remove(key.data)

    def pass_all_on(self) -> None:
        """Pass on what comes until nobody may write any more; for a process that does nothing else."""
        with selectors.DefaultSelector() as selector:  # the other one is shared with the process that forked
            for stream in self._open:
                selector.register(stream.read_end, selectors.EVENT_READ, stream)
            while selector.get_map():
                for key, _ in selector.select():
                    if not key.data.pass_on():
                        selector.unregister(key.fileobj)
                        os.close(key.data.read_end)

    @property
    def is_open(self) -> bool:
        """Whether somebody may still write."""
        return bool(self._open)

    def lines(self, most: int) -> list[tuple[str, str]]:
        """The last lines with the names of their streams."""
        return [(stream.name, line) for stream in self.streams for line in stream.lines(most)]


def fill_closed() -> None:
    """Put something in the place of standard streams that are closed, lest a file or socket of ours gets there.

    The command finds them closed all the same, as it does not inherit what is put there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _is_given(number: int) -> bool:
    """Whether a stream was open when this process started."""
    return os.get_inheritable(number)
