"""Walks through executions in order, along an index, at a cost that does not grow with their number.

An index serves a walk if it begins with columns that the condition fixes and goes on in the wanted order. Several
values of a column are as many branches, merged. Where words are searched, the walk goes along the texts instead,
whose keys are in the order of the starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
)

from exporter.store.queries import text
from exporter.store.queries.order import By, Order, Position
from exporter.store.queries.wanted import Condition
from exporter.store.schema import execution_search, executions

Statement: TypeAlias = Select[Any] | CompoundSelect[Any]

BY_BOTH = ("value", "id")

MOST_BRANCHES = 64
"""Branches that are merged at the most."""


@dataclass(frozen=True, slots=True)
class Path:
    """An index: columns that must be fixed, and what it is sorted by behind them."""

    columns: tuple[str, ...]
    by: By

    def branches(self, condition: Condition) -> list[tuple[str | int, ...]]:
        """Values of the fixed columns, one entry a branch."""
        return list(product(*(condition.equal[name] for name in self.columns)))

    def serves(self, condition: Condition, order: Order) -> bool:
        """Whether a walk along this index passes all wanted executions in order."""
        if self.by is not order.by or any(name not in condition.equal for name in self.columns):
            return False
        return len(self.branches(condition)) <= MOST_BRANCHES

    def covers(self, condition: Condition) -> bool:
        """Whether all that it passes is wanted."""
        if condition.words or condition.is_timed or (condition.is_ranged and self.by is not By.STARTED):
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
    Path(("status",), By.ENDED),
    Path((), By.ENDED),
    Path(("pipeline_id",), By.DURATION),
    Path(("status",), By.DURATION),
    Path((), By.DURATION),
)
"""What `exporter.store.schema` has indexes for, those that tell most first."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a walk: branches to be merged, each a statement of `value` and an id with an index for its order.

    `by`: what its rows differ by. A column that they share must not be named, or SQLite sorts them all.
    """

    branches: list[Select[Any]]
    order: Order
    by: tuple[str, ...] = BY_BOTH

    def first(self, count: int) -> Statement:
        """The first rows of all branches."""
        if len(self.branches) == 1:
            return in_order(self.branches[0], self.order, self.by).limit(count)
        return in_order(self.each(count), self.order, self.by).limit(count)

    def each(self, count: int, offset: int = 0) -> Statement:
        """The first rows of each branch."""
        # A limit in each: PostgreSQL does not merge ordered branches, it sorts them all.
        parts = [
            in_order(branch, self.order, self.by).limit(count).offset(offset or None)
            for branch in self.branches
        ]
        if len(parts) == 1:
            return parts[0]
        return union_all(*(select(part.subquery()) for part in parts))


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk along one index of executions."""

    path: Path
    condition: Condition
    order: Order

    @property
    def covers(self) -> bool:
        """Whether all that it passes is wanted."""
        return self.path.covers(self.condition)

    def legs(self, after: Position | None) -> list[Leg]:
        """The rows behind a position, in parts that follow each other."""
        if after is None:
            return [self._leg()]
        value, id_ = self.order.column, executions.c.id
        if self.order.by is By.STARTED:
            key, place = tuple_(value, id_), tuple_(after.value, after.id)
            return [self._leg(key < place if self.order.descending else key > place)]
        # SQLite compares pairs along an index of plain columns only. Among the many without an end or a duration
        # it would begin at the first of them for every page.
        same = value == after.value
        if self.order.descending:
            return [self._leg(same, id_ < after.id, by=("id",)), self._leg(value < after.value)]
        return [self._leg(same, id_ > after.id, by=("id",)), self._leg(value > after.value)]

    def _leg(self, *behind: ColumnElement[bool], by: tuple[str, ...] = BY_BOTH) -> Leg:
        limits = within(self.condition) if self.path.by is By.STARTED else []
        columns = [self.order.column.label("value"), executions.c.id, *self._filtered()]
        names = self.path.columns
        return Leg(
            [
                select(*columns).where(
                    *(executions.c[name] == value for name, value in zip(names, values, strict=True)),
                    *behind,
                    *limits,
                )
                for values in self.path.branches(self.condition)
            ],
            self.order,
            by,
        )

    def _filtered(self) -> list[ColumnElement[Any]]:
        # Only what the index does not hold already costs a look at the row.
        if self.covers:
            return []
        timed = [executions.c.duration] if self.condition.is_timed else []
        return [executions.c.sort_at, *timed, *(executions.c[name] for name in self.condition.equal)]

    def accepted(self, candidates: Statement) -> Select[Any]:
        """Of rows that it passes those that are wanted."""
        columns = candidates.subquery().c
        condition = self.condition
        where = _limits(columns.sort_at, condition)
        if condition.is_timed:
            where += lasting(columns.duration, condition)
        where += [columns[name].in_(values) for name, values in condition.equal.items()]
        if condition.words:
            where.append(text.says_all(columns.id, condition.words))
        return select(columns.value.label("value"), columns.id).where(*where)

    def among(self, ids: Select[Any]) -> Select[Any]:
        """Those that are wanted of the executions with these ids."""
        filtered = [_unindexed(column).label(column.key) for column in self._filtered()]
        columns = [_unindexed(self.order.column).label("value"), executions.c.id, *filtered]
        few = ids.subquery()
        return self.accepted(select(*columns).join(few, few.c[0] == executions.c.id))


@dataclass(frozen=True, slots=True)
class TextWalk:
    """A walk along the texts of executions, in the order of the starts; its positions are keys of texts."""

    connection: Connection
    condition: Condition
    order: Order

    @property
    def covers(self) -> bool:
        """Whether all that it passes is wanted."""
        return self._is_exact and not (self.condition.is_ranged or self.condition.is_timed)

    @property
    def _is_exact(self) -> bool:
        return text.is_walkable(self.connection, self.condition.words)

    def legs(self, after: Position | None) -> list[Leg]:
        """The texts behind a position."""
        if self._is_exact:
            rows, key = text.walk_matches(self.condition.words)
        else:
            key = execution_search.c.key
            rows = select(key.label("value"), execution_search.c.execution_id, execution_search.c.text)
        where = _key_limits(key, self.condition)
        if after is not None:
            where.append(key < after.value if self.order.descending else key > after.value)
        return [Leg([rows.where(*where)], self.order, by=("value",))]

    def accepted(self, candidates: Statement) -> Select[Any]:
        """Of texts that it passes those that are wanted."""
        passed = candidates.subquery().c
        found = select(passed.value.label("value"), passed.execution_id.label("id"))
        if not self._is_exact:
            found = found.where(text.contains_all(passed.text, self.condition.words))
        return self._in_range(found, passed.execution_id)

    def among(self, ids: Select[Any]) -> Select[Any]:
        """Those that are wanted of the executions with these ids."""
        few = ids.subquery()
        texts = execution_search.c
        found = select(texts.key.label("value"), texts.execution_id.label("id")).join_from(
            few, execution_search, texts.execution_id == few.c[0]
        )
        return self._in_range(
            found.where(text.contains_all(texts.text, self.condition.words)), texts.execution_id
        )

    def _in_range(self, found: Select[Any], id_: ColumnElement[str]) -> Select[Any]:
        limits = within(self.condition) + lasting(executions.c.duration, self.condition)
        return found.join(executions, executions.c.id == id_).where(*limits) if limits else found


def walk(connection: Connection, condition: Condition, order: Order) -> Walk | TextWalk:
    """The walk to take for a condition: along the index that tells most."""
    if condition.words and not condition.equal and order.by is By.STARTED:
        return TextWalk(connection, condition, order)
    return Walk(next(path for path in PATHS if path.serves(condition, order)), condition, order)


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column by which no index is looked through: SQLite would rather pass all executions of a month than a few."""
    return func.coalesce(column, column)


def in_order(statement: Statement, order: Order, by: tuple[str, ...] = BY_BOTH) -> Statement:
    """The statement with its rows in order."""
    columns: list[ColumnElement[Any]] = [literal_column(name) for name in by]
    return statement.order_by(*(column.desc() if order.descending else column for column in columns))


def within(condition: Condition) -> list[ColumnElement[bool]]:
    """The limits on the start."""
    return _limits(executions.c.sort_at, condition)


def _limits(start: ColumnElement[int], condition: Condition) -> list[ColumnElement[bool]]:
    limits = []
    if condition.since is not None:
        limits.append(start >= condition.since)
    if condition.until is not None:
        limits.append(start < condition.until)
    return limits


def lasting(duration: ColumnElement[int], condition: Condition) -> list[ColumnElement[bool]]:
    """The limits on the duration."""
    limits = []
    if condition.shortest is not None:
        limits.append(duration >= condition.shortest)
    if condition.longest is not None:
        limits.append(duration <= condition.longest)
        if condition.shortest is None:
            limits.append(duration >= 0)  # what is unknown is indexed as -1
    return limits


_MILLISECOND = 1_000


def _key_limits(key: ColumnElement[int], condition: Condition) -> list[ColumnElement[bool]]:
    """Limits on the keys of texts: the start itself is compared later, as keys of one instant may be moved on."""
    limits = []
    if condition.since is not None:
        limits.append(key >= condition.since << 10)
    if condition.until is not None:
        limits.append(key < (condition.until + _MILLISECOND) << 10)
    return limits
