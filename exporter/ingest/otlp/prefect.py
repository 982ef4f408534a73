"""Prefect's own spans: flow runs and task runs, whose states are events of the span.

Names of spans are names of runs, drawn at random; the flow's name is not told. A retry is within one span, and the
status of a flow that succeeded at last may be an error: the last state is right. Task runs know their flow run
by their parent only. Spans of `docket`, Prefect's own queue, tell of no run.
"""

from __future__ import annotations

import re
from typing import Any

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import ExecutionStarted, Parent, StageFinished
from exporter.domain.spans import Moment, Place, Reading, Span, Tally
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
    if status is None:
        # The flow is tried again behind the end of its span, and nothing will tell how that ends.
        started = ExecutionStarted(
            pipeline=place.pipeline,
            environment=place.environment,
            execution=place.execution or "",
            **about,
        )
        return Reading(place, [Moment(span.start, started)], whole=whole, tally=Tally(quiet=True))
    moments = parts.execution(span, place, status=status, source_status=state, **about)
    return Reading(place, moments, whole=whole)


def _end(span: Span) -> tuple[Status | None, str | None]:
    """The last state, if it is an end; the span's own status where no states are told."""
    states = [event.attributes for event in span.events if _STATE in event.attributes]
    if not states:
        return parts.outcome(span), None
    type_, name = parts.word(states[-1][_STATE]), parts.word(states[-1].get("prefect.state.name"))
    status = status_of_word(type_ or "")
    if name is not None and status_of_word(name) in FINAL:
        status = status_of_word(name)  # TimedOut is of type FAILED
    return (status, (type_ or "").lower() or None) if status in FINAL else (None, None)


def _task(span: Span, parent: Place | None) -> Reading:
    told = parts.name(span.attributes.get("prefect.task.name"))
    run = parts.name(span.attributes.get("prefect.run.name")) or span.name
    found = _RUN_NAME.match(run)
    task, key = (told or run, None) if found is None else (told or found["task"], found["key"])
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
        index=key,
    )
    moments = _attempts(span, place)
    last = moments[-1].payload
    assert isinstance(last, StageFinished)
    tally = Tally(failed=1) if last.status == Status.FAILED else None
    return Reading(place, moments, whole=not span.parent, tally=tally)


def _attempts(span: Span, place: Place) -> list[Moment]:
    """One end an attempt: each is ended by AwaitingRetry, and begun again by Retrying."""
    found: list[Moment] = []
    began = span.start
    errors = [event for event in span.events if event.name == parts.EXCEPTION]
    for event in sorted(span.events, key=lambda event: event.time):
        name = event.attributes.get("prefect.state.name")
        if name == "AwaitingRetry":
            thrown = [one for one in errors if began <= one.time <= event.time]
            about = thrown[-1].attributes if thrown else {}
            message = parts.text(about.get("exception.message")) or parts.text(
                event.attributes.get("prefect.state.message")
            )
            error = ErrorDetail(
                message=message or "tried again",
                type=parts.text(about.get("exception.type")),
                stacktrace=parts.text(about.get("exception.stacktrace")),
            )
            found.append(
                _finished(
                    place, len(found) + 1, (began, event.time), Status.FAILED, error.cleaned(), retry=True
                )
            )
        elif name in ("Retrying", "Running"):
            began = event.time if found else began
    status, _ = _end(span)
    status = parts.outcome(span) if status is None else status
    failed = status in (Status.FAILED, Status.TIMED_OUT)
    found.append(
        _finished(place, len(found) + 1, (began, span.end), status, parts.error(span) if failed else None)
    )
    return found


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
