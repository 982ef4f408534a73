"""What telling of a stage costs the thread that runs it, beside what one would use instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from statistics import median

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, Counter, Histogram, push_to_gateway

from bench.result import Limit, Row, in_turns
from bench.servers import MeasuredPushgateway
from bench.setting import Setting
from exporter.client.delivery import Delivery
from exporter.client.execution import Execution
from exporter.client.settings import ClientSettings

BURSTS, STAGES = 20, 50
PAUSE = 0.02
"""Seconds between bursts of stages: a pipeline does something else, too, and senders have their turn."""
SINGLES = 150
"""Stages one by one, each after a pause. What they cost then is mostly that nothing of them is in the caches."""

Each = Callable[[Callable[[], None]], float]
"""Microseconds of one stage, by a way to run many."""


def measure(setting: Setting) -> Iterator[Row]:
    """Microseconds of a stage that does nothing, in bursts and one by one; the median."""
    gateway = MeasuredPushgateway(setting.new_folder())
    gateway.start()
    with setting.exporter() as exporter, closing(gateway):
        gateway.wait_until_ready()
        with closing(Delivery(ClientSettings(url=exporter.url, spool=setting.new_folder()))) as delivery:
            ways: tuple[Callable[[Each], float], ...] = (
                lambda each: _client(delivery, each),
                _opentelemetry,
                lambda each: _pushed(gateway.url.removeprefix("http://"), each),
            )
            rounds = setting.scale.rounds
            yield from _rows("telling of a stage, on its own thread", Limit(20, 10), _in_bursts, rounds, ways)
            yield from _rows("telling of a stage, one in 20 ms", None, _one_by_one, rounds, ways)


def _rows(
    what: str, limit: Limit | None, each: Each, rounds: int, ways: Sequence[Callable[[Each], float]]
) -> Iterator[Row]:
    ours, spans, pushed = in_turns(rounds, *(partial(way, each) for way in ways))
    yield Row(what, "", "µs", ours, (), limit)
    yield Row(what, "OpenTelemetry's `BatchSpanProcessor`", "µs", ours, spans)
    yield Row(what, "prometheus_client's `push_to_gateway`", "µs", ours, pushed)


def _in_bursts(stage: Callable[[], None]) -> float:
    return _each(stage, BURSTS, STAGES)


def _one_by_one(stage: Callable[[], None]) -> float:
    return _each(stage, SINGLES, 1)


def _each(stage: Callable[[], None], bursts: int, stages: int) -> float:
    found = []
    for _ in range(bursts):
        time.sleep(PAUSE)
        began = time.perf_counter_ns()
        for _ in range(stages):
            stage()
        found.append(time.perf_counter_ns() - began)
    return median(found) / stages / 1000


def _client(delivery: Delivery, each: Each) -> float:
    execution = Execution("bench", delivery=delivery)

    def stage() -> None:
        with execution.stage("extract") as told:
            told.items(out=120)

    execution.start()
    found = each(stage)
    execution.finish()
    return found


class _Nowhere(SpanExporter):
    """Takes spans and sends them nowhere: what the sender's thread does is not measured."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS


def _opentelemetry(each: Each) -> float:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    tracer = provider.get_tracer("bench")

    def stage() -> None:
        with tracer.start_as_current_span("extract") as span:
            span.set_attribute("items.out", 120)

    with tracer.start_as_current_span("bench"):
        found = each(stage)
    provider.shutdown()
    return found


def _pushed(gateway: str, each: Each) -> float:
    registry = CollectorRegistry()
    seconds = Histogram("stage_duration_seconds", "Duration.", ["stage"], registry=registry)
    items = Counter("stage_items", "Items given out.", ["stage"], registry=registry)

    def stage() -> None:
        with seconds.labels("extract").time():
            items.labels("extract").inc(120)
        push_to_gateway(gateway, "bench", registry)

    return each(stage)
