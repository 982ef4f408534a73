"""Spans of Dagster's packages: one a step, each in a process of its own, none for the run.

The parent of a span is an upstream step, further upstream steps are links; run, job and step stand in attributes.
Ticks of sensors and schedules are spans, too, and the parents of the first steps of the runs that they ask for.

No span tells that a run ended, and the next step may be silent for hours. So a run is over when another way in says so
(Dagster's storage, or OpenLineage), or when a step failed, was not tried again, and nothing followed.
"""

from __future__ import annotations

import re
from typing import Any

from exporter.domain.events import ExecutionHeartbeat, ExecutionStarted, Payload, StageProgressed
from exporter.domain.spans import Moment, Place, Reading, Span, Tally
from exporter.ingest.otlp import parts

SOURCE = "dagster"
_MAPPED = re.compile(r"^(?P<step>.+)\[(?P<key>[^\[\]]+)\]$", re.DOTALL)
_TICKS = ("dagster.sensor_name", "dagster.schedule_name")


def claims(span: Span) -> bool:
    """Whether it is the span of a step, or of a tick of a sensor or schedule."""
    return _is_step(span) or any(parts.text(span.attributes.get(key)) for key in _TICKS)


def _is_step(span: Span) -> bool:
    return all(parts.text(span.attributes.get(f"dagster.{key}")) for key in ("run_id", "step_key"))


def read(span: Span, parent: Place | None) -> Reading:
    """What a span tells; its parent only adds which step it waited for, or what asked for the run."""
    return _step(span, parent) if _is_step(span) else _tick(span)


def _tick(span: Span) -> Reading:
    """No run: most ticks ask for none. Its place is known by the name of what ticked."""
    name = next(filter(None, (parts.name(span.attributes.get(key)) for key in _TICKS)))
    place = Place(
        dialect=SOURCE, source=SOURCE, namespace=SOURCE, environment=span.environment, pipeline=name
    )
    return Reading(place, [], whole=not span.parent)


def _step(span: Span, parent: Place | None) -> Reading:
    step = parts.text(span.attributes["dagster.step_key"]) or ""
    mapped = _MAPPED.match(step)
    attempt = 1 + (parts.whole(span.attributes.get("dagster.retry_number")) or 0)
    place = Place(
        dialect=SOURCE,
        source=SOURCE,
        namespace=SOURCE,
        environment=span.environment,
        pipeline=parts.name(span.attributes.get("dagster.job_name")) or parts.service(span),
        execution=parts.name(span.attributes["dagster.run_id"], 1024),
        path=[parts.name(step if mapped is None else mapped["step"]) or ""],
        index=None if mapped is None else parts.name(mapped["key"]),
    )
    moments = [
        Moment(span.start, _sign_of_life(span, place, parent)),
        parts.stage(span, place, attempt=attempt),
    ]
    if _waited_for(parent) and parent is not None and parent.path != place.path:
        waited = StageProgressed(
            **_about(place),
            stage=place.path[-1],
            index=place.index,
            attempt=attempt,
            depends_on=[parent.path[-1]],
        )
        moments.append(Moment(span.start, waited))
    tally = Tally(failed=1 if span.failed else 1 - attempt, quiet_failure=True)
    return Reading(place, moments, whole=not span.parent, tally=tally)


def _about(place: Place) -> dict[str, Any]:
    return {
        "pipeline": place.pipeline,
        "environment": place.environment,
        "execution": place.execution or "",
    }


def _waited_for(parent: Place | None) -> bool:
    """Whether the parent is a step."""
    return parent is not None and parent.dialect == SOURCE and bool(parent.path)


def _sign_of_life(span: Span, place: Place, parent: Place | None) -> Payload:
    """A step that waited for none is among the first: nothing else tells that a run began."""
    if span.links or _waited_for(parent):
        return ExecutionHeartbeat(**_about(place), kind="job")
    trigger = parent.pipeline if parent is not None and parent.dialect == SOURCE else None
    return ExecutionStarted(**_about(place), kind="job", trigger=trigger)
