"""Stores to be scraped, and what a scrape of them says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as text_string_to_openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from exporter.catalogue.own import CORRECTIONS, LABEL_OVERFLOW, RETENTION_ROWS
from exporter.domain import events as e
from exporter.domain.baseline import EARLIER, RECENT
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Payload
from exporter.domain.times import from_micros
from exporter.exposition import Answer, Exposition, OwnMetrics, StoreCollector
from exporter.store import schema
from exporter.store.readings import ExecutionReading
from exporter.store.records import encode
from tests.support.stored import Stored, at, event

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

Sample = tuple[str, tuple[tuple[str, str], ...]]


class Exposed:
    """A store and its exposition, both by the store's clock."""

    def __init__(self, store: Stored, *, process: bool = False) -> None:
        self.store = store
        self.own = OwnMetrics(process=process, room=lambda _: (8_000_000_000, 2_000_000_000))
        self.forecasts: list[ExecutionReading] = []
        self.exposition = Exposition(store.engine, store.limits, self.own, self._forecast, now=self._now)
        collector = StoreCollector(store.engine, store.limits, forecasts=self._forecast, now=self._now)
        self._stored = CollectorRegistry()
        self._stored.register(collector)
        self.own.database_up.set(1)
        self.own.source_known("a source")
        self.own.source_up("a source", store.now / 1_000_000)

    def _now(self) -> datetime:
        return from_micros(self.store.now)

    def _forecast(self, _: Connection, _now: datetime) -> Iterable[ExecutionReading]:
        return self.forecasts

    def written(self, encoder: Callable[[Collector], bytes], names: Sequence[str] = ()) -> bytes:
        """What prometheus_client writes of it."""
        parts = (self._stored, self.own.registry)
        if names:
            return encoder(_InOrder([part.restricted_registry(names) for part in parts]))
        return encoder(_InOrder(parts))

    def put(self, *payloads: Payload, seconds: float = 0) -> None:
        """Let something happen."""
        self.store.put(*(event(payload, seconds) for payload in payloads))

    def scrape(self, accept: str = "", encoding: str = "", names: Sequence[str] = ()) -> Answer:
        """Scrape it."""
        return self.exposition.scrape(accept=accept, accept_encoding=encoding, names=names)

    def samples(self) -> dict[Sample, float]:
        """All samples of a scrape, by name and labels."""
        return samples(self.scrape().body.decode())

    def values(self, name: str, **labels: str) -> list[float]:
        """Values of the samples with these labels."""
        return [
            value
            for (sample, found), value in self.samples().items()
            if sample == name and labels.items() <= dict(found).items()
        ]


class _InOrder:
    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterable[Family]:
        for collector in self._collectors:
            yield from collector.collect()


def openmetrics_families(text: str) -> Iterable[Family]:
    """Families of an OpenMetrics text, which has to be a correct one."""
    yield from text_string_to_openmetrics_families(text)  # type: ignore[no-untyped-call]


def samples(text: str) -> dict[Sample, float]:
    """Samples of a text by name and labels."""
    found: dict[Sample, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is told twice"
            found[key] = sample.value
    return found


def ran(
    pipeline: str, execution: str, *, status: str = "succeeded", stages: Sequence[str] = ("extract", "load")
) -> list[tuple[float, Payload]]:
    """What an execution of some stages in a row tells, with the seconds at which it does."""
    names: dict[str, Any] = {"pipeline": pipeline, "execution": execution}
    told: list[tuple[float, Payload]] = [
        (0, e.ExecutionQueued(**names)),
        (1, e.ExecutionStarted(**names, kind="batch", trigger="schedule")),
    ]
    for number, stage in enumerate(stages):
        upstreams = list(stages[number - 1 : number]) if number else []
        told += [
            (2 + 3 * number, e.StageStarted(**names, stage=stage, depends_on=upstreams)),
            (4 + 3 * number, e.StageFinished(**names, stage=stage, status=status, items=e.Items(5, 4))),
        ]
    return [*told, (3 + 3 * len(stages), e.ExecutionFinished(**names, status=status))]


def everything() -> list[tuple[float, Payload]]:
    """Events after which each metric of the catalogue has something to tell."""
    error = ErrorDetail(message="no route to host", type="ConnectionError")
    declared = e.PipelineDeclared(
        pipeline="nightly",
        kind="batch",
        owner="data",
        labels={"alerts.page_after_failures": "1"},
        stages=[e.StageDeclaration("extract", kind="query"), e.StageDeclaration("load", ["extract"])],
        schedule=e.Schedule(every_seconds=3600),
        paused=False,
        llm_budget_usd=20.0,
    )
    running: dict[str, Any] = {"pipeline": "nightly", "execution": "now"}
    call = e.LlmCalled(
        **running,
        stage="load",
        provider="openai",
        request_model="gpt-5",
        input_tokens=10,
        output_tokens=20,
        cached_tokens=5,
        reasoning_tokens=4,
        duration_seconds=1.5,
        time_to_first_token_seconds=0.2,
        cost_usd=0.01,
    )
    unpriced = replace(call, cost_usd=None)
    measured = e.StreamMeasured(
        pipeline="nightly",
        stream="orders",
        target_rate=100.0,
        phase="steady",
        events={"insert": 3, "delete": 1},
        watermark=at(-5),
        buffer_depth=7,
        dead_letters=1,
        latency_seconds=[0.02, 4000.0],
        commits=1,
        files=2,
        bytes=4096,
    )
    return [
        (0, declared),
        *(
            (second - 2000 + 100 * number, payload)
            for number in range(RECENT + EARLIER)
            for second, payload in ran("nightly", f"before {number}")
        ),
        *ran("nightly", "first"),
        *ran("nightly", "second", status="failed"),
        (60, e.ExecutionStarted(**running, source_status="Warming Up")),
        (61, e.StageStarted(**running, stage="load")),
        (62, e.ResourcesSampled(**running, stage="load", cpu_seconds=2.5, memory_peak_bytes=1e9)),
        (63, e.StageFinished(**running, stage="extract", status="failed", error=error, retry=True)),
        (64, measured),
        (
            65,
            e.RecordsChecked(
                **running, stage="load", valid=9, invalid=1, rules={"not null": 1}, completeness=0.9
            ),
        ),
        (66, call),
        (66, unpriced),
    ]


def expose_everything(store: Stored) -> Exposed:
    """A store after all that, and a little of what an exporter goes through itself."""
    exposed = Exposed(store)
    store.put(*(event(payload, seconds) for seconds, payload in everything()))
    state = store.clock()
    for metric, part in ((CORRECTIONS, "execution"), (LABEL_OVERFLOW, "stage"), (RETENTION_ROWS, "events")):
        state.totals.add(metric, 1, part)
    with store.engine.begin() as connection:
        connection.execute(schema.clock.update().values(state=encode(state)))
    later = at(0) + timedelta(hours=1)
    exposed.forecasts.append(ExecutionReading("nightly", "default", "0" * 32, 0.5, later))
    exposed.own.failed("database")
    exposed.own.refused("cloudevents", 422)
    exposed.own.committed(0.01)
    return exposed


def emptied(store: Stored) -> Stored:
    """A store as if nothing had ever happened."""
    with store.engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            if table is not schema.clock:
                connection.execute(table.delete())
        connection.execute(schema.clock.update().values(version=0, series=0, state=b"{}"))
    store.writer.cache.clear()
    return store
