"""Blocks of Prometheus' database, written at once: https://github.com/prometheus/prometheus/tree/main/tsdb/docs/format.

Asking a server to take in a day of samples would take hours; the files are the same.
"""

from __future__ import annotations

import json
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.chunks import SAMPLES, Change, checksum, chunk, uvarint, varint

Labels = tuple[tuple[str, str], ...]
"""Name and value, in the order of names."""

_SEGMENT = 400 * 2**20
_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Series:
    """A series sampled every `interval` ms from `begin` to before `end`, which are multiples of it.

    The first of its changes is its value at the beginning; no two share a sample.
    """

    labels: Labels
    interval: int
    changes: Sequence[Change]
    begin: int = 0
    end: int = 1 << 62


@dataclass(frozen=True, slots=True)
class _Stored:
    """Chunks of a series one behind the other, and what the index says of them around the first one's place."""

    chunks: bytes
    number: int
    head: bytes
    tail: bytes


class Block:
    """One block: from `start` to `end`, both in milliseconds."""

    def __init__(self, folder: Path, start: int, end: int) -> None:
        name = f"01{'A' * 14}" + "".join(_ULID[start >> shift & 31] for shift in range(45, -1, -5))
        self._folder = folder / name
        self._name = name
        self._start, self._end = start, end
        self._constant: dict[tuple[int, float], _Stored] = {}
        self._flat: dict[tuple[int, int, float], bytes] = {}

    def write(self, series: Sequence[Series]) -> None:
        """Write what belongs here of series, which are in the order of their labels."""
        series = [each for each in series if each.begin < self._end and each.end > self._start]
        (self._folder / "chunks").mkdir(parents=True)
        index = _Index([each.labels for each in series])
        samples = chunks = 0
        with _Segments(self._folder / "chunks") as segments:
            for each in series:
                stored = self._stored(each)
                reference = segments.add(stored.chunks)
                index.add(each.labels, stored.number, stored.head + uvarint(reference) + stored.tail)
                samples += (min(self._end, each.end) - max(self._start, each.begin)) // each.interval
                chunks += stored.number
        (self._folder / "index").write_bytes(index.finished())
        about = {
            "version": 1,
            "ulid": self._name,
            "minTime": self._start,
            "maxTime": self._end,
            "stats": {"numSamples": samples, "numSeries": len(series), "numChunks": chunks},
            "compaction": {"level": 1, "sources": [self._name]},
        }
        (self._folder / "meta.json").write_text(json.dumps(about))

    def _stored(self, series: Series) -> _Stored:
        whole = series.begin <= self._start and series.end >= self._end
        start = max(self._start, series.begin)
        first = bisect_right(series.changes, start, key=lambda change: change[0])
        value = series.changes[max(first - 1, 0)][1]
        if not whole:
            return self._chunks(series, first, value)
        if first >= len(series.changes) or series.changes[first][0] >= self._end:
            key = (series.interval, value)
            if key not in self._constant:
                self._constant[key] = self._chunks(series, first, value)
            return self._constant[key]
        return self._chunks(series, first, value)

    def _chunks(self, series: Series, position: int, value: float) -> _Stored:
        interval, changes = series.interval, series.changes
        found: list[bytes] = []
        spans: list[tuple[int, int]] = []
        origin = max(self._start, series.begin)
        total = (min(self._end, series.end) - origin) // interval
        for begin in range(0, total, SAMPLES):
            start = origin + begin * interval
            number = min(SAMPLES, total - begin)
            while position < len(changes) and changes[position][0] <= start:
                value = changes[position][1]
                position += 1
            after = position
            last = start + (number - 1) * interval
            while after < len(changes) and changes[after][0] <= last:
                after += 1
            if after == position:
                found.append(self._flat_chunk(start, interval, number, value))
            else:
                found.append(chunk(start, interval, number, value, changes[position:after]))
                value = changes[after - 1][1]
            position = after
            spans.append((start, last))
        return _stored(found, spans)

    def _flat_chunk(self, start: int, interval: int, number: int, value: float) -> bytes:
        key = (start, interval, value)
        found = self._flat.get(key)
        if found is None:
            found = self._flat[key] = chunk(start, interval, number, value, ())
        return found


def _stored(chunks: Sequence[bytes], spans: Sequence[tuple[int, int]]) -> _Stored:
    start, end = spans[0]
    head = varint(start) + uvarint(end - start)
    tail = bytearray()
    for before, (begin, last), written in zip(spans, spans[1:], chunks, strict=False):
        tail += uvarint(begin - before[1]) + uvarint(last - begin) + varint(len(written))
    return _Stored(b"".join(chunks), len(chunks), head, bytes(tail))


class _Segments:
    """Files of chunks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._open()

    def _open(self) -> None:
        self._number += 1
        self._file = (self._folder / f"{self._number:06}").open("wb")
        self._file.write(struct.pack(">IB3x", 0x85BD40DD, 1))

    def __enter__(self) -> _Segments:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, chunks: bytes) -> int:
        """Write chunks, and tell where the first one is."""
        if self._file.tell() + len(chunks) > _SEGMENT:
            self._file.close()
            self._open()
        place = (self._number - 1) << 32 | self._file.tell()
        self._file.write(chunks)
        return place


class _Index:
    """The index of a block, version 2."""

    def __init__(self, labels: Sequence[Labels]) -> None:
        symbols = sorted({text for each in labels for pair in each for text in pair}, key=str.encode)
        self._symbols = {text: number for number, text in enumerate(symbols)}
        self._data = bytearray(struct.pack(">IB", 0xBAAAD700, 2))
        listed = b"".join(_text(text) for text in symbols)
        self._symbols_at = self._section(struct.pack(">I", len(symbols)) + listed)
        self._postings: dict[tuple[str, str], list[int]] = {("", ""): []}
        self._series_at = len(self._data)

    def _section(self, content: bytes) -> int:
        self._data += bytes(-len(self._data) % 4)
        place = len(self._data)
        self._data += struct.pack(">I", len(content)) + content + checksum(content)
        return place

    def add(self, labels: Labels, chunks: int, described: bytes) -> None:
        """Add a series, and where its chunks are."""
        self._data += bytes(-len(self._data) % 16)
        number = len(self._data) // 16
        symbols = b"".join(uvarint(self._symbols[text]) for pair in labels for text in pair)
        content = uvarint(len(labels)) + symbols + uvarint(chunks) + described
        self._data += uvarint(len(content)) + content + checksum(content)
        for pair in (("", ""), *labels):
            self._postings.setdefault(pair, []).append(number)

    def finished(self) -> bytes:
        """All of it, with lists of the series of each label behind."""
        postings_at = len(self._data)
        entries = []
        for name, value in sorted(self._postings, key=lambda pair: (pair[0].encode(), pair[1].encode())):
            numbers = self._postings[name, value]
            place = self._section(struct.pack(f">I{len(numbers)}I", len(numbers), *numbers))
            entries.append(b"\x02" + _text(name) + _text(value) + uvarint(place))
        table_at = self._section(struct.pack(">I", len(entries)) + b"".join(entries))
        places = struct.pack(">6Q", self._symbols_at, self._series_at, 0, 0, postings_at, table_at)
        return bytes(self._data) + places + checksum(places)


def _text(text: str) -> bytes:
    coded = text.encode()
    return uvarint(len(coded)) + coded
