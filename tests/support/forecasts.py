"""Imagined executions, and what earlier ones tell, for tests of forecasts. Times are seconds after START."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from exporter.domain.forecast import ExecutionRun, StageRun, forecast
from exporter.domain.graph import Graph, acyclic
from exporter.domain.history import Span, learn
from exporter.domain.plan import plan
from exporter.domain.remaining import Outlook
from exporter.domain.status import Status

START = datetime(2026, 11, 22, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def usual_spans(graph: Graph, durations: Mapping[str, float], start: float) -> dict[str, Span]:
    """Every stage begins when what it waits for is over."""
    spans: dict[str, Span] = {}
    for stage, names in acyclic(graph).items():
        begin = max([spans[name][1] for name in names], default=start)
        spans[stage] = (begin, begin + durations[stage])
    return spans


def outlook(graph: Graph, durations: Mapping[str, float], *, runs: int = 20, told: bool = True) -> Outlook:
    """What equal past runs give."""
    past = [usual_spans(graph, durations, number * 1e6) for number in range(runs)]
    ends = [max([end for _, end in spans.values()], default=0.0) for spans in past]
    spans = {stage: [mine[stage] for mine in past] for stage in graph}
    return Outlook(plan(learn([(n * 1e6, end) for n, end in enumerate(ends)], spans, graph if told else {})))


def running(*stages: StageRun, **more: object) -> ExecutionRun:
    return ExecutionRun(Status.RUNNING, START, stages, **more)  # type: ignore[arg-type]


def done(name: str, start: float, end: float) -> StageRun:
    return StageRun(name, Status.SUCCEEDED, at(start), at(end))


def runs(name: str, start: float, **more: object) -> StageRun:
    return StageRun(name, Status.RUNNING, at(start), **more)  # type: ignore[arg-type]


def left(execution: ExecutionRun, outlook: Outlook, seconds: float) -> float:
    """Seconds to go, after so many."""
    eta = forecast(execution, outlook, at(seconds)).eta
    assert eta is not None
    return (eta - at(seconds)).total_seconds()


def progress(execution: ExecutionRun, outlook: Outlook, seconds: float) -> float:
    shown = forecast(execution, outlook, at(seconds)).progress
    assert shown is not None
    return shown
