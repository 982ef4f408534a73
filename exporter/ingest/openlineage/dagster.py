"""Runs of Dagster, as `openlineage-dagster`'s sensor tells of them: few facets, no errors, no graph.

A run without a parent is an execution, its step a stage; a step that was mapped bears its key,
`work[part_1]`. Retries of a step are not told, so each step has one attempt; the run id of a step is made up
by the sensor anew whenever it lost its memory, and says nothing."""

from __future__ import annotations

import re

from exporter.domain.events import Payload
from exporter.domain.text import clean_name
from exporter.ingest.openlineage import facets
from exporter.ingest.openlineage.plain import own_name
from exporter.ingest.openlineage.states import (
    About,
    AboutStage,
    Story,
    Told,
    Work,
    end,
    execution_state,
    stage_state,
)
from exporter.ingest.openlineage.wire import RunEvent

SOURCE = "dagster"
NAMESPACE = "dagster"
"""One for all installations, whose run ids are unique: spans and Dagster's storage, which know no namespace, then tell
of the same execution."""

_MAPPED = re.compile(r"^(?P<step>.+)\[(?P<key>[^\[\]]+)\]$", re.DOTALL)


def translate(event: RunEvent, environment: str) -> Story:
    """What a run event of Dagster tells."""
    ancestry = facets.ancestry(event)
    payload: Payload
    if ancestry is None:
        about = About(pipeline=clean_name(event.name), environment=environment, execution=event.run_id)
        told = Told(kind="job", labels=facets.labels(event.run))
        payload = execution_state(event, about, told, end(event))
        return Story(SOURCE, NAMESPACE, [(event.time, payload)])
    job = ancestry.parent
    step = event.name.removeprefix(f"{job.name}.")
    mapped = _MAPPED.match(step)
    about_stage = AboutStage(
        pipeline=job.pipeline,
        environment=environment,
        execution=job.run_id,
        stage=own_name(event.name, job.name) if mapped is None else clean_name(mapped["step"]),
        index=None if mapped is None else clean_name(mapped["key"]),
        parent=[],
        attempt=1,
        attempt_id=None,
    )
    payload = stage_state(event, about_stage, Work(), end(event))
    return Story(SOURCE, NAMESPACE, [(event.time, payload)])
