"""Recordings of OpenLineage clients, translated and added up in every order of arrival."""

import random
from collections.abc import Callable
from datetime import UTC, datetime

from exporter.domain.events import Event
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
