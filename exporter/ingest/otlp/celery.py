"""Spans of Celery's instrumentation: PRODUCER `apply_async/X` > CONSUMER `run/X` > PRODUCER `apply_async/Y` > …

A chain, a retry and the body of a chord nest ever deeper in one trace: that is one execution, named by the first task
and by its id. The headers of a chord are traces of their own. The execution is over when each task
that was sent has run.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import ExecutionQueued, ExecutionStarted, StageFinished
from exporter.domain.spans import Moment, Place, Reading, Span, Tally
from exporter.domain.status import FAILING, Status
from exporter.domain.text import clean_name
from exporter.ingest.otlp import parts

SOURCE = "celery"
_STATES = {
    "SUCCESS": Status.SUCCEEDED,
    "FAILURE": Status.FAILED,
    "RETRY": Status.FAILED,
    "REVOKED": Status.CANCELLED,
    "REJECTED": Status.FAILED,
    "IGNORED": Status.SKIPPED,
}


def claims(span: Span) -> bool:
    """Whether a task was sent or run."""
    return span.attributes.get("celery.action") in ("apply_async", "run") and bool(
        parts.text(span.attributes.get("celery.task_name"))
    )


def read(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What the sending or the run of a task tells; nothing before what sent it is known."""
    if parent is None and span.parent and not orphan:
        return None
    task = parts.name(span.attributes["celery.task_name"]) or ""
    first = parent is None or parent.dialect != SOURCE
    place = (
        parent
        if parent is not None and not first
        else Place(
            dialect=SOURCE,
            source=SOURCE,
            namespace=SOURCE,
            environment=span.environment,
            pipeline=task,
            execution=parts.name(span.attributes.get("messaging.message.id"), 1024) or span.trace,
        )
    )
    about: dict[str, Any] = {
        "pipeline": place.pipeline,
        "environment": place.environment,
        "execution": place.execution or "",
        "kind": "task",
    }
    if span.attributes["celery.action"] == "apply_async":
        # As an orphan it may be a retry, which is sent under the id of the task that ran.
        known = first and not (span.parent and parent is None)
        moments = [Moment(span.start, ExecutionQueued(**about))] if known else []
        return Reading(place, moments, whole=not span.parent, tally=Tally(open=1, counted=True))
    upstream = place.path
    place = replace(place, path=[task])
    begins = place.execution == parts.name(
        span.attributes.get("messaging.message.id"), 1024
    ) and not parts.whole(span.attributes.get("celery.retries"))
    moments = [Moment(span.start, ExecutionStarted(**about))] if begins else []
    ended = _run(span, place, [upstream[-1]] if upstream and upstream != place.path else None)
    moments.append(ended)
    assert isinstance(ended.payload, StageFinished)
    failed = ended.payload.status in FAILING and not ended.payload.retry
    tally = Tally(open=-1 if span.parent else 0, failed=int(failed), counted=True)
    return Reading(place, moments, whole=not span.parent, tally=tally)


def _run(span: Span, place: Place, depends_on: list[str] | None) -> Moment:
    state = str(span.attributes.get("celery.state", "")).upper()
    status = _STATES.get(state, parts.outcome(span))
    task_id = str(span.attributes.get("messaging.message.id", span.id))
    ended = parts.stage(
        span,
        place,
        status=status,
        source_status=None if state in ("RETRY", "REJECTED", "IGNORED") else state or None,
        # Tasks of one name in one trace are told apart by id, and each try of them by its number.
        attempt_id=clean_name(f"{task_id}:{span.attributes.get('celery.retries', 0)}", 128),
        retry=state == "RETRY",
        depends_on=depends_on,
    )
    reason = parts.text(span.attributes.get("celery.retry.reason"))
    if state == "RETRY" and reason is not None and isinstance(ended.payload, StageFinished):
        return Moment(ended.time, replace(ended.payload, error=ErrorDetail(message=reason).cleaned()))
    return ended
