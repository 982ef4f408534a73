"""Spans of Dagster's packages: one a step, each in a process of its own, none for the run.

The parent of a span is an upstream step, further upstream steps are links; run, job and step stand in attributes.
"""

from __future__ import annotations

import re
from typing import Any

from exporter.domain.events import ExecutionHeartbeat, ExecutionStarted, Payload, StageProgressed
from exporter.domain.spans import Moment, Place, Reading, Span, Tally
from exporter.ingest.otlp import parts

SOURCE = "dagster"
_MAPPED = re.compile(r"^(?P<step>.+)\[(?P<key>[^\[\]]+)\]$", re.DOTALL)


def claims(span: Span) -> bool:
    """Whether it is the span of a step."""
    return all(parts.text(span.attributes.get(f"dagster.{key}")) for key in ("run_id", "step_key"))


def read(span: Span, parent: Place | None) -> Reading:
    """What the span of a step tells; its parent only adds which step it waited for."""
    step = parts.text(span.attributes["dagster.step_key"]) or ""
    mapped = _MAPPED.match(step)
    retries = parts.whole(span.attributes.get("dagster.retry_number")) or 0
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
    about: dict[str, Any] = {
        "pipeline": place.pipeline,
        "environment": place.environment,
        "execution": place.execution or "",
    }
    # A step that waited for none is among the first: nothing else tells that a run began.
    began: Payload = (ExecutionHeartbeat if span.parent or span.links else ExecutionStarted)(
        **about, kind="job"
    )
    moments = [
        Moment(span.start, began),
        parts.stage(span, place, attempt=retries + 1),
    ]
    if parent is not None and parent.dialect == SOURCE and parent.path != place.path:
        waited = StageProgressed(
            **about,
            stage=place.path[-1],
            index=place.index,
            attempt=retries + 1,
            depends_on=[parent.path[-1]],
        )
        moments.append(Moment(span.start, waited))
    tally = Tally(failed=1 if span.failed else -retries, quiet=True)
    return Reading(place, moments, whole=not span.parent, tally=tally)
