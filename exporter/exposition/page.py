"""All that one format says of pipelines, kept ready to be sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock

from prometheus_client.metrics_core import Metric as PrometheusFamily
from sqlalchemy import Connection

from exporter.catalogue import Metric
from exporter.domain.times import SECOND, to_micros
from exporter.exposition.blocks import Family
from exporter.exposition.families import PASSING, SETTLED, Moment, age, family, passing
from exporter.exposition.lines import LabelSets, Lines, number
from exporter.exposition.negotiation import Encoder, Kept
from exporter.exposition.packed import Packed
from exporter.store.readings import AGES, readings
from exporter.store.snapshot import Snapshot, changed


@dataclass(frozen=True, slots=True)
class Look:
    """What was read at once: when that began, by `perf_counter`, and the families that hold for that moment only."""

    began: float
    passing: dict[Metric, bytes]


class Page:
    """The lines of all settled families in one format, as of a version of the store.

    Not for several threads at once: `lock` is held by the one that uses it. What it returns never changes.
    """

    def __init__(self, kept: Kept) -> None:
        self.lock = Lock()
        self.look: Look | None = None
        self._encoder = kept.encoder
        exemplars = kept is Kept.OPENMETRICS
        self._lines = {metric: Lines(metric, exemplars=exemplars) for metric in (*SETTLED, *PASSING)}
        self._headers = {metric: header(metric, self._encoder) for metric in PASSING}
        self._clear()

    def _clear(self) -> None:
        self.version = -1
        self._families = {metric: Family(header(metric, self._encoder)) for metric in SETTLED}
        self._ages: dict[Metric, dict[int, list[tuple[str, float]]]] = {metric: {} for metric in AGES}
        self._body: Packed | None = None

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
        sets = LabelSets()
        for metric, kept in self._families.items():
            write = self._lines[metric].text
            lines = {s.id: write(readings(metric, s), sets).encode() for s in batch if s.has(metric.scope)}
            if kept.put(lines):
                self._body = None
        for metric, ages in self._ages.items():
            for snapshot in batch:
                ages[snapshot.id] = self._lines[metric].starts(readings(metric, snapshot), sets)

    def body(self) -> Packed:
        """All of it, put together again only after a change."""
        if self._body is None:
            self._body = Packed.joined(kept.packed() for kept in self._families.values())
        return self._body

    def passing(self, moment: Moment) -> dict[Metric, bytes]:
        """Families that are worked out anew at each scrape."""
        now = to_micros(moment.now) / SECOND
        sets = LabelSets()
        texts = {}
        for metric in PASSING:
            if metric in AGES:
                text = self._aged(self._ages[metric], now)
            else:
                text = self._lines[metric].text(passing(metric, moment), sets)
            texts[metric] = self._headers[metric] + text.encode()
        return texts

    @staticmethod
    def _aged(ages: Mapping[int, list[tuple[str, float]]], now: float) -> str:
        return "".join(
            f"{start}{number(age(instant, now))}\n" for id_ in sorted(ages) for start, instant in ages[id_]
        )

    def text(self, metric: Metric) -> bytes:
        """Lines of one family."""
        return self._families[metric].packed().text()


class _Only:
    def __init__(self, found: PrometheusFamily) -> None:
        self._found = found

    def collect(self) -> Iterator[PrometheusFamily]:
        yield self._found


def header(metric: Metric, encoder: Encoder) -> bytes:
    """The lines about a family that stand before its samples, as prometheus_client writes them."""
    return encoder(_Only(family(metric))).removesuffix(b"# EOF\n")
