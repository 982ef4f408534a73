"""Spans: recordings of OTLP clients, spans made by hand, and what a store makes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import msgspec

from exporter.domain.events import Event, LlmCalled
from exporter.domain.spans import Span
from exporter.domain.times import SECOND, to_micros
from exporter.ingest.otlp import Reader, decode
from exporter.store import schema
from exporter.store.apply import apply
from exporter.store.gather import Gatherer
from tests.support.recordings import recorded, recordings
from tests.support.stored import NOON, Stored, stages_of, stored

NAMES = [
    name
    for prefix in (
        "otel",
        "celery",
        "dagster-otel",
        "genai",
        "metaflow-otel",
        "prefect",
        "airflow3_otel",
    )
    for name in recordings(prefix)
]

ORDERS: dict[str, Callable[[list[list[Span]]], list[list[Span]]]] = {
    "in order": list,
    "reversed": lambda batches: [batch[::-1] for batch in batches[::-1]],
    "shuffled": lambda batches: [[span] for span in _shuffled(batches, 7)],
    "doubled": lambda batches: [batch for batch in batches for _ in "12"],
    "all at once": lambda batches: [[span for batch in batches for span in batch]],
    "doubled and shuffled": lambda batches: [[span] for span in _shuffled(batches * 2, 8)],
}


def _shuffled(batches: list[list[Span]], seed: int) -> list[Span]:
    spans = [span for batch in batches for span in batch]
    return random.Random(seed).sample(spans, len(spans))


def batches(name: str, reader: Reader | None = None) -> list[list[Span]]:
    """The spans of a recording, request by request, as they would be kept."""
    found = []
    for request in recorded(name):
        if request.path.endswith("/traces"):
            batch = decode(request.headers["content-type"], request.body)
            assert not batch.refused
            found.append((reader or Reader()).kept(batch.spans))
    return found


class Gathered:
    """A store that gathers spans."""

    def __init__(self, store: Stored, reader: Reader | None = None) -> None:
        self.store = store
        self.gatherer = Gatherer(
            reader or Reader(), patience=timedelta(seconds=10), quiet=timedelta(seconds=600)
        )
        store.writer.gatherer = self.gatherer

    def put(self, *incoming: Span | Event) -> list[bool]:
        """Take spans and events in one group; which of them were new."""
        store = self.store
        return apply(
            store.engine,
            store.writer.cache,
            store.limits,
            incoming,
            now=store.now,
            gatherer=self.gatherer,
        ).fresh

    def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """All that is so, by environment, pipeline and run id."""
        found = {}
        errors = self.store.rows(schema.errors)
        for row in self.store.rows(schema.executions):
            found[row.environment, row.pipeline, row.external_id] = {
                "status": row.status,
                "source": row.source,
                "times": (row.queued_at, row.started_at, row.ended_at),
                "counts": (row.stages_total, row.stages_done, row.stages_active),
                "stages": stages_of(self.store, row.id),
                "errors": sorted(
                    (one.stage or "", one.index or "", one.type, one.message)
                    for one in errors
                    if one.execution_id == row.id
                ),
            }
        return found

    def calls(self) -> list[LlmCalled]:
        """Calls of language models, as told."""
        rows = self.store.rows(schema.events, schema.events.c.type == LlmCalled.type)
        found = [msgspec.json.decode(row.body, type=LlmCalled) for row in rows]
        return sorted(found, key=repr)

    def status(self, pipeline: str) -> list[str]:
        """Statuses of a pipeline's executions, by start."""
        rows = [
            (row.started_at or 0, row.status)
            for row in self.store.rows(schema.executions)
            if row.pipeline == pipeline
        ]
        return [status for _, status in sorted(rows)]


@contextmanager
def gathered(url: str, reader: Reader | None = None) -> Iterator[Gathered]:
    """A store that gathers spans, for the time of a test."""
    with stored(url) as store:
        yield Gathered(store, reader)


def span(
    id_: int,
    parent: int = 0,
    name: str = "",
    *,
    trace: int = 1,
    start: float = 0,
    end: float = 1,
    service: str = "etl",
    attributes: dict[str, Any] | None = None,
    **more: Any,
) -> Span:
    """A span, some seconds after noon."""
    noon = to_micros(NOON)
    return Span(
        trace=f"{trace:032x}",
        id=f"{id_:016x}",
        parent=f"{parent:016x}" if parent else "",
        name=name or f"s{id_}",
        kind=more.pop("kind", "internal"),
        start=noon + round(start * SECOND),
        end=noon + round(end * SECOND),
        attributes=attributes or {},
        resource={"service.name": service},
        **more,
    )


def json_span(**fields: Any) -> dict[str, Any]:
    """A span as JSON has it; what is named replaces what is usual, None leaves it out."""
    noon = to_micros(NOON) * 1000
    usual = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "run",
        "kind": 1,
        "startTimeUnixNano": str(noon),
        "endTimeUnixNano": str(noon + 10**9),
    }
    return {key: value for key, value in {**usual, **fields}.items() if value is not None}


def json_body(*spans: Any, resource: dict[str, str] | None = None) -> bytes:
    """A request body of spans as JSON has them."""
    attributes = [
        {"key": key, "value": {"stringValue": value}}
        for key, value in (resource or {"service.name": "etl"}).items()
    ]
    group = {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": list(spans)}]}
    return json.dumps({"resourceSpans": [group]}).encode()


def put_all(store: Gathered, arrived: Sequence[Sequence[Span]]) -> None:
    """Take spans, batch by batch."""
    for batch in arrived:
        store.put(*batch)
