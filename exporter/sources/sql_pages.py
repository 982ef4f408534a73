"""Pages of a table or query, by key, each read in one short transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Select,
    and_,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy import table as table_of
from sqlalchemy.sql.selectable import FromClause

from exporter.sources.batch import ROWS, Away
from exporter.sources.columns import Columns
from exporter.sources.cursor import Place
from exporter.sources.database import Database
from exporter.sources.mapping import Read
from exporter.sources.values import BadValue, moment

OVERLAP = timedelta(seconds=60)
"""A row may be stamped before, and committed after, another that was read: so long is looked back."""

OVERLAP_KEYS = 1000
"""The same for keys that a server counts up before it commits."""

CHUNK = 200
"""Rows that are read again in one statement."""

MOST_BYTES = 16 * 1024 * 1024
"""Size of the texts of rows held at once, about: a page ends with the row that goes beyond it."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows. `is_last`: there were no more; `is_cut`: there were, but these were large."""

    rows: list[Row]
    is_last: bool
    is_cut: bool = False


class Pages:
    """Rows of one read of a database."""

    def __init__(self, database: Database, read: Read, columns: Columns) -> None:
        self._database = database
        self.columns = columns
        self.key = tuple(read.key or ())
        self.order = (read.changed, *self.key) if read.changed else self.key
        self._changed = read.changed
        self._source = self._from(read)

    def _from(self, read: Read) -> FromClause:
        columns: list[ColumnClause[Any]] = [column(name) for name in dict.fromkeys(self.order)]
        if read.table is not None:
            schema, _, name = read.table.rpartition(".")
            return table_of(name, *columns, schema=schema or None)
        assert read.query is not None
        return text(read.query).columns(*columns).subquery("wanted")

    def place(self, row: Row) -> Place:
        """Where a row stands in the order. Raises Away if it has no such columns."""
        return _values(row, self.order)

    def key_of(self, row: Row) -> Place:
        """What a row is found again by."""
        return _values(row, self.key)

    def after(self, place: Place | None, *, upto: Place | None = None) -> Page:
        """The next rows behind a place."""
        query = self._all().order_by(*self._columns(self.order)).limit(ROWS)
        if place is not None:
            query = query.where(self._behind(self.order, place))
        elif self._changed:
            query = query.where(column(self._changed).is_not(None))
        if upto is not None:
            query = query.where(~self._behind(self.order, upto))
        return self._page(query)

    def by_key(self, key: Place | None) -> Page:
        """The next rows behind a key, in the order of keys, of those that have a time of change."""
        query = self._all().order_by(*self._columns(self.key)).limit(ROWS)
        if self._changed:
            query = query.where(column(self._changed).is_not(None))
        return self._page(query if key is None else query.where(self._behind(self.key, key)))

    def again(self, keys: Sequence[Place]) -> Iterator[tuple[Sequence[Place], list[Row]]]:
        """The rows of some keys, a few at a time, with the keys that were looked for and dealt with."""
        waiting = list(keys)
        while waiting:
            part = waiting[:CHUNK]
            page = self._page(self._all().where(self._among(part)))
            found = {self.key_of(row) for row in page.rows}
            dealt_with = [key for key in part if key in found] if page.is_cut else part
            yield dealt_with, page.rows
            waiting = [key for key in part if page.is_cut and key not in found] + waiting[CHUNK:]

    def everything(self, limit: int) -> Page:
        """All rows, as many as the limit."""
        return self._page(self._all().limit(limit), limit)

    def count(self) -> int:
        """How many rows there are."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(self._source)).scalar_one()

    def ends(self, order: Sequence[str]) -> tuple[Any, Any]:
        """Least and greatest value of the first column of an order."""
        first = self._columns(order)[0]
        with self._database.reading() as connection:
            least = connection.scalar(select(func.min(first)).select_from(self._source))
            return least, connection.scalar(select(func.max(first)).select_from(self._source))

    def greatest(self) -> Any:
        """Greatest value of the first column of the order."""
        with self._database.reading() as connection:
            first = self._columns(self.order)[0]
            return connection.scalar(select(func.max(first)).select_from(self._source))

    def look(self) -> None:
        """Raises Away that names the column, if one of those that the mapping names is not there."""
        with self._database.reading() as connection:
            found = connection.execute(self._all().limit(0))
            self.columns.check(tuple(found.keys()))

    def back(self, place: Place) -> Place:
        """A place a little before, for what was committed late. Only the first column goes back."""
        first, rest = place[0], place[1:]
        if self._changed is not None:
            earlier = _earlier(first)
            return (earlier,) if earlier is not None else place
        if isinstance(first, datetime):
            return (first - OVERLAP,)
        if self._database.is_sqlite or isinstance(first, bool) or not isinstance(first, int) or rest:
            return place
        return (first - OVERLAP_KEYS,)

    def _all(self) -> Select[Any]:
        return select(literal_column("*")).select_from(self._source)

    def _columns(self, names: Sequence[str]) -> list[ColumnElement[Any]]:
        return [cast("ColumnElement[Any]", self._source.c[name]) for name in names]

    def _among(self, keys: Sequence[Place]) -> ColumnElement[bool]:
        columns = self._columns(self.key)
        if len(columns) == 1:
            return columns[0].in_([key[0] for key in keys])
        return or_(*(and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys))

    def _behind(self, order: Sequence[str], place: Place) -> ColumnElement[bool]:
        """Rows behind a place: (a, b) > (x, y), which the owner's index on them answers without looking at more.

        Not every database compares rows; there it is spelt out, a > x, or a = x and b > y.
        """
        columns = self._columns(order)[: len(place)]
        if len(place) == 1:
            return cast("ColumnElement[bool]", columns[0] > place[0])
        if self._database.compares_rows:
            return tuple_(*columns) > tuple_(*(literal(value) for value in place))
        steps = [
            and_(*(c == v for c, v in zip(columns[:n], place[:n], strict=True)), columns[n] > place[n])
            for n in range(len(columns))
        ]
        return and_(columns[0] >= place[0], or_(*steps))

    def _page(self, query: Select[Any], limit: int = ROWS) -> Page:
        """Rows one after the other: those of a page together may be more than memory holds."""
        rows: list[Row] = []
        size = 0
        with self._database.reading() as connection:
            found = connection.execution_options(stream_results=True, max_row_buffer=100).execute(query)
            with found:
                self.columns.check(tuple(found.keys()))
                for row in found.mappings():
                    rows.append(dict(row))
                    size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
                    if size > MOST_BYTES:
                        return Page(rows, is_last=False, is_cut=True)
        return Page(rows, is_last=len(rows) < limit)


def _values(row: Row, names: Sequence[str]) -> Place:
    found = tuple(row.get(name) for name in names)
    if None in found:
        raise Away(f"a row has nothing in its key: {', '.join(names)}")
    return found


def _earlier(value: Any) -> Any:
    """A time a little before, written as this column writes them; None if it is no time."""
    if isinstance(value, datetime):
        return value - OVERLAP
    if isinstance(value, str) and len(value) >= 19:
        try:
            found = datetime.fromisoformat(value) - OVERLAP
        except ValueError:
            return None
        return found.isoformat(sep=value[10], timespec="microseconds" if "." in value else "seconds")
    try:
        unit = value / moment(value, UTC).timestamp()
    except (BadValue, TypeError):
        return None
    earlier = value - OVERLAP.total_seconds() * unit
    return int(earlier) if isinstance(value, int) else earlier
