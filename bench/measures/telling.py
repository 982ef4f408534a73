"""What telling of a stage costs the thread that runs it, beside what one would use instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
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


def measure(setting: Setting) -> Iterator[Row]:
    """Microseconds of a stage that does nothing, in bursts; the median burst."""
    gateway = MeasuredPushgateway(setting.new_folder())
    gateway.start()
    with setting.exporter() as exporter, closing(gateway):
        gateway.wait_until_ready()
        with closing(Delivery(ClientSettings(url=exporter.url, spool=setting.new_folder()))) as delivery:
            figures = in_turns(
                setting.scale.rounds,
                lambda: _client(delivery),
                _opentelemetry,
                lambda: _pushed(gateway.url.removeprefix("http://")),
            )
    ours, spans, pushed = figures
    what = "telling of a stage, on its own thread"
    yield Row(what, "", "µs", ours, (), Limit(20, 10))
    yield Row(what, "OpenTelemetry's `BatchSpanProcessor`", "µs", ours, spans)
    yield Row(what, "prometheus_client's `push_to_gateway`", "µs", ours, pushed)


def _each(stage: Callable[[], None]) -> float:
    found = []
    for _ in range(BURSTS):
        time.sleep(PAUSE)
        began = time.perf_counter_ns()
        for _ in range(STAGES):
            stage()
        found.append(time.perf_counter_ns() - began)
    return median(found) / STAGES / 1000


def _client(delivery: Delivery) -> float:
    execution = Execution("bench", delivery=delivery)

    def stage() -> None:
        with execution.stage("extract") as told:
            told.items(out=120)

    execution.start()
    found = _each(stage)
    execution.finish()
    return found


class _Nowhere(SpanExporter):
    """Takes spans and sends them nowhere: what the sender's thread does is not measured."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS


def _opentelemetry() -> float:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    tracer = provider.get_tracer("bench")

    def stage() -> None:
        with tracer.start_as_current_span("extract") as span:
            span.set_attribute("items.out", 120)

    with tracer.start_as_current_span("bench"):
        found = _each(stage)
    provider.shutdown()
    return found


def _pushed(gateway: str) -> float:
    registry = CollectorRegistry()
    seconds = Histogram("stage_duration_seconds", "Duration.", ["stage"], registry=registry)
    items = Counter("stage_items", "Items given out.", ["stage"], registry=registry)

    def stage() -> None:
        with seconds.labels("extract").time():
            items.labels("extract").inc(120)
        push_to_gateway(gateway, "bench", registry)

    return _each(stage)
