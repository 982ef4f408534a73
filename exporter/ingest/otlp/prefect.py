"""Prefect's own spans: flow runs and task runs, whose states are events of the span.

Names of spans are names of runs, drawn at random; the flow's name is not told. A retry is within one span, and the
status of a flow that succeeded at last may be an error: the last state is right. A span begins before its run and ends
behind it, by seconds where the machine is busy: a run lasts from its first state Running to its last. Task runs know
their flow run by their parent only. Spans of `docket`, Prefect's own queue, tell of no run.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import ExecutionQueued, ExecutionStarted, Parent, StageFinished
from exporter.domain.spans import Moment, Place, Reading, Span, SpanEvent, Tally
from exporter.domain.status import FINAL, Status, status_of_word
from exporter.domain.times import from_micros
from exporter.ingest.otlp import parts

SOURCE = "prefect"
_STATE = "prefect.state.type"
_RUN_NAME = re.compile(r"^(?P<task>.+)-(?P<key>[0-9a-f]{3,})$", re.DOTALL)


def is_noise(span: Span) -> bool:
    """Whether a span tells of Prefect's own housekeeping."""
    return span.scope.startswith("docket.") or "docket.name" in span.attributes


def claims(span: Span) -> bool:
    """Whether it is a flow run or a task run."""
    return span.attributes.get("prefect.run.type") in ("flow", "task") and bool(
        parts.text(span.attributes.get("prefect.run.id"))
    )


def read(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What a flow run or task run tells; a task run nothing before its flow run is known."""
    if parent is None and span.parent and not orphan:
        return None
    if span.attributes["prefect.run.type"] == "flow":
        return _flow(span, parent)
    return _task(span, parent)


def _flow(span: Span, parent: Place | None) -> Reading:
    place = Place(
        dialect=SOURCE,
        source=SOURCE,
        namespace=SOURCE,
        environment=span.environment,
        pipeline=parts.name(span.attributes.get("prefect.flow.name")) or parts.service(span),
        execution=parts.name(span.attributes["prefect.run.id"], 1024),
    )
    about: dict[str, Any] = {
        "kind": "flow",
        "labels": parts.labels(
            (key, span.attributes.get(key)) for key in ("prefect.run.name", "prefect.flow.id")
        ),
        "parent": None
        if parent is None or parent.execution is None
        else Parent(parent.pipeline, parent.execution),
    }
    whole = parent is not None or not span.parent
    status, state = _end(span)
    queued = ExecutionQueued(
        pipeline=place.pipeline, environment=place.environment, execution=place.execution or "", **about
    )
    waited = [Moment(span.start, queued)] if _began(span) > span.start else []
    if status is None:
        # The flow is tried again behind the end of its span, and nothing will tell how that ends.
        started = ExecutionStarted(
            pipeline=place.pipeline,
            environment=place.environment,
            execution=place.execution or "",
            **about,
        )
        moments = [*waited, Moment(_began(span), started)]
        return Reading(place, moments, whole=whole, tally=Tally(quiet=True))
    ran = msgspec.structs.replace(span, start=_began(span), end=_ended(span))
    moments = parts.execution(ran, place, status=status, source_status=state, **about)
    return Reading(place, [*waited, *moments], whole=whole)


def _states(span: Span) -> list[SpanEvent]:
    """States that a run entered, in their order."""
    return sorted(
        (event for event in span.events if _STATE in event.attributes), key=lambda event: event.time
    )


def _began(span: Span) -> int:
    """When the run was first running."""
    running = (event.time for event in _states(span) if event.attributes[_STATE] == "RUNNING")
    return max(span.start, min(next(running, span.start), span.end))


def _ended(span: Span) -> int:
    """When the run entered its last state."""
    states = _states(span)
    return max(_began(span), min(states[-1].time, span.end)) if states else span.end


def _end(span: Span) -> tuple[Status | None, str | None]:
    """The last state, if it is an end; the span's own status where no states are told."""
    states = _states(span)
    if not states:
        return parts.outcome(span), None
    last = states[-1].attributes
    type_, name = parts.word(last[_STATE]), parts.word(last.get("prefect.state.name"))
    status = status_of_word(type_ or "")
    if name is not None and status_of_word(name) in FINAL:
        status = status_of_word(name)  # TimedOut is of type FAILED
    return (status, (type_ or "").lower() or None) if status in FINAL else (None, None)


def _task(span: Span, parent: Place | None) -> Reading:
    told = parts.name(span.attributes.get("prefect.task.name"))
    run = parts.name(span.attributes.get("prefect.run.name")) or span.name
    found = _RUN_NAME.match(run)
    task, key = (told or run, run) if found is None else (told or found["task"], found["key"])
    if parent is None or parent.execution is None:
        # A task that was called outside of any flow.
        parent = Place(
            dialect=SOURCE,
            source=SOURCE,
            namespace=SOURCE,
            environment=span.environment,
            pipeline=parts.service(span),
            execution=span.trace,
        )
    place = Place(
        dialect=SOURCE,
        source=parent.source,
        namespace=parent.namespace,
        environment=parent.environment,
        pipeline=parent.pipeline,
        execution=parent.execution,
        path=parts.below(parent, parts.name(task) or "task"),
        # Three digits behind the name are the same for several of many runs of a task.
        index=f"{key}-{str(span.attributes['prefect.run.id'])[-8:]}",
    )
    moments = _attempts(span, place)
    last = moments[-1].payload
    assert isinstance(last, StageFinished)
    tally = Tally(failed=1) if last.status == Status.FAILED else None
    return Reading(place, moments, whole=not span.parent, tally=tally)


def _attempts(span: Span, place: Place) -> list[Moment]:
    """One end an attempt: AwaitingRetry ends it, and so does Retrying where there is no delay."""
    found: list[Moment] = []
    began, running = _began(span), True
    for event in _states(span):
        name = event.attributes.get("prefect.state.name")
        if name == "AwaitingRetry" or (name == "Retrying" and running):
            times = (began, event.time)
            found.append(
                _finished(place, len(found) + 1, times, Status.FAILED, _thrown(span, times), retry=True)
            )
        running = name != "AwaitingRetry"
        if name in ("Retrying", "Running") and found:
            began = event.time
    status, _ = _end(span)
    status = parts.outcome(span) if status is None else status
    error = parts.error(span) if status in (Status.FAILED, Status.TIMED_OUT) else None
    found.append(_finished(place, len(found) + 1, (began, max(began, _ended(span))), status, error))
    return found


def _thrown(span: Span, times: tuple[int, int]) -> ErrorDetail | None:
    """The exception that ended an attempt; with a delay before the next one, none is told."""
    thrown = [one for one in span.events if one.name == parts.EXCEPTION and times[0] <= one.time <= times[1]]
    if not thrown:
        return None
    about = thrown[-1].attributes
    error = ErrorDetail(
        message=parts.text(about.get("exception.message")) or "no message was told",
        type=parts.text(about.get("exception.type")),
        stacktrace=parts.text(about.get("exception.stacktrace")),
    )
    return error.cleaned()


def _finished(
    place: Place,
    attempt: int,
    times: tuple[int, int],
    status: Status,
    error: ErrorDetail | None,
    *,
    retry: bool = False,
) -> Moment:
    assert place.execution is not None
    finished = StageFinished(
        pipeline=place.pipeline,
        environment=place.environment,
        execution=place.execution,
        stage=place.path[-1],
        parent=place.path[:-1],
        index=place.index,
        attempt=attempt,
        status=status,
        error=error,
        retry=retry,
        started_at=from_micros(times[0]),
    )
    return Moment(times[1], finished)
