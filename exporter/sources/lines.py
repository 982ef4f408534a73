"""Files that lines are added to, and that are rotated: read on from where they were left, whole lines only.

What is remembered of a file is how far it was read, and a mark of the bytes before that. So a file that was renamed,
copied or packed (`events.jsonl` to `events.jsonl.1` or `.1.gz`) is known again and read to its end, and one that began
anew is read from its beginning, however large it has become meanwhile.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, cast

MOST_BYTES = 16 * 1024 * 1024
"""Size of one line."""

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file can fail with, a packed one too."""

_BEFORE = 1024
"""Bytes that a place in a file is known by."""

_MOST_BESIDE = 100
"""Files that are looked into for one that was moved; of more, those that changed last."""

_HEAD = 4096
_BLANK = b" \t\r\n\0\xef\xbb\xbf"
"""What is no part of a line: a byte order mark too, and zeros, which a writer leaves whose file was cut off."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read: bytes, and the mark of those just before."""

    offset: int
    mark: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end, where it begins, and the place behind it. `text` None: it was too long to be read."""

    text: bytes | None
    begin: int
    end: int


BEGIN = Place(0, 0)


def is_continued(path: Path, place: Place) -> bool:
    """Whether a file is the one that was read up to a place. Raises what is UNREADABLE."""
    if not place.offset:
        return True
    with _opened(path) as file:
        return _mark(file, place.offset) == place.mark


def moved(path: Path, place: Place) -> Path | None:
    """Where a file went that is no longer at its path: beside it, with a name that begins alike. Raises OSError."""
    if not place.offset:
        return None
    begin = path.name.partition(".")[0]
    found = [
        (beside.stat().st_mtime_ns, beside)
        for beside in path.parent.iterdir()
        if beside.name.startswith(begin) and beside != path and beside.is_file()
    ]
    for _, beside in sorted(found, reverse=True)[:_MOST_BESIDE]:
        try:
            if is_continued(beside, place):
                return beside
        except UNREADABLE:
            continue  # gone meanwhile, being packed, or not for us to read: it is not the one
    return None


def lines_of(path: Path, place: Place) -> Iterator[Line]:
    """Lines behind a place, blank ones left out. The last one only if it is whole. Raises what is UNREADABLE."""
    with _opened(path) as file:
        file.seek(place.offset)
        begin = place.offset
        while text := file.readline(MOST_BYTES):
            is_long = len(text) == MOST_BYTES and not text.endswith(b"\n")
            while is_long and text and not text.endswith(b"\n"):
                text = file.readline(MOST_BYTES)
            if not text.endswith(b"\n") and (is_long or not _is_whole(text)):
                return
            end = file.tell()
            if is_long:
                yield Line(None, begin, end)
            elif stripped := text.strip(_BLANK):
                yield Line(stripped, begin, end)
            begin = end


def place_at(path: Path, offset: int) -> Place:
    """The place behind so many bytes. Raises what is UNREADABLE."""
    with _opened(path) as file:
        return Place(offset, _mark(file, offset))


def name_of(path: Path) -> str:
    """What lines of a file are told apart by from those of others, wherever it is moved: its first line. Raises."""
    with _opened(path) as file:
        head = file.read(_HEAD).lstrip(_BLANK).partition(b"\n")[0].rstrip(_BLANK)
    return blake2b(head, digest_size=8).hexdigest()


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _mark(file: IO[bytes], offset: int) -> int:
    begin = max(0, offset - _BEFORE)
    file.seek(begin)
    before = file.read(offset - begin)
    if len(before) < offset - begin:
        return -1
    return int.from_bytes(blake2b(before, digest_size=7).digest())


def _is_whole(text: bytes) -> bool:
    """Whether a line that has no end is one all the same: an object that was closed."""
    text = text.strip(_BLANK)
    if not text.endswith(b"}"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
