"""Pipelines and the store's own account, read as they are at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TypeAlias

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    select,
    text,
)

from exporter.catalogue import Scope
from exporter.domain.baseline import Baseline, Trend, baseline, trend_of
from exporter.domain.graph import layout
from exporter.domain.times import SECOND
from exporter.store import schema
from exporter.store.state import ClockState, ComponentState, PipelineState

State: TypeAlias = PipelineState | ComponentState

BATCH = 50
"""Pipelines read at once: enough to make statements few, few enough to keep memory flat."""

MOST_GRAPHS = 4096
"""Graphs of which it is kept where their stages are drawn."""

_pipeline_state = msgspec.json.Decoder(PipelineState)
_component_state = msgspec.json.Decoder(ComponentState)
_clock_state = msgspec.json.Decoder(ClockState)
_labels = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Active:
    """Executions of one status that have not ended: how many, and when the first of them started."""

    count: int
    oldest_start: int | None


@dataclass(frozen=True)
class Snapshot:
    """A pipeline as one scrape sees it: itself and its parts, in the order in which they became known."""

    id: int
    name: str
    environment: str
    state: PipelineState
    components: dict[Scope, dict[tuple[str, ...], ComponentState]] = field(default_factory=dict)
    active: dict[str, Active] = field(default_factory=dict)
    active_stages: dict[str, int] = field(default_factory=dict)

    @cached_property
    def labels(self) -> tuple[str, str]:
        """Values of the labels that all its metrics have."""
        return self.name, self.environment

    def parts(self, scope: Scope) -> Iterator[tuple[tuple[str, ...], State]]:
        """What a scope's metrics are measured on: each one's further labels, and what is remembered of it."""
        if scope is Scope.PIPELINE:
            yield (), self.state
        else:
            yield from self.components.get(scope, {}).items()

    def has(self, scope: Scope) -> bool:
        """Whether anything is known that a scope's metrics are measured on."""
        return scope is Scope.PIPELINE or (Scope.STAGE if scope is Scope.EDGE else scope) in self.components

    @cached_property
    def usual(self) -> Baseline | None:
        """How long its executions usually take."""
        return baseline([success.duration / SECOND for success in self.state.successes])

    @cached_property
    def trends(self) -> dict[tuple[str, ...], Trend]:
        """How long it took lately and before, by the labels of what took so long: none for itself, a stage's name."""
        return {
            labels: trend
            for scope in (Scope.PIPELINE, Scope.STAGE)
            for labels, state in self.parts(scope)
            if (trend := trend_of([success.duration / SECOND for success in state.successes])) is not None
        }

    @property
    def stages(self) -> dict[str, ComponentState]:
        """Stages by name."""
        return {name: state for (name,), state in self.components.get(Scope.STAGE, {}).items()}

    @cached_property
    def upstreams(self) -> dict[str, list[str]]:
        """Stages, the declared ones first and in their order, and the known stages that each waits for."""
        stages = self.stages
        declared = [name for name in self.state.facts.get("stages", ()) if name in stages]
        return {
            name: [
                upstream
                for upstream in stages[name].facts.get("depends_on", ())
                if upstream in stages and upstream != name
            ]
            for name in dict.fromkeys([*declared, *stages])
        }

    @cached_property
    def places(self) -> dict[str, tuple[float, float]]:
        """Where its stages are drawn."""
        return _places(tuple((name, tuple(names)) for name, names in self.upstreams.items()))


# Pipelines change all the time, their graphs hardly ever.
@lru_cache(MOST_GRAPHS)
def _places(graph: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, tuple[float, float]]:
    return layout(dict(graph))


@dataclass(frozen=True, slots=True)
class Clock:
    """The store's own account: how often it changed, lines that pipelines take, totals."""

    version: int
    series: int
    state: ClockState


def _given(column: ColumnElement[int]) -> ColumnElement[bool]:
    return column.in_(bindparam("ids", expanding=True))


def _active(column: ColumnElement[str]) -> ColumnElement[bool]:
    """As literals, as the partial indexes have them: SQLite does not recognise these by parameters."""
    return column.in_([literal_column(f"'{word}'") for word in schema.ACTIVE_WORDS])


# Put together once: building a statement takes longer than running it.
_p, _c, _e = schema.pipelines.c, schema.components.c, schema.executions.c
_CLOCK = select(schema.clock.c.version, schema.clock.c.series, schema.clock.c.state)
_CHANGED = select(_p.id).where(_p.version > bindparam("since"), _p.series_id.is_(None)).order_by(_p.id)
_PIPELINES = select(_p.id, _p.name, _p.environment, _p.state).where(_given(_p.id)).order_by(_p.id)
_COMPONENTS = (
    select(_c.pipeline_id, _c.scope, _c.labels, _c.state).where(_given(_c.pipeline_id)).order_by(_c.id)
)
_EXECUTIONS = (
    select(_e.pipeline_id, _e.status, func.count(), func.min(_e.started_at))
    .where(_given(_e.pipeline_id), _active(_e.status))
    .group_by(_e.pipeline_id, _e.status)
)
# SQLite would rather walk all attempts that a pipeline ever had.
_STAGES: dict[str, Select[int, str, int]] = {
    dialect: select(column("pipeline_id", Integer), column("name", Text), func.count())
    .select_from(text(stages))
    .where(_given(column("pipeline_id")), _active(column("status")))
    .group_by(column("pipeline_id"), column("name"))
    for dialect, stages in (("sqlite", "stages INDEXED BY stages_active"), ("postgresql", "stages"))
}


def read_clock(connection: Connection) -> Clock:
    """The store's own account."""
    version, series, state = connection.execute(_CLOCK).one()
    return Clock(version, series, _clock_state.decode(state))


def changed(connection: Connection, since: int = -1) -> Iterator[list[Snapshot]]:
    """Pipelines that have series of their own and changed after a version, by id, in batches.

    A pipeline beyond the budget of series has none: what it counts is in the pipeline named `__other__`.
    """
    ids = list(connection.scalars(_CHANGED, {"since": since}))
    for start in range(0, len(ids), BATCH):
        yield _load(connection, ids[start : start + BATCH])


def _load(connection: Connection, ids: list[int]) -> list[Snapshot]:
    given = {"ids": ids}
    found = {
        id_: Snapshot(id_, name, environment, _pipeline_state.decode(state))
        for id_, name, environment, state in connection.execute(_PIPELINES, given)
    }
    for id_, scope, labels, state in connection.execute(_COMPONENTS, given):
        parts = found[id_].components.setdefault(Scope(scope), {})
        parts[_labels.decode(labels)] = _component_state.decode(state)
    for id_, status, count, oldest in connection.execute(_EXECUTIONS, given):
        found[id_].active[status] = Active(count, oldest)
    for id_, stage, count in connection.execute(_STAGES[connection.dialect.name], given):
        found[id_].active_stages[stage] = count
    return list(found.values())
