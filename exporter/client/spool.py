"""Events that wait to be delivered: written where they happen, read by the sender, kept when the process dies."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from itertools import count
from json import dumps
from pathlib import Path

from exporter.client.complaints import complain
from exporter.client.record import HEAD, Importance, Kind, Record
from exporter.client.segment import CAN_SPOOL, HEADER, LENGTH, SUFFIX, Segment

SMALL = 256 << 10
"""Bytes of a process's first file; most need no more."""
LARGE = 2 << 20
"""Bytes of further files."""
MOST_DATA = 1_000_000
"""Bytes of one event's data that a server takes."""
OLDEST = 7 * 86_400 * 10**9
"""A server knows repeats for seven days (ns). What is older might be counted twice, and is thrown away."""


class Spool:
    """Segments of this process, and those that dead ones left. Appending is safe in threads and signal handlers."""

    def __init__(self, folder: Path | None, limit: int, *, now: Callable[[], int] = time.time_ns) -> None:
        self.folder = folder
        self.limit = limit
        self.dropped = 0
        self._now = now
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._busy = False
        self._late: deque[bytes] = deque()
        self._numbers = count(1)
        self._files = count()
        self._segments: deque[Segment] = deque()
        self._current: Segment | None = None
        self._token = f"{os.getpid()}-{secrets.token_hex(6)}"
        host = socket.gethostname().encode("ascii", "replace").decode()[:200]
        self._source = dumps(f"/exporter.client/{host}/{self._token}")

    def after_fork(self) -> None:
        """In the child: what the parent wrote is the parent's to deliver."""
        for segment in self._segments:
            segment.forget()
        self._begin()

    def tell(self, kind: Kind, time: int, started: int, data: str) -> None:
        """Add an event, its JSON in ASCII."""
        raw = HEAD.pack(kind[0], next(self._numbers), time, started) + data.encode("ascii")
        with self._lock:
            if self._busy:
                # A signal handler that came while this very thread was writing.
                self._late.append(raw)
                return
            self._busy = True
            try:
                self._append(raw)
                while self._late:
                    self._append(self._late.popleft())
            finally:
                self._busy = False

    def _append(self, raw: bytes) -> None:
        current = self._current
        if current is None or not current.append(raw):
            self._rotated(len(raw)).append(raw)

    def _rotated(self, length: int) -> Segment:
        """A further segment with room for a record."""
        size = SMALL if self._current is None and not self._segments else LARGE
        size = max(size, HEADER + LENGTH + length + 4096)
        created = self._now()
        segment: Segment | None = None
        if self.folder is not None:
            name = f"{created:020d}-{self._token}-{next(self._files)}"
            try:
                segment = Segment.create(self.folder, name, size, self._source, created)
            except OSError as error:
                complain("spool", f"cannot write to {self.folder} ({error}): events wait in memory only")
        if segment is None:
            segment = Segment.in_memory(size, self._source, created)
        self._segments.append(segment)
        self._current = segment
        return segment

    def waiting(self) -> Segment | None:
        """The oldest segment with something to deliver; those that have nothing any more are removed."""
        with self._lock:
            while self._segments:
                oldest = self._segments[0]
                if oldest.acked < oldest.position:
                    return oldest
                if oldest is self._current:
                    return None
                self._segments.popleft()
                oldest.close(remove=True)
            return None

    @property
    def is_empty(self) -> bool:
        """Whether all that this process knows of is delivered."""
        return self.waiting() is None

    def adopt(self) -> None:
        """Take over the files of processes that are no more, the oldest first."""
        if self.folder is None:
            return
        with self._lock:
            own = {segment.path for segment in self._segments}
            found = []
            for path in sorted(self.folder.glob(f"*{SUFFIX}")):
                segment = None if path in own else Segment.adopt(path)
                if segment is None:
                    continue
                if self._now() - segment.created > OLDEST:
                    complain(
                        "old", f"{path} is older than seven days: its events are thrown away", again=True
                    )
                    segment.close(remove=True)
                else:
                    found.append(segment)
            self._segments.extendleft(reversed(found))

    def shrink(self) -> None:
        """Bring closed segments below the limit: progress goes first, then logs, then starts; ends stay."""
        for importance in (Importance.LOG, Importance.START, Importance.KEPT):
            closed = [segment for segment in list(self._segments) if segment is not self._current]
            excess = sum(segment.size for segment in self._segments) - self.limit
            for segment in closed:
                if excess <= 0:
                    return
                excess -= self._without(segment, importance)

    def _without(self, segment: Segment, least: Importance) -> int:
        """Rewrite a segment with what is at least so important; the bytes that this saved."""
        kept: list[Record] = []
        dropped = 0
        for _, record in segment.records(segment.acked):
            if record is not None and record.kind.importance >= least:
                kept.append(record)
            else:
                dropped += 1
        if not dropped:
            return 0
        raw = [HEAD.pack(each.kind.number, *each[1:4]) + each.data for each in kept]
        size = HEADER + sum(LENGTH + len(each) for each in raw) + LENGTH
        try:
            smaller = self._rewritten(segment, size)
        except OSError:
            return 0
        for each in raw:
            smaller.append(each)
        with self._lock:
            self._segments[self._segments.index(segment)] = smaller
        segment.close(remove=True)
        self.dropped += dropped
        complain(
            "full", f"the spool is full ({self.limit} bytes): older progress, logs and starts are dropped"
        )
        return segment.size - size

    def _rewritten(self, segment: Segment, size: int) -> Segment:
        if segment.path is None or self.folder is None:
            return Segment.in_memory(size, segment.source, segment.created)
        name = f"{segment.created:020d}-{self._token}-{next(self._files)}"
        return Segment.create(self.folder, name, size, segment.source, segment.created)

    def close(self) -> None:
        """Leave what is undelivered to the next process. What is told after this makes a new file."""
        with self._lock:
            for segment in self._segments:
                segment.close(remove=segment.acked >= segment.position)
            self._segments.clear()
            self._current = None


def spool_folder(root: Path | None, url: str) -> Path | None:
    """Folder for events to one server, made if need be; None where none can be had, which is said once."""
    if root is None or not CAN_SPOOL:
        return None
    folder = root / f"spool-{blake2b(url.encode(), digest_size=6).hexdigest()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        if not mine:
            raise PermissionError(f"{folder} can be written by others")
        _probe(folder)
    except OSError as error:
        complain("spool", f"no spool ({error}): events wait in memory only, and are lost with the process")
        return None
    return folder


def _probe(folder: Path) -> None:
    """Raises OSError unless files can be made there; removes what died while it was made."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} cannot be written")
    for path in folder.glob("*.new"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > 3600:
                path.unlink()
