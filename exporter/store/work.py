"""One group of events at work: the rows it touches, loaded at once, changed in memory, written at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, select, tuple_

from exporter.catalogue import Metric, Scope
from exporter.catalogue.metric import OTHER
from exporter.catalogue.own import CORRECTIONS, LABEL_OVERFLOW
from exporter.domain.events import (
    Event,
    ExecutionPayload,
    ExecutionQueued,
    ExecutionResumed,
    ExecutionStarted,
    Payload,
)
from exporter.domain.identity import execution_id
from exporter.store import long_stages, schema
from exporter.store.bulk import CHUNK, select_in
from exporter.store.limits import CAPS, LINES, PART_CAP, Limits
from exporter.store.records import (
    SETTLED,
    Attempt,
    Component,
    Execution,
    Instance,
    Pipeline,
    instance_id,
    path_text,
)
from exporter.store.standing import resolve
from exporter.store.state import ClockState, ComponentState, Facts, PipelineState

MOST_CACHED = 30_000
"""Components kept in memory between groups; beyond that the cache starts anew."""

OPENING = (ExecutionQueued, ExecutionStarted, ExecutionResumed)
"""Payloads with which an ended execution may begin anew."""

InstanceKey = tuple[str, str, str | None]
"""Execution, path and instance of a stage."""

_pipeline_state = msgspec.json.Decoder(PipelineState)
_component_state = msgspec.json.Decoder(ComponentState)
decode_clock = msgspec.json.Decoder(ClockState).decode


@dataclass
class Cache:
    """Pipelines as this process last wrote them; good as long as nobody else wrote since."""

    version: int = -1
    pipelines: dict[tuple[str, str], Pipeline] = field(default_factory=dict)
    by_id: dict[int, Pipeline] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything, as after a failed transaction."""
        self.version = -1
        self.pipelines.clear()
        self.by_id.clear()


class Work:
    """The rows that one transaction works on. `now` is when the events arrived, in microseconds."""

    def __init__(self, connection: Connection, cache: Cache, limits: Limits, now: int) -> None:
        self.connection = connection
        self.limits = limits
        self.now = now
        self.cache = cache
        self.executions: dict[str, Execution] = {}
        self.instances: dict[InstanceKey, Instance] = {}
        self.absent: set[InstanceKey] = set()
        self.tombstones: dict[str, int] = {}
        self.mapped_stages: set[tuple[str, str]] = set()
        self.turned: list[Execution] = []
        self.event_rows: list[tuple[Any, ...]] = []
        self.error_rows: list[tuple[Any, ...]] = []
        row = connection.execute(select(schema.clock)).one()
        self.version: int = row.version + 1
        self.series: int = row.series
        self.up_since: int = row.up_since
        self.clock: ClockState = decode_clock(row.state)
        if cache.version != row.version:
            cache.clear()

    # Loading

    def load(self, events: Iterable[tuple[Event, str | None]]) -> None:
        """Read what a group of events (each with the id of its execution) will touch."""
        names: set[tuple[str, str]] = set()
        ids: set[str] = set()
        for event, id_ in events:
            payload = event.payload
            names.add((payload.environment, payload.pipeline))
            if id_ is not None:
                ids.add(id_)
        self._load_pipelines([name for name in names if name not in self.cache.pipelines])
        self.load_executions(ids)
        missing = [id_ for id_ in ids if id_ not in self.executions]
        for row in select_in(self.connection, schema.tombstones, "execution_id", missing):
            self.tombstones[row[0]] = row[1]
        attempts: dict[InstanceKey, set[str]] = {}
        for event, id_ in events:
            if id_ in self.executions and (stage := getattr(event.payload, "stage", None)) is not None:
                parent, index = place(event.payload)
                of_stage = attempts.setdefault((id_, path_text((*parent, stage)), index), set())
                of_stage.add(attempt_key(event.payload))
        self._load_instances(attempts)
        for key, keys in attempts.items():
            if (instance := self.instances.get(key)) is not None:
                self._ask(instance, keys)

    def load_executions(self, ids: Iterable[str]) -> None:
        """Read executions that are not at hand yet."""
        missing = [id_ for id_ in ids if id_ not in self.executions]
        for row in select_in(self.connection, schema.executions, "id", missing):
            self.executions[row[0]] = Execution.from_row(row)

    def _load_pipelines(self, names: list[tuple[str, str]]) -> None:
        table = schema.pipelines
        for chunk in chunks(names):
            where = tuple_(table.c.environment, table.c.name).in_(chunk)
            self._take_pipelines(self.connection.execute(select(table).where(where)))

    def _take_pipelines(self, rows: Iterable[Any]) -> None:
        fresh: list[int] = []
        for row in rows:
            state = _pipeline_state.decode(row.state)
            pipeline = Pipeline(row.id, row.environment, row.name, row.series_id, state)
            self.cache.pipelines[row.environment, row.name] = pipeline
            self.cache.by_id[row.id] = pipeline
            fresh.append(row.id)
        components = schema.components
        for chunk in chunks(fresh):
            for row in self.connection.execute(select(components).where(components.c.pipeline_id.in_(chunk))):
                labels = tuple(msgspec.json.decode(row.labels))
                scope = Scope(row.scope)
                owner = self.cache.by_id[row.pipeline_id]
                owner.components[scope, labels] = Component(
                    row.id, row.pipeline_id, scope, labels, _component_state.decode(row.state)
                )
                owner.counts[scope] = owner.counts.get(scope, 0) + 1

    def _load_instances(self, keys: Iterable[InstanceKey]) -> None:
        missing = {instance_id(*key): key for key in keys if key not in self.instances}
        put_by = long_stages.load(self.connection, list(missing))
        whole = [id_ for id_ in missing if id_ not in put_by]
        rows = select_in(self.connection, schema.stages, "instance", whole)
        for row in chain(rows, long_stages.attempts_at_hand(self.connection, put_by)):
            attempt = Attempt.from_row(row)
            key = missing[attempt.instance]
            instance = self.instances.get(key)
            if instance is None:
                execution = self.executions[attempt.execution_id]
                pipeline = self.pipeline(execution.environment, execution.pipeline)
                path = tuple(msgspec.json.decode(attempt.path))
                instance = self.instances[key] = Instance(
                    attempt.instance, execution, pipeline, path, attempt.index
                )
            instance.attempts[attempt.attempt_key] = attempt
        for key in missing.values():
            found = self.instances.get(key)
            if found is None:
                self.absent.add(key)
                continue
            found.put_by = found.put_by_stored = put_by.get(found.id)
            self.snapshot(found)

    def snapshot(self, instance: Instance) -> None:
        """Remember what was counted of a stage before this group."""
        settled = instance.attempts.get(SETTLED)
        instance.void = settled is not None and settled.facts.get("void", False)
        instance.before = resolve(instance, execution_ended=not instance.execution.active)
        if instance.index is not None:
            self.mapped_stages.add((instance.execution.id, path_text(instance.path)))

    def attempt(self, instance: Instance, key: str, time: int) -> Attempt:
        """The attempt of that key, made if it is new."""
        if instance.put_by is not None and key not in instance.attempts:
            self._ask(instance, {key})
        return instance.attempt(key, time)

    def _ask(self, instance: Instance, keys: set[str]) -> None:
        """Take up the attempts that were put by if any of these keys is of one."""
        asked = keys - instance.asked - instance.attempts.keys()
        if long_stages.is_put_by(self.connection, instance, asked):
            self.take_up(instance)
        instance.asked |= asked

    def take_up(self, instance: Instance) -> None:
        """Work on all attempts of a stage. To be called before its execution is settled."""
        if instance.put_by is None:
            return
        pristine = replace(instance, attempts={}, put_by=None)
        for row in select_in(self.connection, schema.stages, "instance", [instance.id]):
            attempt = Attempt.from_row(row)
            pristine.attempts[attempt.attempt_key] = attempt
        self.snapshot(pristine)
        instance.before, instance.put_by = pristine.before, None
        instance.attempts = {**pristine.attempts, **instance.attempts}

    # Rows by what events call them

    def pipeline(self, environment: str, name: str) -> Pipeline:
        """The pipeline of that name, made if it is new."""
        found = self.cache.pipelines.get((environment, name))
        if found is None:
            self._load_pipelines([(environment, name)])
            found = self.cache.pipelines.get((environment, name))
        return found or self._new_pipeline(environment, name)

    def _new_pipeline(self, environment: str, name: str) -> Pipeline:
        series_id = None
        if name != OTHER and self.series + LINES[Scope.PIPELINE] > self.limits.series:
            self.overflow("pipeline")
            series_id = self.pipeline(OTHER, OTHER).id
        else:
            self.series += LINES[Scope.PIPELINE]
        pipeline = Pipeline(
            self._next("pipelines"), environment, name, series_id, PipelineState(), new=True, dirty=True
        )
        self.cache.pipelines[environment, name] = pipeline
        self.cache.by_id[pipeline.id] = pipeline
        return pipeline

    def _next(self, table: str) -> int:
        number: int = self.clock.facts.get(table, 0) + 1
        self.clock.facts.tell(table, number, number)
        return number

    def meter(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline whose series show this one's totals: itself, unless the budget was used up."""
        if pipeline.series_id is None:
            return pipeline
        return self.pipeline(OTHER, OTHER)

    def component(self, pipeline: Pipeline, scope: Scope, labels: tuple[str, ...]) -> Component:
        """A part of a pipeline, made if it is new; what exceeds a cap or the budget is one part named `__other__`."""
        owner = self.meter(pipeline)
        if owner.name == OTHER:
            labels = (OTHER,) * len(labels)
        found = owner.components.get((scope, labels))
        if found is None:
            other = (OTHER,) * len(labels)
            full = (
                owner.counts.get(scope, 0) >= CAPS[scope] or self.series + LINES[scope] > self.limits.series
            )
            if full and labels != other:
                self.overflow(scope.value)
                return self.component(pipeline, scope, other)
            self.series += LINES[scope]
            owner.counts[scope] = owner.counts.get(scope, 0) + 1
            found = owner.components[scope, labels] = Component(
                self._next("components"), owner.id, scope, labels, ComponentState(), new=True
            )
        found.dirty = True
        owner.dirty = True
        return found

    def part(self, component: Component, metric: Metric, value: str) -> str:
        """The value of a metric's own label, or `__other__` where it has had too many."""
        known = component.state.totals.parts(metric)
        if value in known or value in metric.seeds:
            return value
        if len(known) >= PART_CAP or self.series + 1 > self.limits.series:
            self.overflow(metric.part or "")
            return OTHER
        self.series += metric.lines
        return value

    def overflow(self, label: str) -> None:
        """Count a label value that is exposed as `__other__`."""
        self.clock.totals.add(LABEL_OVERFLOW, 1, label)

    def correct(self, what: str) -> None:
        """Count an end that changed after it had been counted."""
        self.clock.totals.add(CORRECTIONS, 1, what)

    def is_buried(self, event: Event, id_: str, time: int) -> bool:
        """Whether an event tells of an execution that retention deleted, and not of a new start of it."""
        if id_ in self.executions or id_ not in self.tombstones:
            return False
        return not (isinstance(event.payload, OPENING) and time > self.tombstones[id_])

    def execution(self, event: Event, id_: str, pipeline: Pipeline, time: int) -> Execution:
        """The execution that an event tells of, made if it is new, with the event's sign of life noted."""
        found = self.executions.get(id_)
        if found is None:
            payload = event.payload
            external_id = getattr(payload, "execution", None) or ""
            found = self.executions[id_] = Execution(
                id_, pipeline.id, payload.pipeline, payload.environment, external_id, event.source, None, None,
                "running", None, time, None, None, None, None, time, time, self.now, None, None, 0, 0, 0, 0, False,
                [], [], Facts(),
            )  # fmt: skip
            found.facts.tell("source", time, event.source)
        else:
            found.first_at = min(found.first_at, time)
            found.last_at = max(found.last_at, time)
            if found.source != event.source:
                found.facts.tell("source", time, event.source)
                found.source = found.facts.get("source")
        found.seen_at = max(found.seen_at, self.now)
        return found

    def instance(
        self, execution: Execution, pipeline: Pipeline, path: tuple[str, ...], index: str | None
    ) -> Instance:
        """A stage of an execution, or an instance of a mapped one, made if it is new."""
        found = self.known_instance(execution, path, index)
        if found is None:
            key = (execution.id, path_text(path), index)
            found = self.instances[key] = Instance(instance_id(*key), execution, pipeline, path, index)
            if index is not None:
                self.mapped_stages.add(key[:2])
        return found

    def known_instance(
        self, execution: Execution, path: tuple[str, ...], index: str | None
    ) -> Instance | None:
        """A stage of an execution, or an instance of a mapped one, if there is any news of it."""
        key = (execution.id, path_text(path), index)
        found = self.instances.get(key)
        if found is None and not execution.new and key not in self.absent:
            self._load_instances({key})
            found = self.instances.get(key)
        return found

    def is_mapped(self, execution: Execution, path: tuple[str, ...]) -> bool:
        """Whether this group has seen a mapped instance of a stage."""
        return (execution.id, path_text(path)) in self.mapped_stages

    def has_mapped(self, execution: Execution, path: tuple[str, ...]) -> bool:
        """Whether a stage is known to have mapped instances."""
        if self.is_mapped(execution, path):
            return True
        if execution.new:
            return False
        table = schema.stages
        query = select(table.c.instance).where(
            table.c.execution_id == execution.id, table.c.path == path_text(path), table.c.index.is_not(None)
        )
        return self.connection.execute(query.limit(1)).first() is not None

    def finish(self) -> None:
        """After the commit: what is in memory is what is stored."""
        if sum(len(pipeline.components) for pipeline in self.cache.by_id.values()) > MOST_CACHED:
            self.cache.clear()
        self.cache.version = self.version


def place(payload: Payload) -> tuple[list[str], str | None]:
    """Enclosing stages and instance of a stage, as an event tells them."""
    index = getattr(payload, "index", None)
    return getattr(payload, "parent", None) or [], None if index is None else str(index)


def attempt_key(payload: Payload) -> str:
    """Key of the attempt of a stage that an event tells of."""
    number, name = getattr(payload, "attempt", None), getattr(payload, "attempt_id", None)
    return f"id:{name}" if number is None and name is not None else str(number or 1)


def id_of(event: Event) -> str | None:
    """Id of the execution that an event tells of; None if it tells of none."""
    payload = event.payload
    run = payload.execution if isinstance(payload, ExecutionPayload) else getattr(payload, "execution", None)
    if run is None:
        return None
    return execution_id(event.namespace, payload.environment, payload.pipeline, run)


def chunks(keys: list[Any]) -> Iterable[list[Any]]:
    """Keys in portions that a statement can take."""
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]
