"""Walks through executions in order, along an index, at a cost that does not grow with their number.

An index serves a walk if it begins with columns that the condition fixes and goes on in the wanted order. Several
values of a column are as many walks, merged: a UNION ALL of ordered branches, which SQLite and PostgreSQL read
lazily.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, literal_column, select, tuple_, union_all
from sqlalchemy.sql.selectable import GenerativeSelect

from exporter.store.queries.order import By, Order, Position
from exporter.store.queries.text import says_all
from exporter.store.queries.wanted import Condition
from exporter.store.schema import executions

MOST_BRANCHES = 64
"""Walks that are merged at the most."""

FILTERED = ("pipeline_id", "status", "kind", "source", "environment", "external_id")


@dataclass(frozen=True, slots=True)
class Path:
    """An index: columns that must be fixed, and what it is sorted by behind them."""

    columns: tuple[str, ...]
    by: By

    def branches(self, condition: Condition) -> list[tuple[str | int, ...]]:
        """Values of the fixed columns, one entry a walk."""
        return list(product(*(condition.equal[name] for name in self.columns)))

    def serves(self, condition: Condition, order: Order) -> bool:
        """Whether a walk along this index passes all wanted executions in order."""
        if self.by is not order.by or any(name not in condition.equal for name in self.columns):
            return False
        return len(self.branches(condition)) <= MOST_BRANCHES

    def covers(self, condition: Condition) -> bool:
        """Whether all that it passes is wanted."""
        if condition.words or (condition.is_ranged and self.by is not By.STARTED):
            return False
        return set(self.columns) == set(condition.equal)


PATHS: tuple[Path, ...] = (
    Path(("pipeline_id", "status"), By.STARTED),
    Path(("pipeline_id",), By.STARTED),
    Path(("kind",), By.STARTED),
    Path(("status",), By.STARTED),
    Path(("source",), By.STARTED),
    Path(("environment",), By.STARTED),
    Path((), By.STARTED),
    Path(("pipeline_id",), By.ENDED),
    Path((), By.ENDED),
    Path(("pipeline_id",), By.DURATION),
    Path((), By.DURATION),
)
"""What `exporter.store.schema` has indexes for, those that tell most first."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk along one index, from behind a position."""

    path: Path
    condition: Condition
    order: Order

    def legs(self, after: Position | None) -> list[GenerativeSelect]:
        """The rows behind a position, as statements whose results follow each other."""
        if after is None:
            return [self._leg(None)]
        value, id_ = self.order.column, executions.c.id
        if self.order.by is By.STARTED:
            key, place = tuple_(value, id_), tuple_(after.value, after.id)
            return [self._leg(key < place if self.order.descending else key > place)]
        # SQLite compares pairs along an index of plain columns only; among the many without an end or a duration,
        # it would otherwise begin at the first of them for every page.
        same = value == after.value
        if self.order.descending:
            return [self._leg(same & (id_ < after.id)), self._leg(value < after.value)]
        return [self._leg(same & (id_ > after.id)), self._leg(value > after.value)]

    def _leg(self, behind: ColumnElement[bool] | None) -> GenerativeSelect:
        where = [] if behind is None else [behind]
        if self.path.by is By.STARTED:
            where += within(self.condition)
        branches = [
            _candidates(self.order).where(
                *(executions.c[name] == value for name, value in zip(self.path.columns, values, strict=True)), *where
            )
            for values in self.path.branches(self.condition)
        ]
        statement: GenerativeSelect = branches[0] if len(branches) == 1 else union_all(*branches)
        return sorted_by(statement, self.order)


def sorted_by(statement: GenerativeSelect, order: Order) -> GenerativeSelect:
    """The statement with its rows in order; its columns are `value` and `id`."""
    value, id_ = literal_column("value"), literal_column("id")
    if order.descending:
        return statement.order_by(value.desc(), id_.desc())
    return statement.order_by(value, id_)


def within(condition: Condition) -> list[ColumnElement[bool]]:
    """The limits on the start."""
    start = executions.c.sort_at
    limits = []
    if condition.since is not None:
        limits.append(start >= condition.since)
    if condition.until is not None:
        limits.append(start < condition.until)
    return limits


def _candidates(order: Order) -> Select[Any]:
    return select(
        order.column.label("value"),
        executions.c.id,
        executions.c.sort_at,
        *(executions.c[name] for name in FILTERED),
    )


def accepted(candidates: Subquery, condition: Condition, order: Order) -> GenerativeSelect:
    """Of some candidates those that are wanted, in order."""
    columns = candidates.c
    where: list[ColumnElement[bool]] = [columns[name].in_(values) for name, values in condition.equal.items()]
    if condition.since is not None:
        where.append(columns.sort_at >= condition.since)
    if condition.until is not None:
        where.append(columns.sort_at < condition.until)
    if condition.words:
        where.append(says_all(columns.id, condition.words))
    return sorted_by(select(columns.value.label("value"), columns.id).where(*where), order)


def take(connection: Connection, walk: Walk, after: Position | None, count: int) -> list[Position]:
    """The next executions of a walk, all that it passes."""
    found: list[Position] = []
    for leg in walk.legs(after):
        found += positions(connection, leg.limit(count - len(found)))
        if len(found) == count:
            break
    return found


def sift(
    connection: Connection, walk: Walk, after: Position | None, count: int, examine: int
) -> tuple[list[Position], Position | None]:
    """Of the next `examine` executions of a walk up to `count` wanted ones, and where it came to a halt.

    The halt is None if the walk came to its end or found what it needs.
    """
    found: list[Position] = []
    for leg in walk.legs(after):
        candidates = leg.limit(examine).subquery()
        wanted = accepted(candidates, walk.condition, walk.order)
        found += positions(connection, wanted.limit(count - len(found)))
        if len(found) == count:
            return found, None
        last = positions(connection, leg.limit(1).offset(examine - 1))
        if last:
            return found, last[0]
    return found, None


def positions(connection: Connection, statement: GenerativeSelect) -> list[Position]:
    """Rows of `value` and `id`."""
    return [Position(row[0], row[1]) for row in connection.execute(statement)]


def widest(paths: Sequence[Path], condition: Condition, order: Order) -> Path:
    """The first index that serves; the bare one always does."""
    return next(path for path in paths if path.serves(condition, order))
