"""A page of executions: which ones, at a bounded cost.

Where one index holds just what is wanted, in order, the page is read off it. Otherwise:

1. The next thousand executions along the best index are looked through. What is common is found here.
2. If one of the filters alone is met by few executions, or the words by few texts, those are sorted and that is all.
3. Else up to twenty thousand executions along the index are looked through. A page may then be short, even empty,
   and still have a successor.

Texts are quickly looked through, so that there the third step comes before the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg.errors import QueryCanceled
from sqlalchemy import ColumnElement, Connection, Select, func, select
from sqlalchemy.exc import OperationalError

from exporter.store.queries import text
from exporter.store.queries.order import Order, Position
from exporter.store.queries.walk import Statement, TextWalk, Walk, in_order, lasting, walk, within
from exporter.store.queries.wanted import Condition
from exporter.store.schema import duration_sort, execution_search, executions

LOOKS = (1_000, 4_000, 15_000)
LOOKS_ALONG_TEXTS = (1_000, 19_000)
LOOKS_AT_TEXTS = (1_000, 4_000, 5_000)
"""Each text is one more row to find."""

FEW = 5_000
"""Executions that may be gathered and sorted for one page."""

FEW_TEXTS = 2_000
NOT_COUNTED = ("external_id", "trigger")
"""Columns whose values are not counted alone: the first is counted anyway, the second has no index."""

PATIENCE = "100ms"
"""How long PostgreSQL may count matches: all trigrams of a rare word may be common, and then it reads every text."""


@dataclass(frozen=True, slots=True)
class Page:
    """Executions in order, and from where the next page goes on; None after the last."""

    found: list[Position]
    next: Position | None


def page(
    connection: Connection, condition: Condition, order: Order, after: Position | None, size: int
) -> Page:
    """The executions that follow a position."""
    way = walk(connection, condition, order)
    if way.covers:
        return _cut(_take(connection, way, after, size + 1), size)
    before, behind = _looks(way)
    found: list[Position] = []
    halt = after
    for examine in before:
        more, halt = _sift(connection, way, halt, size + 1 - len(found), examine)
        found += more
        if halt is None:
            return _cut(found, size)
    few = _few(connection, condition)
    if few is not None:
        return _cut(
            _behind(after, _positions(connection, in_order(way.among(few), order)), order)[: size + 1], size
        )
    for examine in behind:
        more, halt = _sift(connection, way, halt, size + 1 - len(found), examine)
        found += more
        if halt is None:
            return _cut(found, size)
    return Page(found, halt)


def _looks(way: Walk | TextWalk) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many executions to look through before and after asking whether few will do."""
    if isinstance(way, TextWalk):
        return LOOKS_ALONG_TEXTS, ()
    return LOOKS[:1], LOOKS_AT_TEXTS[1:] if way.condition.words else LOOKS[1:]


def _cut(found: list[Position], size: int) -> Page:
    return Page(found[:size], found[size - 1] if len(found) > size else None)


def _take(connection: Connection, way: Walk | TextWalk, after: Position | None, count: int) -> list[Position]:
    found: list[Position] = []
    for leg in way.legs(after):
        found += _positions(connection, leg.first(count - len(found)))
        if len(found) == count:
            break
    return found


def _sift(
    connection: Connection, way: Walk | TextWalk, after: Position | None, count: int, examine: int
) -> tuple[list[Position], Position | None]:
    """Of the next executions up to `count` wanted ones, and where it came to a halt after about `examine`.

    There is no halt if it came to the end or has found all that it needs.
    """
    found: list[Position] = []
    for leg in way.legs(after):
        share = max(1, examine // len(leg.branches))
        wanted = in_order(way.accepted(leg.each(share)), way.order)
        rows = _positions(connection, wanted.limit(count - len(found)))
        # What lies behind the first branch to halt is not known completely.
        halts = _positions(connection, leg.each(1, offset=share - 1))
        nearest = max if way.order.descending else min
        halt = nearest(halts, key=_place, default=None)
        if halt is not None:
            beyond = _behind(halt, rows, way.order)
            rows = rows[: len(rows) - len(beyond)]
        found += rows
        if len(found) == count:
            return found, None
        if halt is not None:
            return found, halt
    return found, None


def _place(position: Position) -> tuple[int, str]:
    return position.value, position.id


def _behind(after: Position | None, rows: list[Position], order: Order) -> list[Position]:
    if after is None:
        return rows
    if order.descending:
        return [row for row in rows if _place(row) < _place(after)]
    return [row for row in rows if _place(row) > _place(after)]


def _positions(connection: Connection, statement: Statement) -> list[Position]:
    rows: Iterator[Any] = iter(connection.execute(statement))
    return [Position(row[0], row[1]) for row in rows]


def _few(connection: Connection, condition: Condition) -> Select[Any] | None:
    """Ids of a superset of what is wanted that is known to be small."""
    for rows, ids, most in _supersets(connection, condition):
        counted = _count(connection, select(func.count()).select_from(rows.limit(most + 1).subquery()))
        if counted is not None and counted <= most:
            # The limit leaves none out. It keeps SQLite from beginning with all executions of the time instead.
            return ids.limit(most)
    return None


def _count(connection: Connection, statement: Select[Any]) -> int | None:
    if connection.dialect.name == "sqlite":
        return _number(connection, statement)
    inner = connection.begin_nested()
    try:
        connection.execute(select(func.set_config("statement_timeout", PATIENCE, True)))
        return _number(connection, statement)
    except OperationalError as error:
        if not isinstance(error.orig, QueryCanceled):
            raise
        return None
    finally:
        inner.rollback()


def _number(connection: Connection, statement: Select[Any]) -> int:
    return int(connection.execute(statement).scalar_one())


def _supersets(
    connection: Connection, condition: Condition
) -> Iterator[tuple[Select[Any], Select[Any], int]]:
    """What to count, the ids that it stands for, and how many are few."""
    fixed: dict[str, ColumnElement[bool]] = {
        name: executions.c[name].in_(values) for name, values in condition.equal.items()
    }
    limits = within(condition)
    choices: list[list[ColumnElement[bool]]] = []
    if "external_id" in fixed:
        choices.append([fixed["external_id"]])
    if "pipeline_id" in fixed and "status" in fixed:
        choices.append([fixed["pipeline_id"], fixed["status"], *limits])
    if condition.is_timed:
        timed = lasting(duration_sort, condition)
        choices.append([fixed["pipeline_id"], *timed] if "pipeline_id" in fixed else timed)
    choices += [[each, *limits] for name, each in fixed.items() if name not in NOT_COUNTED]
    if limits:
        choices.append(limits)
    for where in choices:
        ids = select(executions.c.id).where(*where)
        yield ids, ids, FEW
    if condition.words and text.is_indexed(connection, condition.words):
        keys = text.matching(connection, condition.words)
        texts = execution_search.c
        few = keys.limit(FEW_TEXTS).subquery()
        yield keys, select(texts.execution_id).join(few, few.c.key == texts.key), FEW_TEXTS
