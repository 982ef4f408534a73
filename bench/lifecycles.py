"""Events as pipelines send them: executions of ten stages, each told from its start to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec

STAGES = 10
EVENTS = 2 + 2 * STAGES
"""Events of one execution."""

BATCH = {"content-type": "application/cloudevents-batch+json"}

CloudEvent = dict[str, Any]


def name_of(number: int) -> str:
    """Name of a pipeline."""
    return f"pipeline_{number:04}"


def declaration(pipeline: str, time: datetime) -> CloudEvent:
    """A pipeline says that its stages run one after the other."""
    stages = [
        {"name": f"stage_{number}", "depends_on": [f"stage_{number - 1}"] if number else []}
        for number in range(STAGES)
    ]
    data = {"pipeline": pipeline, "kind": "batch", "owner": "bench", "stages": stages}
    return _event("pipeline.declared", f"{pipeline}/declared", time, data)


def execution(pipeline: str, run: str, start: datetime) -> Iterator[CloudEvent]:
    """What an execution sends: its start, the start and end of each stage, its end."""
    names = {"pipeline": pipeline, "execution": run}
    yield _event("pipeline.execution.started", f"{run}/started", start, {**names, "trigger": "schedule"})
    time = start
    for number in range(STAGES):
        stage = {**names, "stage": f"stage_{number}"}
        yield _event("pipeline.stage.started", f"{run}/{number}/started", time, stage)
        time += timedelta(seconds=1.5 + number)
        ended = {**stage, "status": "succeeded", "items": {"in": 1000 + number, "out": 990}}
        yield _event("pipeline.stage.finished", f"{run}/{number}/finished", time, ended)
    yield _event("pipeline.execution.finished", f"{run}/finished", time, {**names, "status": "succeeded"})


def side_by_side(pipelines: int, start: datetime, *, label: str = "run") -> Iterator[CloudEvent]:
    """Events without end: each pipeline runs one execution after the other, all of them at the same time."""
    for turn in count():
        begin = start + timedelta(minutes=turn)
        running = [
            execution(name_of(number), f"{label}-{turn}-{number}", begin + timedelta(milliseconds=number))
            for number in range(pipelines)
        ]
        for events in zip(*running, strict=True):
            yield from events


def body(events: list[CloudEvent]) -> bytes:
    """Events as a batch to be posted."""
    return msgspec.json.encode(events)


def _event(type_: str, id_: str, time: datetime, data: dict[str, Any]) -> CloudEvent:
    return {"specversion": "1.0", "id": id_, "source": "/bench", "type": type_, "time": time, "data": data}
