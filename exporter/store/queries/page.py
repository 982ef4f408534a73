"""A page of executions: which ones, at a bounded cost.

Where one index holds just what is wanted, in order, the page is read off it. Otherwise:

1. The next thousand executions along the best index are looked through. What is common is found here.
2. If one of the filters alone is met by few executions, or the words by few texts, those are sorted and that is all.
3. Else up to twenty thousand executions along the index are looked through. A page may then be short, even empty,
   and still have a successor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, Subquery, func, select

from exporter.store.queries.order import Order, Position
from exporter.store.queries.text import matches
from exporter.store.queries.walk import (
    FILTERED,
    PATHS,
    Walk,
    accepted,
    positions,
    sift,
    take,
    widest,
    within,
)
from exporter.store.queries.wanted import Condition
from exporter.store.schema import executions

FIRST_LOOK = 1_000
FURTHER_LOOKS = (4_000, 15_000)
FEW = 5_000
"""Executions that may be gathered and sorted for one page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Executions in order, and from where the next page goes on; None after the last."""

    found: list[Position]
    next: Position | None


def page(connection: Connection, condition: Condition, order: Order, after: Position | None, size: int) -> Page:
    """The executions that follow a position."""
    path = widest(PATHS, condition, order)
    walk = Walk(path, condition, order)
    if path.covers(condition):
        return _cut(take(connection, walk, after, size + 1), size)
    found, halt = sift(connection, walk, after, size + 1, FIRST_LOOK)
    if halt is None:
        return _cut(found, size)
    few = next(_few(connection, condition), None)
    if few is not None:
        return _cut(_gather(connection, few, condition, order, after, size + 1), size)
    for examine in FURTHER_LOOKS:
        more, halt = sift(connection, walk, halt, size + 1 - len(found), examine)
        found += more
        if halt is None:
            return _cut(found, size)
    return Page(found, halt)


def _cut(found: list[Position], size: int) -> Page:
    return Page(found[:size], found[size - 1] if len(found) > size else None)


def _few(connection: Connection, condition: Condition) -> Iterator[Select[tuple[str]]]:
    """Ids of supersets of what is wanted that are known to be small."""
    for candidates in _supersets(connection, condition):
        counted = select(func.count()).select_from(candidates.limit(FEW + 1).subquery())
        if (connection.scalar(counted) or 0) <= FEW:
            yield candidates


def _supersets(connection: Connection, condition: Condition) -> Iterator[Select[tuple[str]]]:
    ids = select(executions.c.id)
    equal = condition.equal
    fixed: dict[str, ColumnElement[bool]] = {name: executions.c[name].in_(values) for name, values in equal.items()}
    if "external_id" in fixed:
        yield ids.where(fixed["external_id"])
    limits = within(condition)
    if "pipeline_id" in fixed and "status" in fixed:
        yield ids.where(fixed["pipeline_id"], fixed["status"], *limits)
    for name in ("pipeline_id", "kind", "status", "source", "environment"):
        if name in fixed:
            yield ids.where(fixed[name], *limits)
    if limits:
        yield ids.where(*limits)
    if condition.words:
        found = matches(connection, condition.words)
        if found is not None:
            yield found


def _gather(
    connection: Connection,
    few: Select[tuple[str]],
    condition: Condition,
    order: Order,
    after: Position | None,
    count: int,
) -> list[Position]:
    gathered: Subquery = few.limit(FEW).subquery()
    candidates = (
        select(
            order.column.label("value"),
            executions.c.id,
            executions.c.sort_at,
            *(executions.c[name] for name in FILTERED),
        )
        .join(gathered, gathered.c[0] == executions.c.id)
        .subquery()
    )
    wanted = accepted(candidates, condition, order)
    rows = positions(connection, wanted)
    if after is not None:
        sign = -1 if order.descending else 1
        rows = [row for row in rows if _compare(row, after) == sign]
    return rows[:count]


def _compare(one: Position, other: Position) -> int:
    left, right = (one.value, one.id), (other.value, other.id)
    return (left > right) - (left < right)
