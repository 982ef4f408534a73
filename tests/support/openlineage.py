"""Recordings of OpenLineage clients, translated and added up in every order of arrival."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from exporter.domain.events import Event, Payload
from exporter.ingest.openlineage import translate
from tests.support.model import ModelExecution, ModelStage, executions
from tests.support.recordings import recorded

RECEIVED = datetime(2026, 11, 22, 2, tzinfo=UTC)
OPENLINEAGE = ("airflow", "dbt", "dagster-all", "olpy")

ORDERS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "in order": list,
    "reversed": lambda bodies: bodies[::-1],
    "shuffled": lambda bodies: random.Random(7).sample(bodies, len(bodies)),
    "doubled": lambda bodies: [body for body in bodies for _ in "12"],
    "doubled and shuffled": lambda bodies: random.Random(8).sample(bodies * 2, len(bodies) * 2),
}


def bodies(name: str) -> list[bytes]:
    return [request.body for request in recorded(name) if request.path.endswith("/lineage")]


def told(sent: list[bytes]) -> list[Event]:
    return [event for body in sent for event in translate(body, received=RECEIVED)]


def shown(name: str) -> dict[tuple[str, str], ModelExecution]:
    """Executions of a recording by pipeline and run id; the same for every order of arrival."""
    sent = bodies(name)
    results = [executions(told(order(sent))) for order in ORDERS.values()]
    assert all(result == results[0] for result in results)
    return {(pipeline, run): execution for (_, _, pipeline, run), execution in results[0].items()}


def by_pipeline(name: str) -> dict[str, ModelExecution]:
    found = shown(name)
    assert len({pipeline for pipeline, _ in found}) == len(found)
    return {pipeline: execution for (pipeline, _), execution in found.items()}


def moment(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def stage(execution: ModelExecution, *path: str, index: str | None = None) -> ModelStage:
    return execution.stages[path, index]


def run_event(  # noqa: PLR0913 - each test tells what it is about, and nothing else
    type_: str | None = "START",
    *,
    run: str = "0190b7a2-0000-7000-8000-000000000001",
    name: str = "job",
    namespace: str = "ns",
    time: str = "2026-11-22T01:00:00Z",
    producer: str = "https://example.org/client",
    run_facets: dict[str, Any] | None = None,
    job_facets: dict[str, Any] | None = None,
    inputs: list[dict[str, Any]] | None = None,
    outputs: list[dict[str, Any]] | None = None,
) -> bytes:
    """The body of a run event."""
    event = {
        "eventType": type_,
        "eventTime": time,
        "producer": producer,
        "run": {"runId": run, "facets": run_facets or {}},
        "job": {"namespace": namespace, "name": name, "facets": job_facets or {}},
        "inputs": inputs or [],
        "outputs": outputs or [],
    }
    return json.dumps({key: value for key, value in event.items() if value is not None}).encode()


def job_type(integration: str, kind: str) -> dict[str, Any]:
    """Facet that says what a job is."""
    return {"jobType": {"integration": integration, "jobType": kind, "processingType": "BATCH"}}


def parent(
    run: str, name: str, *, namespace: str = "ns", root: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Facet that says whose child a run is."""
    facet: dict[str, Any] = {"run": {"runId": run}, "job": {"namespace": namespace, "name": name}}
    if root is not None:
        facet["root"] = root["parent"]
    return {"parent": facet}


P = TypeVar("P", bound=Payload)


def only(events: list[Event], type_: type[P]) -> P:
    """The only payload of that type."""
    (found,) = [event.payload for event in events if type(event.payload) is type_]
    assert isinstance(found, type_)
    return found
