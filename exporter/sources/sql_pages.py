"""Pages of a table or query, by key, each read in one short transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Select,
    and_,
    column,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy import table as table_of
from sqlalchemy.sql.selectable import FromClause

from exporter.sources.batch import ROWS, Away
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

Row = Mapping[str, Any]


class Pages:
    """Rows of one read of a database."""

    def __init__(self, database: Database, read: Read) -> None:
        self._database = database
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

    def after(self, place: Place | None, *, upto: Place | None = None) -> list[Row]:
        """The next rows behind a place."""
        query = self._all().order_by(*self._columns(self.order)).limit(ROWS)
        if place is not None:
            query = query.where(self._behind(place))
        elif self._changed:
            query = query.where(column(self._changed).is_not(None))
        if upto is not None:
            query = query.where(~self._behind(upto))
        return self._rows(query)

    def chunks(self, keys: Sequence[Place]) -> Iterator[Sequence[Place]]:
        """Keys, a few at a time."""
        for start in range(0, len(keys), CHUNK):
            yield keys[start : start + CHUNK]

    def again(self, keys: Sequence[Place]) -> list[Row]:
        """The rows of some keys."""
        if len(self.key) == 1:
            wanted: ColumnElement[bool] = self._columns(self.key)[0].in_([key[0] for key in keys])
        else:
            wanted = or_(*(self._equal(key) for key in keys))
        return self._rows(self._all().where(wanted))

    def everything(self, limit: int) -> list[Row]:
        """All rows, as many as the limit."""
        return self._rows(self._all().limit(limit))

    def ends(self) -> tuple[Any, Any]:
        """Least and greatest value of the first column of the order."""
        first = self._columns(self.order)[0]
        with self._database.reading() as connection:
            least = connection.scalar(select(func.min(first)).select_from(self._source))
            return least, connection.scalar(select(func.max(first)).select_from(self._source))

    def greatest(self) -> Any:
        """Greatest value of the first column of the order."""
        with self._database.reading() as connection:
            first = self._columns(self.order)[0]
            return connection.scalar(select(func.max(first)).select_from(self._source))

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

    def _equal(self, values: Place) -> ColumnElement[bool]:
        return and_(*(c == v for c, v in zip(self._columns(self.key), values, strict=True)))

    def _behind(self, place: Place) -> ColumnElement[bool]:
        """Rows behind a place: a > x, or a = x and b > y. The first column alone lets an index be used."""
        columns = self._columns(self.order)[: len(place)]
        steps = [
            and_(*(c == v for c, v in zip(columns[:n], place[:n], strict=True)), columns[n] > place[n])
            for n in range(len(columns))
        ]
        return and_(columns[0] >= place[0], or_(*steps))

    def _rows(self, query: Select[Any]) -> list[Row]:
        with self._database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


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
