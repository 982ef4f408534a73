"""A few executions in which everything happens that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event, Items
from exporter.domain.identity import execution_id
from tests.support.stored import event

TRACE = "Traceback (most recent call last):\n  File \"load.py\", line 3\nKeyError: 'customer'"
FAILED = execution_id("", "default", "nightly", "r1")
RUNNING = execution_id("", "default", "nightly", "r2")


def failed_run() -> Iterator[Event]:
    """An execution whose first stage was retried, holds another stage, and whose second stage failed."""
    who: dict[str, Any] = {"pipeline": "nightly", "execution": "r1"}
    yield event(e.ExecutionQueued(**who, kind="etl", labels={"team": "red"}), 0)
    start = e.ExecutionStarted(
        **who, kind="etl", trigger="schedule", parameters={"day": "2026-11-22", "n": [1, {"x": None}]},
        link="https://source/r1", parent=e.Parent("trigger", "t9"), heartbeat_seconds=60.0,
    )  # fmt: skip
    yield event(start, 2)
    broken = ErrorDetail("ConnectionError: broker away")
    yield event(e.StageStarted(**who, stage="extract", attempt=1), 3)
    yield event(
        e.StageFinished(**who, stage="extract", attempt=1, status="failed", retry=True, error=broken), 5
    )
    yield event(e.StageStarted(**who, stage="extract", attempt=2), 6)
    yield event(e.StageStarted(**who, stage="parse", parent=["extract"], index=0), 6.5)
    yield event(e.StageFinished(**who, stage="parse", parent=["extract"], index=0, status="succeeded"), 7)
    sample = e.ResourcesSampled(
        **who, stage="extract", attempt=2, cpu_seconds=1.5, memory_bytes=100, memory_peak_bytes=300
    )
    yield event(sample, 8)
    done = e.StageFinished(**who, stage="extract", attempt=2, status="succeeded", items=Items(10, 9))
    yield event(done, 9.25)
    yield event(e.StageStarted(**who, stage="load", depends_on=["extract"]), 10)
    yield event(e.WarningRaised(**who, stage="load", message="slow", code="W1"), 11)
    yield event(
        e.LogEmitted(**who, stage="load", level="error", message="giving up", fields={"row": 3}), 11.5
    )
    yield event(
        e.ArtifactProduced(**who, stage="load", name="out", uri="s3://b/out", bytes=5, media_type="text/csv"),
        11.6,
    )
    error = ErrorDetail("KeyError: 'customer'", stacktrace=TRACE, component="loader", context={"row": 3})
    yield event(e.StageFinished(**who, stage="load", status="failed", error=error), 12)
    whole = ErrorDetail("1 stage failed", type="task_failure")
    yield event(e.ExecutionFinished(**who, status="failed", error=whole, source_status="crashed"), 13)


def running_run() -> Iterator[Event]:
    """An execution under way, started by another."""
    who: dict[str, Any] = {"pipeline": "nightly", "execution": "r2"}
    yield event(e.ExecutionStarted(**who, kind="etl", parent=e.Parent("nightly", "r1")), 500)
    yield event(e.StageStarted(**who, stage="extract"), 501)
    yield event(e.ExecutionProgressed(**who, progress=0.25, message="a quarter"), 550)


def usual_runs() -> Iterator[Event]:
    """Successes of another pipeline in another environment, ten seconds each."""
    told = e.PipelineDeclared(
        pipeline="hourly", environment="lab", kind="sync", owner="us",
        stages=[e.StageDeclaration("pull"), e.StageDeclaration("push", depends_on=["pull"])],
        schedule=e.Schedule(every_seconds=60.0),
    )  # fmt: skip
    yield event(told, 0)
    for number in range(4):
        who: dict[str, Any] = {"pipeline": "hourly", "environment": "lab", "execution": f"h{number}"}
        start = 60.0 * number
        yield event(e.ExecutionStarted(**who), start)
        for stage, begin, end in (("pull", 0, 4), ("push", 4, 10)):
            yield event(e.StageStarted(**who, stage=stage), start + begin)
            yield event(
                e.StageFinished(**who, stage=stage, status="succeeded", items=Items(7, 7)), start + end
            )
        yield event(e.ExecutionFinished(**who, status="succeeded"), start + 10)
