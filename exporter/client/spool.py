"""Events that wait to be delivered: written where they happen, read by the sender, kept when the process dies."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from json import dumps
from pathlib import Path

from exporter.client.complaints import complain
from exporter.client.record import HEAD, Importance, Kind
from exporter.client.segment import HEADER, LENGTH, SUFFIX, Segment
from exporter.client.shelf import left_behind, mark_of, rewritten

SMALL = 256 << 10
"""Bytes of a process's first file; most need no more."""
LARGE = 2 << 20
"""Bytes of further files."""
MOST_DATA = 1_000_000
"""Bytes of one event's data that a server takes."""
MOST_ADOPTED = 8
"""Files of dead processes that are open at once: there may be thousands, and descriptors are the program's."""
OLDEST = 7 * 86_400 * 10**9
"""A server knows repeats for seven days (ns). What is older might be counted twice, and is thrown away."""


class Spool:
    """Segments of this process, and those that dead ones left. Appending is safe in threads and signal handlers."""

    def __init__(self, folder: Path | None, limit: int, *, now: Callable[[], int] = time.time_ns) -> None:
        self.folder = folder
        self.limit = limit
        self.dropped = 0
        self.full: Callable[[], object] = lambda: None
        """Called when more waits than may, in the thread that tells."""
        self._now = now
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._adopting = threading.Lock()
        self._busy = False
        self._late: deque[bytes] = deque()
        self._numbers = count(1)
        self._files = count()
        self._segments: deque[Segment] = deque()
        self.has_left = False
        """Whether dead processes left more than was adopted."""
        self._left: deque[Path] = deque()
        self._left_bytes = 0
        self._current: Segment | None = None
        self._token = f"{os.getpid()}-{os.urandom(6).hex()}"
        host = socket.gethostname().encode("ascii", "replace").decode()[:200]
        self._source = dumps(f"/exporter.client/{host}/{self._token}")

    def after_fork(self) -> None:
        """In the child: what the parent wrote is the parent's to deliver."""
        for segment in self._segments:
            segment.forget()
        self._begin()

    def tell(self, kind: Kind, time: int, started: int, data: str, number: int = 0) -> int:
        """Add an event, its JSON in ASCII. Returns its number: the one given, or the next one."""
        if len(data) > MOST_DATA:
            complain(
                "large",
                f"a {kind.type} of {len(data)} bytes is more than a server takes: dropped",
                again=True,
            )
            return number
        number = number or next(self._numbers)
        raw = HEAD.pack(kind[0], number, time, started) + data.encode("ascii")
        with self._lock:
            if self._busy:
                # A signal handler that came while this very thread was writing.
                self._late.append(raw)
                return number
            self._busy = True
            try:
                self._append(raw)
                while self._late:
                    self._append(self._late.popleft())
            finally:
                self._busy = False
        return number

    def _append(self, raw: bytes) -> None:
        current = self._current
        if current is None or not current.append(raw):
            current = self._rotated(len(raw))
            if current is not None:
                current.append(raw)

    def _rotated(self, length: int) -> Segment | None:
        """A further segment with room for a record; None if neither disk nor memory has any."""
        least = HEADER + LENGTH + length + 4096
        sizes = [SMALL] if self._current is None and not self._segments else [LARGE, SMALL]
        created = self._now()
        segment = (
            None if self.folder is None else self._on_disk([max(each, least) for each in sizes], created)
        )
        if segment is None:
            try:
                segment = Segment.in_memory(max(SMALL, least), self._source, created)
            except (OSError, MemoryError) as error:
                complain("memory", f"no memory for events ({error}): they are lost")
                return None
        if self._current is not None:
            self._current.rest()
        self._segments.append(segment)
        self._current = segment
        if self._excess() > 0:
            self.full()
        return segment

    def _excess(self) -> int:
        return sum(segment.size for segment in self._segments) + self._left_bytes - self.limit

    def _on_disk(self, sizes: list[int], created: int) -> Segment | None:
        """A segment of the first size that there is room for."""
        assert self.folder is not None
        for size in sizes:
            name = self._name(created)
            try:
                try:
                    return Segment.create(self.folder, name, size, self._source, created)
                except FileNotFoundError:  # somebody removed the folder meanwhile
                    self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    return Segment.create(self.folder, name, size, self._source, created)
            except (OSError, MemoryError) as error:
                if size == sizes[-1]:
                    complain("spool", f"cannot write to {self.folder} ({error}): events wait in memory only")
        return None

    def _name(self, created: int) -> str:
        return f"{created:020d}-{self._token}-{next(self._files)}"

    def waiting(self) -> Segment | None:
        """The oldest segment with something to deliver; those that have nothing any more are removed."""
        done = []
        found = None
        with self._lock:
            while self._segments:
                oldest = self._segments[0]
                if oldest.acked < oldest.position:
                    found = oldest
                    break
                if oldest is self._current:
                    break
                done.append(self._segments.popleft())
        for each in done:
            each.close(remove=True)
        return found

    @property
    def is_empty(self) -> bool:
        """Whether all that this process knows of is delivered."""
        with self._lock:
            return not self.has_left and all(each.acked >= each.position for each in self._segments)

    def _own(self) -> set[Path | None]:
        """Files that are open here."""
        with self._lock:
            return {segment.path for segment in self._segments}

    def adopt(self, *, look: bool = False) -> bool:
        """Take over files of processes that are no more, the oldest first; whether there were any.

        `look`: see first what there is; else go on with what was seen.
        """
        with self._adopting:
            if look and self.folder is not None:
                seen = list(left_behind(self.folder, self._own()))
                self._left = deque(path for path, _ in seen)
                self._left_bytes = sum(size for _, size in seen)
            with self._lock:
                room = MOST_ADOPTED - sum(segment.source != self._source for segment in self._segments)
            found: list[Segment] = []
            while len(found) < room and self._left:
                segment = Segment.adopt(self._left.popleft())
                if segment is not None and not self._is_done(segment):
                    found.append(segment)
            with self._lock:
                self._segments.extendleft(reversed(found))
                self.has_left = bool(self._left)
            return bool(found)

    def _is_done(self, segment: Segment) -> bool:
        """Whether a file holds nothing to deliver; it is removed then."""
        is_old = self._now() - segment.created > OLDEST
        if is_old and segment.acked < segment.position:
            complain(
                "old", f"{segment.path} is older than seven days: its events are thrown away", again=True
            )
        if is_old or segment.acked >= segment.position:
            segment.close(remove=True)
            return True
        return False

    def shrink(self) -> None:
        """Bring what waits below the limit: progress goes first, then logs, then starts; ends stay."""
        with self._lock:
            closed = [segment for segment in self._segments if segment is not self._current]
            excess = self._excess()
        for least in Importance:
            if excess > 0 and self._left_bytes > 0:
                excess -= self._shrink_left(least, excess)
            for number, segment in enumerate(closed):
                if excess <= 0:
                    return
                if segment.least >= least:
                    continue
                smaller = self._without(segment, least)
                excess -= segment.size - smaller.size
                closed[number] = smaller

    def _without(self, segment: Segment, least: Importance) -> Segment:
        """A segment of ours with nothing less important; itself if there is nothing to leave out."""
        name = None if segment.path is None else self._name(segment.created)
        smaller, dropped = rewritten(segment, least, self.folder, name)
        if smaller is None:
            segment.least = least
            return segment
        with self._lock:
            self._segments[self._segments.index(segment)] = smaller
        segment.close(remove=True)
        self._complain(dropped)
        return smaller

    def _shrink_left(self, least: Importance, excess: int) -> int:
        """The same for what dead processes left, without adopting it; the bytes that this saved."""
        if self.folder is None:
            return 0
        saved = 0
        for path, size in left_behind(self.folder, self._own()):
            if saved >= excess:
                break
            segment = None if mark_of(path) >= least else Segment.adopt(path)
            if segment is None:
                continue
            saved += size
            name = f"{self._name(segment.created)}.{least:d}"
            smaller, dropped = rewritten(segment, least, self.folder, name)
            if smaller is None:
                with suppress(OSError):
                    path.rename(self.folder / f"{name}{SUFFIX}")
                saved -= segment.position
                segment.close(remove=False)
                continue
            saved -= smaller.size
            smaller.close(remove=False)
            segment.close(remove=True)
            self._complain(dropped)
        self._left_bytes = max(self._left_bytes - saved, 0)
        return saved

    def _complain(self, dropped: int) -> None:
        self.dropped += dropped
        if dropped:
            complain(
                "full", f"the spool is full ({self.limit} bytes): older progress, logs and starts are dropped"
            )

    def close(self) -> None:
        """Leave what is undelivered to the next process. What is told after this makes a new file."""
        with self._lock:
            for segment in self._segments:
                segment.close(remove=segment.acked >= segment.position)
            self._segments.clear()
            self._current = None
