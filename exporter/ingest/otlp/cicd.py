"""OpenTelemetry's convention for CI/CD: one span a pipeline run, one a task run below it.

Name and id of the run may stand on the resource only. Source:
https://opentelemetry.io/docs/specs/semconv/cicd/cicd-spans/
"""

from __future__ import annotations

from exporter.domain.spans import Place, Reading, Span
from exporter.domain.status import FINAL, Status, status_of_word
from exporter.ingest.otlp import parts

DIALECT = "cicd"
_TASK = ("cicd.pipeline.task.name", "cicd.pipeline.task.run.id", "cicd.pipeline.task.run.result")
_RUN = ("cicd.pipeline.name", "cicd.pipeline.run.id", "cicd.pipeline.result", "cicd.pipeline.action.name")
_LABELS = (
    "vcs.ref.head.name",
    "vcs.ref.head.revision",
    "vcs.repository.url.full",
    "vcs.change.id",
    "cicd.pipeline.action.name",
    "cicd.worker.name",
)


def claims(span: Span) -> bool:
    """Whether it is the span of a pipeline run or of a task run."""
    return any(key in span.attributes for key in (*_TASK, *_RUN)) or (
        not span.parent and "cicd.pipeline.name" in span.resource
    )


def read(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What a pipeline run or a task run tells; a task run nothing before what encloses it is known."""
    if any(key in span.attributes for key in _TASK):
        return _task(span, parent, orphan=orphan)
    place = _of_run(span)
    moments = parts.execution(
        span,
        place,
        status=_status(span, "cicd.pipeline.result"),
        source_status=parts.word(span.attributes.get("cicd.pipeline.result")),
        kind="ci",
        labels=parts.labels((key, span.get(key)) for key in _LABELS),
        link=parts.sound_link(span.get("cicd.pipeline.run.url.full")),
    )
    return Reading(place, moments, whole=True)


def _of_run(span: Span) -> Place:
    return Place(
        dialect=DIALECT,
        source=parts.SOURCE,
        namespace=parts.NAMESPACE,
        environment=span.environment,
        pipeline=parts.name(span.get("cicd.pipeline.name")) or parts.service(span),
        execution=parts.name(span.get("cicd.pipeline.run.id"), 1024) or span.trace,
    )


def _task(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    if parent is None or parent.execution is None:
        if not orphan and span.parent:
            return None
        parent = _of_run(span)
    stage = parts.name(span.attributes.get("cicd.pipeline.task.name")) or span.name
    place = Place(
        dialect=DIALECT,
        source=parent.source,
        namespace=parent.namespace,
        environment=parent.environment,
        pipeline=parent.pipeline,
        execution=parent.execution,
        path=parts.below(parent, stage),
    )
    attempt = parts.whole(span.attributes.get("cicd.pipeline.task.run.attempt")) or None
    moment = parts.stage(
        span,
        place,
        status=_status(span, "cicd.pipeline.task.run.result"),
        source_status=parts.word(span.attributes.get("cicd.pipeline.task.run.result")),
        attempt=attempt if attempt is None or attempt <= 1_000_000 else None,
        attempt_id=parts.name(span.attributes.get("cicd.pipeline.task.run.id"), 128) or span.id,
        kind=parts.word(span.attributes.get("cicd.pipeline.task.type")),
    )
    return Reading(place, [moment], whole=not span.parent)


def _status(span: Span, key: str) -> Status:
    status = status_of_word(str(span.attributes.get(key, "")))
    return status if status is not None and status in FINAL else parts.outcome(span)
