"""The folder of the spool: where it is, what dead processes left there, and how their files get smaller."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

from exporter.client.complaints import complain
from exporter.client.record import KINDS, Importance
from exporter.client.segment import CAN_SPOOL, HEADER, LENGTH, SUFFIX, Segment


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


def left_behind(folder: Path, own: Iterable[Path | None]) -> Iterator[tuple[Path, int]]:
    """Files of other processes, dead or alive, with their sizes; the oldest first."""
    known = {path.name for path in own if path is not None}
    try:
        with os.scandir(folder) as entries:
            names = sorted(each.name for each in entries if each.name.endswith(SUFFIX))
    except OSError:  # removed meanwhile
        return
    for name in names:
        if name not in known:
            with contextlib.suppress(OSError):  # delivered meanwhile, by another process
                yield folder / name, (folder / name).stat().st_size


def mark_of(path: Path) -> int:
    """How important the least is that was left in a file; below all importance if none was taken out."""
    mark = path.name.removesuffix(SUFFIX).rpartition(".")[2]
    return int(mark) if len(mark) == 1 and mark.isdecimal() else -1


def rewritten(
    segment: Segment, least: Importance, folder: Path | None, name: str | None
) -> tuple[Segment | None, int]:
    """A copy of what waits in a segment and is at least so important, and how many records it lacks.

    None if the segment could be no smaller, or there is no room for a copy. `name`: of the file; without one it
    stays in memory.
    """
    kept: list[bytes] = []
    dropped = 0
    for _, raw in segment.raw(segment.acked):
        kind = KINDS.get(raw[0])
        if kind is not None and kind.importance >= least:
            kept.append(raw)
        else:
            dropped += 1
    size = HEADER + sum(LENGTH + len(each) for each in kept) + LENGTH
    if size >= segment.size:
        return None, 0
    try:
        if folder is None or name is None:
            smaller = Segment.in_memory(size, segment.source, segment.created)
        else:
            smaller = Segment.create(folder, name, size, segment.source, segment.created)
    except OSError:
        return None, 0
    for each in kept:
        smaller.append(each)
    smaller.least = least
    return smaller, dropped
