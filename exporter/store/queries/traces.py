"""Executions as traces: which ones match a search, and who started whom, at a bounded cost.

A search passes executions along the indexes that lists use, or attempts of a stage along theirs, the latest first,
and at most twenty thousand of them. What it looks for behind those it does not find.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, select, union_all

from exporter.catalogue import Scope
from exporter.catalogue.metric import OTHER
from exporter.domain.status import ACTIVE, FAILING, Status
from exporter.store import schema
from exporter.store.queries.executions import by_id
from exporter.store.queries.order import Order, Position
from exporter.store.queries.page import page
from exporter.store.queries.wanted import Condition
from exporter.store.records import Execution
from exporter.store.state import Facts
from exporter.store.work import chunks

LOOKS = (1_000, 20_000)
"""Attempts looked through along the index of their stage, over all pipelines together."""

MOST_FAILED = 200
"""Failed executions looked into for a stage whose failures are too rare to be met among its attempts."""

LARGE = 1_000
"""Stages of an execution that is too large to be looked into so."""

MOST_BRANCHES = 100
"""Pipelines asked for a stage in one statement."""

ROUNDS = 4
"""Pages looked through for what only the rows themselves can tell."""

MOST_CHILDREN = 10_000
"""Executions looked at for who started whom."""

_NEWEST_FIRST = Order()
_LABELS = msgspec.json.Decoder(tuple[str, ...]).decode

Accepts: TypeAlias = Callable[[Execution], bool]


class Service(Struct, frozen=True):
    """A pipeline as traces know it; `facts` are those it was declared with."""

    id: int
    environment: str
    name: str
    facts: Facts

    @property
    def labels(self) -> dict[str, Any]:
        """Labels that it was declared with."""
        return self.facts.get("labels") or {}


class _Told(Struct):
    facts: Facts = msgspec.field(default_factory=Facts)


_told = msgspec.json.Decoder(_Told).decode


@dataclass(frozen=True, slots=True)
class Search:
    """What traces are looked for; an empty filter holds always.

    `equal`: values that a column of the execution may take. `stages`: names of stages, one of which must have an
    attempt that meets `stage_statuses`, the duration (`shortest`, `longest`) and the time (`since`, `until`); without
    them duration and time are those of the execution. `words`: occur in the text that an execution is found by.
    `accepts`: what only its row can tell. Times and durations in microseconds.
    """

    limit: int
    now: int
    services: tuple[Service, ...] | None = None
    equal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    stage_statuses: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    shortest: int | None = None
    longest: int | None = None
    words: tuple[str, ...] = ()
    accepts: Accepts | None = None


def services(
    connection: Connection, names: Collection[str] = (), environments: Collection[str] = ()
) -> list[Service]:
    """Pipelines of these names in these environments; of all, where none is named."""
    table = schema.pipelines
    query = select(table.c.id, table.c.environment, table.c.name, table.c.state).where(table.c.name != OTHER)
    if environments:
        query = query.where(table.c.environment.in_(list(environments)))
    if names:
        query = query.where(table.c.name.in_(list(names)))
    rows = connection.execute(query.order_by(table.c.name, table.c.environment))
    return [Service(row.id, row.environment, row.name, _told(row.state).facts) for row in rows]


def stage_names(connection: Connection, ids: Collection[int]) -> list[str]:
    """Stages that are known of these pipelines."""
    table = schema.components
    found: set[str] = set()
    for chunk in chunks(list(ids)):
        query = select(table.c.labels).where(
            table.c.pipeline_id.in_(chunk), table.c.scope == Scope.STAGE.value
        )
        found.update(_LABELS(labels)[0] for labels in connection.scalars(query))
    return sorted(found - {OTHER})


def find(connection: Connection, search: Search) -> list[Execution]:
    """The latest executions that match, the latest first."""
    if search.services == () or any(not values for values in search.equal.values()):
        return []
    found: dict[str, Execution] = {}
    for rows in _by_stages(connection, search) if search.stages else _by_executions(connection, search):
        found.update((row.id, row) for row in rows)
    latest = sorted(found.values(), key=lambda row: (row.sort_at, row.id), reverse=True)
    return latest[: search.limit]


# Executions


def _by_executions(connection: Connection, search: Search) -> Iterator[list[Execution]]:
    yield _pages(connection, _condition(search), search)
    statuses = search.equal.get("status")
    active = tuple(status for status in Status if status in ACTIVE and (not statuses or status in statuses))
    if (search.shortest is None and search.longest is None) or not active:
        return
    # What still runs has no duration to be found by, but it lasts already.
    running = replace(
        search,
        equal={**search.equal, "status": active},
        shortest=None,
        longest=None,
        accepts=lambda row: lasts(row, search) and (search.accepts is None or search.accepts(row)),
    )
    yield _pages(connection, _condition(running), running)


def lasts(execution: Execution, search: Search) -> bool:
    """Whether an execution that has not ended lasts as long as wanted by now."""
    elapsed = max(0, search.now - (execution.started_at or execution.sort_at))
    return elapsed >= (search.shortest or 0) and (search.longest is None or elapsed <= search.longest)


def _condition(search: Search) -> Condition:
    equal: dict[str, tuple[str | int, ...]] = dict(search.equal)
    if search.services is not None:
        equal["pipeline_id"] = tuple(service.id for service in search.services)
        equal.pop("environment", None)
    return Condition(equal, search.since, search.until, search.words, search.shortest, search.longest)


def _pages(connection: Connection, condition: Condition, search: Search) -> list[Execution]:
    found: list[Execution] = []
    after: Position | None = None
    for _ in range(ROUNDS):
        part = page(connection, condition, _NEWEST_FIRST, after, search.limit)
        rows = by_id(connection, [position.id for position in part.found])
        found += [row for row in rows if search.accepts is None or search.accepts(row)]
        after = part.next
        if after is None or len(found) >= search.limit:
            break
    return found


# Attempts of stages


def _by_stages(connection: Connection, search: Search) -> Iterator[list[Execution]]:
    found: list[Execution] = []
    for looks in LOOKS:
        found = _load(connection, _ids_by_stages(connection, search, looks), search)
        if len(found) >= search.limit:
            break
    yield found
    rare = bool(search.stage_statuses) and set(search.stage_statuses) <= FAILING
    if rare and len(found) < search.limit:
        yield _load(connection, connection.scalars(_in_failed(search)), search)


def _load(connection: Connection, ids: Iterable[str], search: Search) -> list[Execution]:
    rows = by_id(connection, list(ids))
    return [row for row in rows if search.accepts is None or search.accepts(row)]


def _ids_by_stages(connection: Connection, search: Search, looks: int) -> list[str]:
    """Ids of the executions of matching attempts among the latest, without those that come too late to count."""
    branches = [(id_, stage) for stage in search.stages for id_ in _pipelines_with(connection, search, stage)]
    share = max(1, looks // max(1, len(branches)))
    # What the rows themselves must tell may leave few of those found.
    most = search.limit * (ROUNDS if search.accepts is not None else 1)
    places: dict[str, int] = {}
    for begin in range(0, len(branches), MOST_BRANCHES):
        parts = [_latest(search, *branch, share) for branch in branches[begin : begin + MOST_BRANCHES]]
        passed = (
            parts[0] if len(parts) == 1 else union_all(*(select(part.subquery()) for part in parts))
        ).subquery()
        where = _stage_limits(passed.c, search)
        latest = func.max(passed.c.first_at)
        query = select(passed.c.execution_id, latest).where(*where).group_by(passed.c.execution_id)
        if _equal(search):
            table = schema.executions
            query = query.join(table, table.c.id == passed.c.execution_id).where(*_equal(search))
        places.update(
            connection.execute(query.order_by(latest.desc(), passed.c.execution_id).limit(most)).all()
        )
    return sorted(places, key=lambda id_: (places[id_], id_), reverse=True)[:most]


def _pipelines_with(connection: Connection, search: Search, stage: str) -> list[int]:
    """Pipelines in which the stage is looked for. Stages beyond the budget of series are in no list of stages."""
    if search.services is not None and len(search.services) <= MOST_BRANCHES:
        return [service.id for service in search.services]
    table = schema.components
    labels = msgspec.json.encode([stage]).decode()
    query = select(table.c.pipeline_id).where(table.c.scope == Scope.STAGE.value, table.c.labels == labels)
    wanted = None if search.services is None else {service.id for service in search.services}
    return [id_ for id_ in connection.scalars(query) if wanted is None or id_ in wanted]


def _latest(search: Search, pipeline_id: int, stage: str, most: int) -> Select[Any]:
    table = schema.stages
    query = select(table.c.execution_id, table.c.first_at, table.c.status, table.c.duration)
    query = query.where(table.c.pipeline_id == pipeline_id, table.c.name == stage)
    if search.since is not None:
        query = query.where(table.c.first_at >= search.since)
    if search.until is not None:
        query = query.where(table.c.first_at < search.until)
    return query.order_by(table.c.first_at.desc()).limit(most)


def _stage_limits(columns: Any, search: Search) -> list[ColumnElement[bool]]:
    limits = [columns.status.is_not(None)]
    if search.stage_statuses:
        limits.append(columns.status.in_(search.stage_statuses))
    if search.shortest is not None:
        limits.append(_lasting(columns, search.now) >= search.shortest)
    if search.longest is not None:
        limits.append(_lasting(columns, search.now) <= search.longest)
    return limits


def _lasting(columns: Any, now: int) -> ColumnElement[int]:
    return func.coalesce(columns.duration, now - columns.first_at)


def _equal(search: Search) -> list[ColumnElement[bool]]:
    return [schema.executions.c[name].in_(values) for name, values in search.equal.items()]


def _in_failed(search: Search) -> Select[Any]:
    """Ids of the latest failed executions in which a stage failed."""
    table, stages = schema.executions, schema.stages
    failed = select(table.c.id, table.c.sort_at).where(
        table.c.status.in_(sorted(FAILING)), table.c.stages_total <= LARGE, *_equal(search)
    )
    if search.services is not None:
        failed = failed.where(table.c.pipeline_id.in_([service.id for service in search.services]))
    if search.until is not None:
        failed = failed.where(table.c.sort_at < search.until)
    if search.since is not None:
        # A stage may begin late in an execution, but hardly a day late.
        failed = failed.where(table.c.sort_at >= search.since - 86_400_000_000)
    few = failed.order_by(table.c.sort_at.desc(), table.c.id.desc()).limit(MOST_FAILED).subquery()
    query = select(few.c.id).join(stages, stages.c.execution_id == few.c.id)
    query = query.where(stages.c.name.in_(search.stages), *_stage_limits(stages.c, search))
    if search.since is not None:
        query = query.where(stages.c.first_at >= search.since)
    if search.until is not None:
        query = query.where(stages.c.first_at < search.until)
    return query.group_by(few.c.id, few.c.sort_at).order_by(few.c.sort_at.desc()).limit(search.limit)


# Who started whom


def starts_between(connection: Connection, since: int, until: int) -> Iterator[tuple[str, str]]:
    """Pipelines of the latest executions begun between two instants, each behind the pipeline that started it."""
    table = schema.executions
    query = (
        select(table.c.pipeline, table.c.external_id, table.c.facts)
        .where(table.c.sort_at >= since, table.c.sort_at < until)
        .order_by(table.c.sort_at.desc(), table.c.id.desc())
        .limit(MOST_CHILDREN)
    )
    for pipeline, external_id, facts in connection.execute(query, execution_options={"yield_per": 500}):
        # Most executions have no parent, and reading what was told of them takes longest.
        if b'"parent"' in facts:
            parent = msgspec.json.decode(facts, type=Facts).get("parent")
            if parent is not None and (parent["pipeline"], parent["execution"]) != (pipeline, external_id):
                yield parent["pipeline"], pipeline
