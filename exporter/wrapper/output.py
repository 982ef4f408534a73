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

    def __init__(self) -> None:
        self.arguments: dict[str, int] = {}
        self.streams: list[Stream] = []
        self.selector = selectors.DefaultSelector()
        piped = [number for number in (1, 2) if _is_open(number) and not os.isatty(number)]
        shared = len(piped) == 2 and os.path.sameopenfile(1, 2)
        for number in piped:
            if shared and self.streams:
                self.arguments[NAMES[number]] = self.streams[0].write_end
                continue
            stream = Stream(number, "output" if shared else NAMES[number])
            self.streams.append(stream)
            self.arguments[NAMES[number]] = stream.write_end
            self.selector.register(stream.read_end, selectors.EVENT_READ, stream)

    def started(self) -> None:
        """The command has its ends of the pipes; ours would keep them open."""
        for stream in self.streams:
            os.close(stream.write_end)

    def turn(self, seconds: float | None) -> bool:
        """Pass on what comes within the time; False if nothing came."""
        found = self.selector.select(seconds)
        for key, _ in found:
            if not isinstance(key.data, Stream):
                os.read(key.fd, 4096)  # a signal came
            elif not key.data.pass_on():
                self.selector.unregister(key.data.read_end)
                os.close(key.data.read_end)
        return bool(found)

    @property
    def is_open(self) -> bool:
        """Whether somebody may still write."""
        return any(isinstance(key.data, Stream) for key in self.selector.get_map().values())

    def lines(self, most: int) -> list[tuple[str, str]]:
        """The last lines with the names of their streams."""
        return [(stream.name, line) for stream in self.streams for line in stream.lines(most)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
