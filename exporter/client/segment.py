"""A file of the spool, written through memory.

What is written to a shared mapping is the kernel's at once: it survives `kill -9` and `os._exit`, and costs no
system call. Whoever holds the lock of the file may read and shorten it; the lock goes with the process.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from tempfile import mkstemp

from exporter.client.record import HEAD, Record, decode

try:
    import fcntl
except ImportError:  # Windows
    CAN_SPOOL = False
else:
    CAN_SPOOL = hasattr(os, "posix_fallocate")

SUFFIX = ".events"
MAGIC = b"pxspool1"
_START = Struct("<8sQQH")
"""Magic, how far it was delivered, when it was made (ns), length of the source that follows."""
HEADER = 512
"""Bytes before the first record."""
LENGTH = 4
WINDOW = 64 << 10
"""Bytes that are read at once."""


class Segment:
    """Records one behind the other. `position`: behind the last one written; `acked`: up to there delivered."""

    def __init__(
        self, memory: mmap.mmap, source: str, created: int, path: Path | None, lock: int | None
    ) -> None:
        self.source = source
        self.created = created
        self.path = path
        self.position = self._acked = HEADER
        self.size = len(memory)
        self.least = 0
        """How important its records are at least, as far as somebody looked."""
        self._memory = memory
        self._mapping = threading.RLock()
        self._lock = lock
        self._file = None if lock is None else _file(lock)

    @classmethod
    def in_memory(cls, size: int, source: str, created: int) -> Segment:
        """A segment without a file. Raises OSError, as when there is no memory."""
        return cls._begun(mmap.mmap(-1, size), source, created, None, None)

    @classmethod
    def create(cls, folder: Path, name: str, size: int, source: str, created: int) -> Segment:
        """A new file. Raises OSError, as when the disk is full.

        It gets its name once it is locked, lest somebody takes it for that of a dead process. Its blocks are
        reserved: a write to a mapping that finds the disk full would end the process.
        """
        descriptor, part = mkstemp(".new", dir=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.posix_fallocate(descriptor, 0, size)
            memory = mmap.mmap(descriptor, size)
            path = folder / f"{name}{SUFFIX}"
            segment = cls._begun(memory, source, created, path, descriptor)
            Path(part).rename(path)
        except (OSError, MemoryError):
            os.close(descriptor)
            Path(part).unlink(missing_ok=True)
            raise
        return segment

    @classmethod
    def _begun(
        cls, memory: mmap.mmap, source: str, created: int, path: Path | None, lock: int | None
    ) -> Segment:
        told = source.encode("ascii")[: HEADER - _START.size]
        memory[: _START.size + len(told)] = _START.pack(MAGIC, HEADER, created, len(told)) + told
        return cls(memory, source, created, path, lock)

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """A file that a process left behind; None if it is alive, or if the file is none of ours."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(descriptor)
            if status.st_nlink == 0 or status.st_size < HEADER:
                os.close(descriptor)
                return None
            memory = mmap.mmap(descriptor, status.st_size)
        except (OSError, MemoryError):
            os.close(descriptor)
            return None
        magic, acked, created, length = _START.unpack_from(memory)
        if magic != MAGIC:
            memory.close()
            os.close(descriptor)
            return None
        source = memory[_START.size : _START.size + length].decode("ascii", "replace")
        segment = cls(memory, source, created, path, descriptor)
        segment.position = segment._end()
        segment._acked = acked
        segment.rest()
        return segment

    @property
    def acked(self) -> int:
        """Up to where it was delivered."""
        return self._acked

    @acked.setter
    def acked(self, position: int) -> None:
        self._acked = position
        with self._mapping, contextlib.suppress(OSError):  # else it is delivered again, and known by its ids
            if self._memory.closed:
                self._map_again()
            self._memory[8:16] = position.to_bytes(8, "little")

    def append(self, raw: bytes) -> bool:
        """Write a record; False if there is no room."""
        here = self.position
        body = here + LENGTH
        end = body + len(raw)
        if end > self.size:
            return False
        # The length comes last: a process that is killed in between leaves no half a record.
        self._memory[body:end] = raw
        self._memory[here:body] = len(raw).to_bytes(LENGTH, "little")
        self.position = end
        return True

    def rest(self) -> None:
        """Nothing is written any more: take no address space until it is read."""
        with self._mapping:
            if self._lock is not None and self._is_open:
                self._memory.close()

    def _map_again(self) -> None:
        if self._lock is None or not self._is_open:
            raise OSError(f"{self.path} was closed")
        try:
            self._memory = mmap.mmap(self._lock, self.size)
        except ValueError as error:
            raise OSError(f"{self.path} was made smaller by somebody else") from error

    def records(self, begin: int) -> Iterator[tuple[int, Record | None]]:
        """Records from a position on, each with the position behind it; None for one that is damaged.

        Raises OSError if the file cannot be read now.
        """
        for end, raw in self.raw(begin):
            yield end, decode(raw)

    def raw(self, begin: int) -> Iterator[tuple[int, bytes]]:
        """The same as they were written."""
        here = base = begin
        chunk = b""
        while here + LENGTH < self.size:
            offset = here - base + LENGTH
            if offset > len(chunk):
                chunk, base, offset = self._read(here, here + WINDOW), here, LENGTH
            length = int.from_bytes(chunk[offset - LENGTH : offset], "little")
            end = here + LENGTH + length
            if length < HEAD.size or end > self.size:
                return
            if offset + length > len(chunk):
                chunk, base, offset = self._read(here, max(end, here + WINDOW)), here, LENGTH
            yield end, chunk[offset : offset + length]
            here = end

    def _read(self, begin: int, end: int) -> bytes:
        with self._mapping:
            if self._memory.closed:
                self._map_again()
            return self._memory[begin:end]

    def _end(self) -> int:
        return max((end for end, _ in self.raw(HEADER)), default=HEADER)

    def close(self, *, remove: bool) -> None:
        """Give the file up: remove it, or leave it, no longer than needed, to whoever comes next."""
        with self._mapping:
            if self.path is not None and self._is_open and self._lock is not None:
                with contextlib.suppress(
                    OSError
                ):  # what stays there is known as delivered, or delivered again
                    if remove:
                        self.path.unlink(missing_ok=True)
                    else:
                        os.ftruncate(self._lock, self.position)
            self.forget()

    def forget(self) -> None:
        """Let go of the mapping and the descriptor, and touch nothing: in a forked child they are the parent's."""
        if self._lock is None:
            self._memory.close()
        elif self._is_open:
            self._memory.close()
            os.close(self._lock)
        elif not self._memory.closed:
            _STRANDED.append(self._memory)
        self._lock = None

    @property
    def _is_open(self) -> bool:
        """Whether the descriptor is still that of the file.

        Programs that become daemons close all descriptors; the number is then that of a file of theirs.
        """
        return self._lock is not None and _file(self._lock) == self._file


_STRANDED: list[mmap.mmap] = []
"""Mappings whose descriptors were closed by the program: to close them would close files of its own."""


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
