"""Pipelines and the store's own account, read as they are at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, func, select

from exporter.catalogue import Scope
from exporter.domain.baseline import Baseline, baseline
from exporter.domain.graph import layout
from exporter.domain.times import SECOND
from exporter.store import schema
from exporter.store.state import ClockState, ComponentState, Duration, PipelineState

State: TypeAlias = PipelineState | ComponentState

BATCH = 50
"""Pipelines read at once: enough to make statements few, few enough to keep memory flat."""

_pipeline_state = msgspec.json.Decoder(PipelineState)
_component_state = msgspec.json.Decoder(ComponentState)
_clock_state = msgspec.json.Decoder(ClockState)
_labels = msgspec.json.Decoder(tuple[str, ...])

# As literals: SQLite does not recognise a partial index by parameters.
_ACTIVE: BindParameter[Any] = bindparam("active", schema.ACTIVE_WORDS, expanding=True, literal_execute=True)


@dataclass(frozen=True)
class Snapshot:
    """A pipeline as one scrape sees it. `parts` are in the order in which they became known."""

    id: int
    name: str
    environment: str
    state: PipelineState
    parts: Mapping[Scope, Mapping[tuple[str, ...], State]]
    active: Mapping[str, int]
    oldest_start: int | None
    active_stages: Mapping[str, int]

    @property
    def labels(self) -> tuple[str, str]:
        """Values of the labels that all its metrics have."""
        return self.name, self.environment

    @cached_property
    def usual(self) -> Baseline | None:
        """How long its executions usually take."""
        return usual(self.state.successes)

    @cached_property
    def upstreams(self) -> dict[str, list[str]]:
        """Stages, the declared ones first and in their order, and the known stages that each waits for."""
        stages = {name: state for (name,), state in self.parts[Scope.STAGE].items()}
        ordered = dict.fromkeys([*self.state.facts.get("stages", ()), *stages])
        return {
            name: [
                other
                for other in stages[name].facts.get("depends_on", ())
                if other in stages and other != name
            ]
            for name in ordered
            if name in stages
        }

    @cached_property
    def places(self) -> dict[str, tuple[float, float]]:
        """Where its stages are drawn."""
        return layout(self.upstreams)


@dataclass(frozen=True, slots=True)
class Clock:
    """The store's own account: how often it changed, lines that pipelines take, totals."""

    version: int
    series: int
    state: ClockState


def version(connection: Connection) -> int:
    """Number of the latest change: everything else is as it was as long as this is."""
    return int(connection.execute(select(schema.clock.c.version)).scalar_one())


def read_clock(connection: Connection) -> Clock:
    """The store's own account."""
    row = connection.execute(
        select(schema.clock.c.version, schema.clock.c.series, schema.clock.c.state)
    ).one()
    return Clock(row.version, row.series, _clock_state.decode(row.state))


def changed(connection: Connection, since: int = -1) -> Iterator[list[Snapshot]]:
    """Pipelines that have series of their own and changed after a version, by id, in batches.

    A pipeline beyond the budget of series has none: what it counts is in the pipeline named `__other__`.
    """
    table = schema.pipelines
    query = (
        select(table.c.id).where(table.c.version > since, table.c.series_id.is_(None)).order_by(table.c.id)
    )
    ids = list(connection.scalars(query))
    for start in range(0, len(ids), BATCH):
        yield _load(connection, ids[start : start + BATCH])


def _load(connection: Connection, ids: list[int]) -> list[Snapshot]:
    table = schema.pipelines
    rows = connection.execute(
        select(table.c.id, table.c.name, table.c.environment, table.c.state)
        .where(table.c.id.in_(ids))
        .order_by(table.c.id)
    ).all()
    states = {row.id: _pipeline_state.decode(row.state) for row in rows}
    parts = {id_: _no_parts(state) for id_, state in states.items()}
    components = schema.components
    for pipeline_id, scope, labels, state in connection.execute(
        select(components.c.pipeline_id, components.c.scope, components.c.labels, components.c.state)
        .where(components.c.pipeline_id.in_(ids))
        .order_by(components.c.pipeline_id, components.c.id)
    ):
        parts[pipeline_id][Scope(scope)][_labels.decode(labels)] = _component_state.decode(state)
    executions = _active(connection, schema.executions, "status", ids)
    stages = _active(connection, schema.stages, "name", ids)
    oldest = _oldest(connection, ids)
    return [
        Snapshot(
            row.id, row.name, row.environment, states[row.id], parts[row.id],
            executions.get(row.id, {}), oldest.get(row.id), stages.get(row.id, {}),
        )
        for row in rows
    ]  # fmt: skip


def _no_parts(state: PipelineState) -> dict[Scope, dict[tuple[str, ...], State]]:
    parts: dict[Scope, dict[tuple[str, ...], State]] = {scope: {} for scope in Scope}
    parts[Scope.PIPELINE] = {(): state}
    return parts


def _active(connection: Connection, table: Any, by: str, ids: list[int]) -> dict[int, dict[str, int]]:
    """How many rows of each pipeline have not ended, by the value of a column."""
    query = select(table.c.pipeline_id, table.c[by], func.count()).group_by(table.c.pipeline_id, table.c[by])
    found: dict[int, dict[str, int]] = {}
    for id_, value, count in connection.execute(
        query.where(table.c.pipeline_id.in_(ids), table.c.status.in_(_ACTIVE))
    ):
        found.setdefault(id_, {})[value] = count
    return found


def _oldest(connection: Connection, ids: list[int]) -> dict[int, int]:
    table = schema.executions
    query = select(table.c.pipeline_id, func.min(table.c.started_at)).group_by(table.c.pipeline_id)
    found = connection.execute(query.where(table.c.pipeline_id.in_(ids), table.c.status.in_(_ACTIVE)))
    return {id_: start for id_, start in found if start is not None}


def usual(successes: list[Duration]) -> Baseline | None:
    """Usual duration, as the latest successes have it."""
    return baseline([success.duration / SECOND for success in successes])
