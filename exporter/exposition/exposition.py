"""The answer to a scrape."""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from exporter.catalogue import CATALOGUE, Metric
from exporter.exposition.collector import Forecasts, Now, StoreCollector, no_forecasts, utc_now
from exporter.exposition.families import MOST_EXECUTIONS, SETTLED, Moment, sample_names
from exporter.exposition.negotiation import Format, Kept, gzip_accepted, negotiated
from exporter.exposition.own import OwnMetrics
from exporter.exposition.packed import LEVEL
from exporter.exposition.page import Look, Page
from exporter.store.engine import folder_of, reading
from exporter.store.limits import Limits
from exporter.store.snapshot import read_clock


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send with status 200. `headers` are those besides Content-Type."""

    content_type: str
    headers: Mapping[str, str]
    body: bytes


class Exposition:
    """Everything at `/metrics`. May be used by several threads; they share the work of reading what changed.

    A database that is away is told as such, not covered up with the last known state: `scrape` raises
    sqlalchemy.exc.OperationalError, to be answered with 503. Prometheus then has `up` 0 and series that end,
    instead of flat lines that look healthy.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        own: OwnMetrics,
        forecasts: Forecasts = no_forecasts,
        *,
        now: Now = utc_now,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._own = own
        self._forecasts = forecasts
        self._now = now
        own.runs_on(engine.dialect.name, folder_of(engine))
        self._pages = {kept: Page(kept) for kept in Kept}
        self._stored = CollectorRegistry()
        self._stored.register(StoreCollector(engine, limits, forecasts=forecasts, now=now))

    def scrape(
        self,
        *,
        accept: str = "",
        accept_encoding: str = "",
        names: Sequence[str] = (),
        asked: float | None = None,
    ) -> Answer:
        """Answer a scrape; the arguments are the headers of these names and the values of `name[]`.

        The format is prometheus_client's choice. `names` are of samples, as there, or of whole families. `asked` is
        when it was asked for, by `perf_counter`; now if it is not given. Scrapes that wait for each other share what
        was read since they were asked for, so that any number of them costs two looks into the database.
        Waits for the database and for another scrape that reads what changed: not for an event loop's thread.
        """
        started = perf_counter() if asked is None else asked
        answer_format = negotiated(accept)
        compress = gzip_accepted(accept_encoding)
        try:
            body = self._body(answer_format, _samples(names), started, compress=compress)
        except OperationalError:
            self._own.database_up.set(0)
            raise
        self._own.scrape_seconds.observe(perf_counter() - started)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if compress:
            headers["Content-Encoding"] = "gzip"
        return Answer(answer_format.content_type, headers, body)

    def _body(self, chosen: Format, names: Collection[str], asked: float, *, compress: bool) -> bytes:
        if names:
            text = self._selection(chosen, names, asked)
        elif chosen.kept is None:
            text = chosen.encoder(_Both(self._stored, self._own.registry))
        else:
            page = self._pages[chosen.kept]
            with page.lock:
                passing = self._look(page, asked).passing
                body = page.body()
            tail = b"".join(passing.values()) + chosen.encoder(self._own.registry)
            return body.gzip(tail) if compress else body.text() + tail
        return gzip.compress(text, LEVEL, mtime=0) if compress else text

    def _selection(self, chosen: Format, names: Collection[str], asked: float) -> bytes:
        own = self._own.registry.restricted_registry(names)
        if chosen.kept is None:
            return chosen.encoder(_Both(self._stored.restricted_registry(names), own))
        page = self._pages[chosen.kept]
        with page.lock:
            passing = self._look(page, asked).passing
            texts = {metric: page.text(metric) for metric in SETTLED if _wanted(metric, names)} | passing
        chosen_lines = [_restricted(text, names) for metric, text in texts.items() if _wanted(metric, names)]
        return b"".join(chosen_lines) + chosen.encoder(own)

    def _look(self, page: Page, asked: float) -> Look:
        if page.look is None or page.look.began < asked:
            began = perf_counter()
            page.look = Look(began, page.passing(self._refresh(page)))
        return page.look

    def _refresh(self, page: Page) -> Moment:
        now = self._now()
        with reading(self._engine) as connection:
            clock = read_clock(connection)
            page.refresh(connection, clock.version)
            executions = list(islice(self._forecasts(connection, now), MOST_EXECUTIONS))
        self._own.database_up.set(1)
        return Moment(now, clock, self._limits, executions)


_NAME_END = re.compile(rb"[{ ]")


class _Both:
    """Two collectors, one after the other: a registry restricted to some names has no order of its own."""

    def __init__(self, first: Collector, second: Collector) -> None:
        self._collectors = first, second

    def collect(self) -> Iterator[Family]:
        for collector in self._collectors:
            yield from collector.collect()


def _samples(names: Sequence[str]) -> frozenset[str]:
    """Names of samples, where some of the names may be of families."""
    of_families = (sample_names(metric) for metric in CATALOGUE if {metric.name, metric.family} & {*names})
    return frozenset(names).union(*of_families)


def _wanted(metric: Metric, names: Collection[str]) -> bool:
    return any(name in names for name in sample_names(metric))


def _restricted(text: bytes, names: Collection[str]) -> bytes:
    """A family with some samples only, as prometheus_client does it: without the unit, or nothing at all."""
    lines = text.split(b"\n")
    about = [line for line in lines if line.startswith((b"# HELP", b"# TYPE"))]
    samples = [line for line in lines if _NAME_END.split(line, 1)[0].decode() in names]
    return b"\n".join([*about, *samples, b""]) if samples else b""
