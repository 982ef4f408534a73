"""Executions and what they are doing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from exporter.store import schema
from exporter.store.queries.order import Order, Position
from exporter.store.queries.page import Page, page
from exporter.store.queries.wanted import Wanted, condition
from exporter.store.records import Execution
from exporter.store.work import chunks

MOST_CURRENT = 100
"""Names of running stages told of one execution."""

# As literals: SQLite does not recognise a partial index by parameters.
ACTIVE: BindParameter[Any] = bindparam("active", schema.ACTIVE_WORDS, expanding=True, literal_execute=True)


_ANY = Wanted()


def find(
    connection: Connection, wanted: Wanted, order: Order, after: Position | None, size: int
) -> tuple[list[Execution], Position | None]:
    """Up to `size` executions behind a position, and the position to go on from; see `page`."""
    on = condition(connection, wanted)
    found = Page([], None) if on is None else page(connection, on, order, after, size)
    return by_id(connection, [position.id for position in found.found]), found.next


def by_id(connection: Connection, ids: Sequence[str]) -> list[Execution]:
    """Executions in the order of their ids here; unknown ones are left out."""
    table = schema.executions
    rows: dict[str, Execution] = {}
    for chunk in chunks(list(ids)):
        for row in connection.execute(select(table).where(table.c.id.in_(chunk))):
            rows[row.id] = Execution.from_row(row)
    return [rows[id_] for id_ in ids if id_ in rows]


def by_prefix(connection: Connection, prefix: str) -> str | None:
    """Id of the execution that begins so; None if there is none or more than one."""
    table = schema.executions
    query = select(table.c.id).where(table.c.id >= prefix, table.c.id < prefix + "g").limit(2)
    found = list(connection.scalars(query))
    return found[0] if len(found) == 1 else None


def count_active(connection: Connection, wanted: Wanted = _ANY) -> dict[str, int]:
    """How many executions have not ended, by status; those of the wanted pipelines and environment."""
    table = schema.executions
    query = select(table.c.status, func.count()).where(table.c.status.in_(ACTIVE)).group_by(table.c.status)
    if wanted.pipelines:
        query = query.where(table.c.pipeline.in_(wanted.pipelines))
    if wanted.environment is not None:
        query = query.where(table.c.environment == wanted.environment)
    return dict(connection.execute(query).all())


def current_stages(connection: Connection, executions: Iterable[Execution]) -> dict[str, list[str]]:
    """Names of the stages that have not ended, those first that began first, by the execution's id."""
    ids = [execution.id for execution in executions if execution.stages_active and execution.active]
    table = schema.stages
    began = func.min(func.coalesce(table.c.started_at, table.c.first_at))
    found: dict[str, list[str]] = {}
    for chunk in chunks(ids):
        query = (
            select(table.c.execution_id, table.c.name)
            .where(table.c.execution_id.in_(chunk), table.c.status.in_(ACTIVE), table.c.last)
            .group_by(table.c.execution_id, table.c.name)
            .order_by(table.c.execution_id, began, table.c.name)
        )
        for id_, name in connection.execute(query):
            names = found.setdefault(id_, [])
            if len(names) < MOST_CURRENT:
                names.append(name)
    return found
