"""OpenLineage: one event of its HTTP transport becomes domain events.

Each event is translated on its own: they arrive in any order, doubled, and at several replicas.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

import msgspec

from exporter.domain.events import Event, Payload
from exporter.domain.identity import event_identity
from exporter.domain.times import AHEAD, TOO_FAR, to_micros
from exporter.ingest.openlineage import airflow, dagster, dbt, facets, plain
from exporter.ingest.openlineage.states import Story
from exporter.ingest.openlineage.wire import RunEvent, read
from exporter.ingest.refusal import FieldError, Refused

__all__ = ["translate"]


def translate(
    body: bytes,
    *,
    received: datetime,
    environment: str = "default",
) -> list[Event]:
    """Domain events of one OpenLineage event, a body of `POST /api/v1/lineage` that is no longer compressed.

    Empty for what tells of no run, or not of which. Raises `exporter.ingest.refusal.Refused`, also for what happened
    more than a day after it was `received`.
    """
    event = read(body)
    if event is not None and event.time > received + AHEAD:
        raise _ahead("/eventTime", event.time)
    story = None if event is None else _story(event, environment)
    if event is None or story is None:
        return []
    late = next((at for at, payload in story.moments if at > received + AHEAD), None)
    if late is not None:
        raise _ahead("/run/facets", late)
    return [
        Event(_identity(event, payload, at), at, story.source, story.namespace, payload)
        for at, payload in story.moments
    ]


def _ahead(place: str, time: datetime) -> Refused:
    error = FieldError(place, f"{TOO_FAR}, got {time.isoformat()}")
    return Refused(422, f"{error.pointer} {error.message}", [error])


def _story(event: RunEvent, environment: str) -> Story | None:
    job = facets.job_type(event)
    match job.integration:
        case "AIRFLOW":
            return airflow.translate(event, job, environment)
        case "DBT":
            return dbt.translate(event, job, environment)
        case "DAGSTER":
            return dagster.translate(event, environment)
        case _:
            return plain.translate(event, job, environment)


def _identity(event: RunEvent, payload: Payload, at: datetime) -> bytes:
    """The same for an event sent again, whatever the order of its keys and the notation of its time."""
    content = msgspec.json.encode(payload, order="deterministic")
    parts = (
        event.run_id,
        event.namespace,
        event.name,
        event.type,
        str(to_micros(event.time)),
        str(to_micros(at)),
        payload.type,
        blake2b(content, digest_size=16).hexdigest(),
    )
    return event_identity("openlineage", "\x1f".join(parts))
