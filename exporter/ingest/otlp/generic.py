"""Spans that no convention speaks for: the root of a trace is an execution, the spans below it are stages.

The pipeline is the service, the execution the trace. A mapping file (`exporter.ingest.otlp.mapping`) tells otherwise.
"""

from __future__ import annotations

from msgspec.structs import replace

from exporter.domain.spans import HOST, Place, Reading, Span
from exporter.ingest.otlp import parts

DIALECT = "trace"


def read(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What a span tells by its place in the trace alone; nothing before its parent is known."""
    if parent is not None:
        return _child(span, parent)
    # Whoever called from another process, and is never seen, does not send its spans here.
    if not span.parent or (orphan and (span.remote or span.kind in ("server", "consumer"))):
        place = of_trace(span)
        if span.parent:
            # Apart from the trace's own execution, should its root turn up: then this one is no execution at all.
            place = replace(place, execution=f"{span.trace}-{span.id}")
        return Reading(
            place, parts.execution(span, place, parameters=parameters(span)), whole=not span.parent
        )
    return _child(span, of_trace(span)) if orphan else None


def of_trace(span: Span) -> Place:
    """The execution that a trace is."""
    return Place(
        dialect=DIALECT,
        source=parts.SOURCE,
        namespace=parts.NAMESPACE,
        environment=span.environment,
        pipeline=parts.service(span),
        execution=span.trace,
    )


def parameters(span: Span) -> dict[str, object] | None:
    """What a run was started with, as far as its attributes tell."""
    return dict(list(span.attributes.items())[:64]) or None


def inside(parent: Place) -> Reading:
    """A span that tells nothing of its own; what is below it belongs to its parent."""
    return Reading(parent, [])


def _child(span: Span, parent: Place) -> Reading:
    if parent.call or parent.execution is None:
        return inside(parent)
    hosted = parent.dialect == HOST
    place = Place(
        dialect=HOST if hosted else DIALECT,
        source=parent.source,
        namespace=parent.namespace,
        environment=parent.environment,
        pipeline=parent.pipeline,
        execution=parent.execution,
        path=parts.below(parent, span.name),
        index=parent.index if hosted else None,
    )
    if place.path == parent.path:
        return inside(parent)
    return Reading(place, [parts.stage(span, place, attempt_id=span.id)])
