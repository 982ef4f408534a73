"""All that one format says of pipelines, kept ready to be sent."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock

from prometheus_client.metrics_core import Metric as PrometheusFamily
from sqlalchemy import Connection

from exporter.catalogue import Metric
from exporter.domain.times import SECOND, to_micros
from exporter.exposition.blocks import LEVEL, Family, inflated
from exporter.exposition.crc import combined, multiply, packed, shift, spread
from exporter.exposition.families import PASSING, SETTLED, Moment, age, family, passing
from exporter.exposition.lines import Escaped, Lines, number
from exporter.exposition.negotiation import Encoder, Kept
from exporter.store.readings import AGES, readings
from exporter.store.snapshot import Snapshot, changed

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""No name, no time, no system (RFC 1952)."""


@dataclass(frozen=True, slots=True)
class Body:
    """Packed text, to be followed by more. `crc` is as `crc.combined` gives it, `length` that of the text."""

    pieces: bytes
    crc: int
    length: int

    def gzip(self, tail: bytes) -> bytes:
        """The text and a tail as one gzip member."""
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed_tail = packer.compress(tail) + packer.flush()
        crc = multiply(self.crc, shift(len(tail))) ^ spread(zlib.crc32(tail))
        end = struct.pack("<LL", packed(crc), (self.length + len(tail)) & 0xFFFFFFFF)
        return b"".join((_GZIP_HEADER, self.pieces, packed_tail, end))

    def text(self, tail: bytes) -> bytes:
        """The text and a tail as they are."""
        return inflated(self.pieces) + tail


class Page:
    """The lines of all settled families in one format, as of a version of the store.

    Not for several threads at once: `lock` is held by the one that uses it. What it returns never changes.
    """

    def __init__(self, kept: Kept) -> None:
        self.lock = Lock()
        self._encoder = kept.encoder
        exemplars = kept is Kept.OPENMETRICS
        self._lines = {metric: Lines(metric, exemplars=exemplars) for metric in (*SETTLED, *PASSING)}
        self._headers = {metric: header(metric, self._encoder) for metric in PASSING}
        self._clear()

    def _clear(self) -> None:
        self.version = -1
        self._families = {metric: Family(header(metric, self._encoder)) for metric in SETTLED}
        self._ages: dict[Metric, dict[int, list[tuple[str, float]]]] = {metric: {} for metric in AGES}
        self._body: Body | None = None

    def refresh(self, connection: Connection, version: int) -> None:
        """Bring the page to the version that the connection sees."""
        if version == self.version:
            return
        if version < self.version:
            self._clear()  # the database was restored from a copy
        for batch in changed(connection, self.version):
            self._take(batch)
        self.version = version

    def _take(self, batch: list[Snapshot]) -> None:
        escaped = Escaped()
        for metric, kept in self._families.items():
            write = self._lines[metric].text
            lines = {s.id: write(readings(metric, s), escaped).encode() for s in batch}
            if kept.put(lines):
                self._body = None
        for metric, ages in self._ages.items():
            for snapshot in batch:
                ages[snapshot.id] = self._lines[metric].starts(readings(metric, snapshot), escaped)

    def body(self) -> Body:
        """All of it, put together again only after a change."""
        if self._body is None:
            blocks = [block for kept in self._families.values() for block in kept.blocks]
            self._body = Body(
                b"".join(block.packed for block in blocks),
                combined((block.crc, block.behind) for block in blocks),
                sum(block.length for block in blocks),
            )
        return self._body

    def passing(self, moment: Moment) -> dict[Metric, bytes]:
        """Families that are worked out anew at each scrape."""
        now = to_micros(moment.now) / SECOND
        escaped = Escaped()
        texts = {}
        for metric in PASSING:
            if metric in AGES:
                text = self._aged(self._ages[metric], now)
            else:
                text = self._lines[metric].text(passing(metric, moment), escaped)
            texts[metric] = self._headers[metric] + text.encode()
        return texts

    @staticmethod
    def _aged(ages: Mapping[int, list[tuple[str, float]]], now: float) -> str:
        return "".join(
            f"{start}{number(age(instant, now))}\n" for id_ in sorted(ages) for start, instant in ages[id_]
        )

    def text(self, metric: Metric) -> bytes:
        """Lines of one family."""
        return self._families[metric].text()


class _Only:
    def __init__(self, found: PrometheusFamily) -> None:
        self._found = found

    def collect(self) -> Iterator[PrometheusFamily]:
        yield self._found


def header(metric: Metric, encoder: Encoder) -> bytes:
    """The lines about a family that stand before its samples, as prometheus_client writes them."""
    return encoder(_Only(family(metric))).removesuffix(b"# EOF\n")
