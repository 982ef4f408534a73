"""Airflow's own spans: `dag_run.X` > `task_run.Y` > `worker.Y`, each naming DAG, run and task in its attributes.

They lead to the same executions as its OpenLineage events do. The span of a task is ended by
the API server, with its state; that of the worker, below it, only shows that it runs. Both tries of a task have one
span id. Skipped tasks bear the status of an error: only `airflow.task_instance.state` tells.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from exporter.domain.events import (
    ExecutionFinished,
    StageFinished,
    StageProgressed,
    StageStarted,
)
from exporter.domain.spans import Moment, Place, Reading, Span
from exporter.domain.status import FINAL, Status, status_of_word
from exporter.domain.times import EARLIEST, LATEST, from_micros, to_micros
from exporter.ingest.otlp import parts

SOURCE = "airflow"
NAMESPACE = "airflow"
"""As for OpenLineage, so that both ways lead to one execution."""

_RETRIES = ("up_for_retry",)


def claims(span: Span) -> bool:
    """Whether it is a span of Airflow's own."""
    return (
        parts.text(span.attributes.get("airflow.dag_id")) is not None
        and parts.text(span.attributes.get("airflow.dag_run.run_id")) is not None
    )


def read(span: Span) -> Reading:
    """What a span of Airflow's tells; it needs no other."""
    place = Place(
        dialect=SOURCE,
        source=SOURCE,
        namespace=NAMESPACE,
        environment=span.environment,
        pipeline=parts.name(span.attributes["airflow.dag_id"]) or "",
        execution=parts.name(span.attributes["airflow.dag_run.run_id"], 1024),
    )
    task = parts.name(span.attributes.get("airflow.task_id"))
    if task is None:
        return Reading(place, _dag_run(span, place), whole=True)
    index = span.attributes.get("airflow.task_instance.map_index")
    mapped = None if index is None or str(index).startswith("-") else parts.name(index)
    place = replace(place, path=[task], index=mapped)
    attempt = max(1, parts.whole(span.attributes.get("airflow.task_instance.try_number")) or 1)
    return Reading(place, _task(span, place, attempt), whole=True)


def _dag_run(span: Span, place: Place) -> list[Moment]:
    told = parts.text(span.attributes.get("airflow.dag_run.state"))
    status = None if told is None else status_of_word(told)
    if status is None or status not in FINAL:
        status = parts.outcome(span)
    times = {
        key: moment if moment is not None and EARLIEST <= moment < LATEST else None
        for key in ("start_date", "end_date", "queued_at")
        for moment in [parts.moment(span.attributes.get(f"airflow.dag_run.{key}"))]
    }
    started = times["start_date"]
    finished = ExecutionFinished(
        pipeline=place.pipeline,
        environment=place.environment,
        execution=place.execution or "",
        kind="dag",
        trigger=parts.word(span.attributes.get("airflow.dag_run.run_type")),
        status=status,
        source_status="success" if status is Status.SUCCEEDED else status.value,
        error=parts.error(span) if status is Status.FAILED and _thrown(span) else None,
        queued_at=times["queued_at"],
        started_at=started or _began(span),
    )
    ended = times["end_date"]
    return [Moment(span.end if ended is None else to_micros(ended), finished)]


def _thrown(span: Span) -> bool:
    return bool(span.message) or any(event.name == parts.EXCEPTION for event in span.events)


def _began(span: Span) -> datetime:
    return from_micros(span.start)


def _task(span: Span, place: Place, attempt: int) -> list[Moment]:
    about: dict[str, Any] = {
        "pipeline": place.pipeline,
        "environment": place.environment,
        "execution": place.execution or "",
        "stage": place.path[-1],
        "index": place.index,
        "attempt": attempt,
    }
    state = parts.word(span.attributes.get("airflow.task_instance.state"))
    if state is None:
        return [Moment(span.start, StageStarted(**about))] if span.name.startswith("worker.") else []
    status = Status.FAILED if state in _RETRIES else status_of_word(state)
    if status is None or status not in FINAL:
        return [Moment(span.end, StageProgressed(**about, source_status=state))]
    finished = StageFinished(
        **about,
        status=status,
        source_status=state,
        retry=state in _RETRIES,
        # The task itself begins some tenths of a second later; the worker's span can begin seconds after that.
        started_at=None if status is Status.SKIPPED else _began(span),
        error=parts.error(span) if status is Status.FAILED and _thrown(span) else None,
    )
    return [Moment(span.end, finished)]
