"""Pipelines, and what is remembered of them and of their parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, func, select, tuple_

from exporter.catalogue import Scope
from exporter.catalogue.metric import OTHER
from exporter.store import schema
from exporter.store.queries.executions import ACTIVE
from exporter.store.state import ComponentState, PipelineState
from exporter.store.work import chunks

_pipeline_state = msgspec.json.Decoder(PipelineState).decode
_component_state = msgspec.json.Decoder(ComponentState).decode
_labels = msgspec.json.Decoder(tuple[str, ...]).decode


class Pipeline(NamedTuple):
    """A pipeline. `counted`: its totals are its own, and not in what takes the excess of series."""

    id: int
    environment: str
    name: str
    counted: bool
    state: PipelineState


class Activity(NamedTuple):
    """Executions of a pipeline that have not ended, by status, and when the oldest of them started."""

    by_status: dict[str, int]
    oldest_start: int | None


IDLE = Activity({}, None)


def _query(environment: str | None) -> Select[Any]:
    table = schema.pipelines
    query = select(table.c.id, table.c.environment, table.c.name, table.c.series_id, table.c.state)
    query = query.where(table.c.name != OTHER).order_by(table.c.environment, table.c.name)
    return query if environment is None else query.where(table.c.environment == environment)


def _pipeline(row: Any) -> Pipeline:
    return Pipeline(row.id, row.environment, row.name, row.series_id is None, _pipeline_state(row.state))


def listed(
    connection: Connection, environment: str | None, after: tuple[str, str] | None, size: int
) -> list[Pipeline]:
    """Pipelines by environment and name, from behind a pair of them."""
    table = schema.pipelines
    query = _query(environment)
    if after is not None:
        query = query.where(tuple_(table.c.environment, table.c.name) > tuple_(*after))
    return [_pipeline(row) for row in connection.execute(query.limit(size))]


def named(
    connection: Connection, names: Collection[str] = (), environment: str | None = None
) -> Iterator[Pipeline]:
    """Pipelines of these names, one in each environment that has one; all of them without names."""
    query = _query(environment)
    if names:
        query = query.where(schema.pipelines.c.name.in_(names))
    for row in connection.execute(query):
        yield _pipeline(row)


def with_stage(
    connection: Connection, stage: str, names: Collection[str] = (), environment: str | None = None
) -> list[Pipeline]:
    """Pipelines known to have a stage of that name."""
    known = list(named(connection, names, environment))
    table = schema.components
    labels = msgspec.json.encode([stage]).decode()
    found: set[int] = set()
    for chunk in chunks([each.id for each in known]):
        found.update(
            connection.scalars(
                select(table.c.pipeline_id).where(
                    table.c.pipeline_id.in_(chunk),
                    table.c.scope == Scope.STAGE.value,
                    table.c.labels == labels,
                )
            )
        )
    return [each for each in known if each.id in found]


def names(connection: Connection) -> list[tuple[str, str]]:
    """Environments and names of all pipelines."""
    table = schema.pipelines
    query = select(table.c.environment, table.c.name).where(table.c.name != OTHER)
    return [(row[0], row[1]) for row in connection.execute(query)]


def rest(connection: Connection) -> list[Pipeline]:
    """What takes the totals of pipelines beyond the budget of series, if there are any."""
    table = schema.pipelines
    query = select(table.c.id, table.c.environment, table.c.name, table.c.series_id, table.c.state)
    return [_pipeline(row) for row in connection.execute(query.where(table.c.name == OTHER))]


def activity(connection: Connection, ids: Collection[int]) -> dict[int, Activity]:
    """What is going on in pipelines, by their id; those where nothing is are left out."""
    table = schema.executions
    found: dict[int, Activity] = {}
    for chunk in chunks(list(ids)):
        query = (
            select(table.c.pipeline_id, table.c.status, func.count(), func.min(table.c.started_at))
            .where(table.c.pipeline_id.in_(chunk), table.c.status.in_(ACTIVE))
            .group_by(table.c.pipeline_id, table.c.status)
        )
        for id_, status, count, oldest in connection.execute(query):
            before = found.get(id_, Activity({}, None))
            starts = [start for start in (before.oldest_start, oldest) if start is not None]
            found[id_] = Activity({**before.by_status, status: count}, min(starts, default=None))
    return found


def parts(
    connection: Connection, ids: Collection[int], *scopes: Scope
) -> dict[int, dict[Scope, dict[tuple[str, ...], ComponentState]]]:
    """Parts of pipelines by the pipeline's id, their scope and their labels."""
    table = schema.components
    found: dict[int, dict[Scope, dict[tuple[str, ...], ComponentState]]] = {
        id_: {scope: {} for scope in scopes} for id_ in ids
    }
    words = [scope.value for scope in scopes]
    for chunk in chunks(list(ids)):
        query = (
            select(table.c.pipeline_id, table.c.scope, table.c.labels, table.c.state)
            .where(table.c.pipeline_id.in_(chunk), table.c.scope.in_(words))
            .order_by(table.c.pipeline_id, table.c.id)
        )
        for id_, scope, labels, state in connection.execute(query):
            found[id_][Scope(scope)][_labels(labels)] = _component_state(state)
    return found


def upstreams(connection: Connection, id_: int) -> dict[str, list[str]]:
    """Stages of a pipeline and those that each waits for, as last told."""
    stages = parts(connection, [id_], Scope.STAGE)[id_][Scope.STAGE]
    return {name: list(state.facts.get("depends_on", ())) for (name,), state in stages.items()}


def active_stages(connection: Connection, ids: Collection[int]) -> dict[tuple[int, str], int]:
    """How many attempts of a stage have not ended, by the pipeline's id and the stage's name."""
    table = schema.stages
    found: dict[tuple[int, str], int] = {}
    for chunk in chunks(list(ids)):
        query = (
            select(table.c.pipeline_id, table.c.name, func.count())
            .where(table.c.pipeline_id.in_(chunk), table.c.status.in_(ACTIVE))
            .group_by(table.c.pipeline_id, table.c.name)
        )
        for id_, name, count in connection.execute(query):
            found[id_, name] = count
    return found
