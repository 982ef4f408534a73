"""Stages start, work, end, and are settled by their source."""

from __future__ import annotations

import msgspec

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.domain.lifecycle import Mark, add, finish
from exporter.domain.status import FAILING
from exporter.store.records import SETTLED, Attempt, Execution, Instance, Pipeline
from exporter.store.rules.declared import describe_stage
from exporter.store.rules.executions import count_unmapped, figures, final_status, record_error, sign_of
from exporter.store.work import Work, place


def entered(
    work: Work, event: Event, payload: e.StageState, pipeline: Pipeline, execution: Execution | None, time: int
) -> None:
    """A stage was queued or an attempt of it started."""
    attempt = _attempt(work, payload, pipeline, execution, time)
    _tell(work, attempt, payload, pipeline, time)
    add(attempt.marks, Mark(time, sign_of(payload), word=payload.source_status or ""))


def told(
    work: Work, event: Event, payload: e.StageProgressed, pipeline: Pipeline, execution: Execution | None, time: int
) -> None:
    """A stage told of its work."""
    attempt = _attempt(work, payload, pipeline, execution, time)
    _tell(work, attempt, payload, pipeline, time)
    if payload.progress is not None:
        attempt.facts.tell("progress", time, payload.progress)
    if payload.message is not None:
        attempt.facts.tell("message", time, payload.message[:1000])


def finished(
    work: Work, event: Event, payload: e.StageFinished, pipeline: Pipeline, execution: Execution | None, time: int
) -> None:
    """An attempt of a stage ended."""
    assert execution is not None
    attempt = _attempt(work, payload, pipeline, execution, time)
    _tell(work, attempt, payload, pipeline, time)
    status = final_status(payload.status)
    word = payload.source_status or payload.status
    add(attempt.marks, finish(time, status, word, **figures(payload), conclusive=payload.conclusive))
    if payload.error is None:
        return
    error = payload.error.cleaned()
    told_error = msgspec.to_builtins(error)
    attempt.facts.tell("error", time, told_error)
    if status in FAILING and not payload.retry:
        execution.facts.tell("stage_error", time, {"stage": payload.stage, **told_error})
    number = attempt.attempt or None
    record_error(
        work, event, error, pipeline, execution.id, time, stage=payload.stage, index=attempt.index, attempt=number
    )


def settled(
    work: Work, _: Event, payload: e.StageSettled, pipeline: Pipeline, execution: Execution | None, time: int
) -> None:
    """A source said, after the fact, how a stage ended."""
    assert execution is not None
    instance = _instance(work, payload, pipeline, execution)
    row = instance.attempt(SETTLED, 0, time)
    duration = payload.duration_seconds
    row.facts.tell(
        "settled",
        time,
        {
            "status": final_status(payload.status),
            "word": payload.source_status or payload.status,
            "duration": None if duration is None else round(duration * 1e6),
        },
    )
    if instance.index is None and work.has_mapped(execution, instance.path):
        _void(instance)
    count_unmapped(work, payload.source_status)
    describe_stage(work, pipeline, payload.stage, time, kind=None, depends_on=None)


def sampled(
    work: Work, _: Event, payload: e.ResourcesSampled, pipeline: Pipeline, execution: Execution | None, time: int
) -> None:
    """Resources were measured. Those of the execution itself are read from the events."""
    assert execution is not None
    if payload.stage is None:
        return
    attempt = _attempt(work, payload, pipeline, execution, time)
    describe_stage(work, pipeline, payload.stage, time, kind=None, depends_on=None)
    if payload.cpu_seconds is not None:
        attempt.cpu_seconds = max(attempt.cpu_seconds or 0.0, payload.cpu_seconds)
    peak = max(payload.memory_bytes or 0.0, payload.memory_peak_bytes or 0.0)
    if payload.memory_bytes is not None or payload.memory_peak_bytes is not None:
        attempt.memory_peak_bytes = max(attempt.memory_peak_bytes or 0.0, peak)


def _attempt(
    work: Work,
    payload: e.StagePayload | e.ResourcesSampled,
    pipeline: Pipeline,
    execution: Execution | None,
    time: int,
) -> Attempt:
    assert execution is not None
    instance = _instance(work, payload, pipeline, execution)
    attempt_id = getattr(payload, "attempt_id", None)
    if payload.attempt is None and attempt_id is not None:
        return instance.attempt(f"id:{attempt_id}", 0, time)
    number = payload.attempt or 1
    return instance.attempt(str(number), number, time)


def _instance(
    work: Work, payload: e.StagePayload | e.ResourcesSampled, pipeline: Pipeline, execution: Execution
) -> Instance:
    assert payload.stage is not None
    parent, index = place(payload)
    path = (*parent, payload.stage)
    if index is not None and not work.is_mapped(execution, path):
        # The first news of a mapped instance takes the floor from what the source said of the stage as a whole.
        whole = work.known_instance(execution, path, None)
        if whole is not None and SETTLED in whole.attempts:
            _void(whole)
    return work.instance(execution, pipeline, path, index)


def _void(instance: Instance) -> None:
    instance.void = True
    row = instance.attempts[SETTLED]
    row.facts.tell("void", row.first_at, True)


def _tell(work: Work, attempt: Attempt, payload: e.StageState, pipeline: Pipeline, time: int) -> None:
    if payload.items is not None:
        if payload.items.in_ is not None:
            attempt.items_in = max(attempt.items_in or 0, payload.items.in_)
        if payload.items.out is not None:
            attempt.items_out = max(attempt.items_out or 0, payload.items.out)
    if payload.depends_on is not None:
        attempt.facts.tell("depends_on", time, payload.depends_on)
    describe_stage(work, pipeline, payload.stage, time, kind=payload.kind, depends_on=payload.depends_on)
    count_unmapped(work, payload.source_status)
