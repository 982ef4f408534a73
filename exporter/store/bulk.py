"""Many rows in one statement, past SQLAlchemy's handling of each parameter, which costs more than SQLite does.

Rows are tuples in the order of the columns. Values must be what the drivers take as they are: str, int, float, bool,
bytes, None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, compress, count
from operator import itemgetter, ne
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table

Row: TypeAlias = tuple[Any, ...]

BLOCK = 100
"""Rows in one INSERT."""

CHUNK = 512
"""Keys in one IN list."""


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows; each has a value for every column but a number that the database gives.

    Most go in blocks, as a statement is run without Python's lock, which is dear to get back where others work too.
    """
    dialect = connection.dialect.name
    rest = len(rows) - len(rows) % BLOCK
    for start in range(0, rest, BLOCK):
        values = tuple(chain.from_iterable(rows[start : start + BLOCK]))
        connection.exec_driver_sql(_insert(dialect, table, BLOCK), values)
    if rest < len(rows):
        connection.exec_driver_sql(_insert(dialect, table), list(rows[rest:]))


def update_rows(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Set columns of rows; each tuple holds the new values and then the key."""
    if rows:
        connection.exec_driver_sql(_update(connection.dialect.name, table, columns, key), list(rows))


def update_changed(connection: Connection, table: Table, keys: int, rows: Iterable[tuple[Row, Row]]) -> None:
    """Set what differs between each row as stored and as it is now; its first columns, so many, are its key.

    A database changes the indexes of every column that is set, whatever is set there.
    """
    names = column_names(table)
    found: dict[tuple[int, ...], list[Row]] = {}
    for stored, now in rows:
        found.setdefault(tuple(compress(count(), map(ne, stored, now))), []).append(now)
    for places, group in found.items():
        values = itemgetter(*places, *range(keys))
        columns = tuple(names[place] for place in places)
        update_rows(connection, table, columns, names[:keys], [values(row) for row in group])


def run_many(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run a statement, whose values are written as `?`, once a row."""
    if rows:
        connection.exec_driver_sql(statement.replace("?", _mark(connection.dialect.name)), list(rows))


def select_in(connection: Connection, table: Table, column: str, keys: Sequence[Any]) -> Iterator[Row]:
    """All columns of the rows whose column is one of the keys."""
    for chunk in _chunks(keys):
        yield from _rows(connection, _select(connection.dialect.name, table, column, len(chunk)), chunk)


def select_within(
    connection: Connection, table: Table, columns: tuple[str, str], first: Any, keys: Sequence[Any]
) -> Iterator[Row]:
    """All columns of the rows of which one column has a value, and another one of the keys: both of an index."""
    if connection.dialect.name == "postgresql":
        if keys:
            yield from _rows(connection, _look_up(table, columns), (list(set(keys)), first))
        return
    for chunk in _chunks(keys):
        sql = _select(connection.dialect.name, table, columns[1], len(chunk), equal=columns[0])
        yield from _rows(connection, sql, (first, *chunk))


def present(connection: Connection, table: Table, column: str, keys: Sequence[Any]) -> set[Any]:
    """Those keys that a column has."""
    found: set[Any] = set()
    for chunk in _chunks(keys):
        sql = _select(connection.dialect.name, table, column, len(chunk), only_key=True)
        found.update(key for (key,) in _rows(connection, sql, chunk))
    return found


def _chunks(keys: Sequence[Any]) -> Iterator[Row]:
    """Keys in portions of 1, 2, 4, 8, …: with few different statements the driver has them prepared."""
    for start in range(0, len(keys), CHUNK):
        chunk = tuple(keys[start : start + CHUNK])
        size = 1 << (len(chunk) - 1).bit_length()
        yield chunk + chunk[-1:] * (size - len(chunk))


def _rows(connection: Connection, statement: str, values: Row) -> Sequence[Row]:
    with connection.exec_driver_sql(statement, values) as result:
        assert result.cursor is not None
        return result.cursor.fetchall()


def column_names(table: Table) -> tuple[str, ...]:
    """Columns that an inserted row has a value for."""
    return tuple(column.name for column in table.columns if not _given(column))


def _given(column: Any) -> bool:
    """Whether the database numbers the rows itself."""
    return bool(column.table.name == "events" and column.name == "seq")


def _mark(dialect: str) -> str:
    return "?" if dialect == "sqlite" else "%s"


def _quoted(name: str) -> str:
    return f'"{name}"'


@lru_cache
def _insert(dialect: str, table: Table, number: int = 1) -> str:
    names = column_names(table)
    row = f"({', '.join([_mark(dialect)] * len(names))})"
    rows = ", ".join([row] * number)
    return f"INSERT INTO {table.name} ({', '.join(map(_quoted, names))}) VALUES {rows}"  # noqa: S608 - our names


@lru_cache(maxsize=1024)
def _update(dialect: str, table: Table, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    mark = _mark(dialect)
    changes = ", ".join(f"{_quoted(name)} = {mark}" for name in columns)
    where = " AND ".join(f"{_quoted(name)} = {mark}" for name in key)
    return f"UPDATE {table.name} SET {changes} WHERE {where}"  # noqa: S608 - our names


@lru_cache(maxsize=4096)
def _select(
    dialect: str, table: Table, column: str, number: int, *, only_key: bool = False, equal: str = ""
) -> str:
    names = _quoted(column) if only_key else ", ".join(_quoted(c.name) for c in table.columns)
    marks = ", ".join([_mark(dialect)] * number)
    also = f"{_quoted(equal)} = {_mark(dialect)} AND " if equal else ""
    return f"SELECT {names} FROM {table.name} WHERE {also}{_quoted(column)} IN ({marks})"  # noqa: S608 - our names


@lru_cache
def _look_up(table: Table, columns: tuple[str, str]) -> str:
    """One look into the index for each key: asked for a list, PostgreSQL goes through all rows of the first value."""
    names = ", ".join(_quoted(c.name) for c in table.columns)
    where = f"{_quoted(columns[0])} = %s AND {_quoted(columns[1])} = wanted.key"
    one = f"SELECT {names} FROM {table.name} WHERE {where} OFFSET 0"  # noqa: S608 - our names
    return f"SELECT found.* FROM unnest(%s::text[]) AS wanted(key) CROSS JOIN LATERAL ({one}) AS found"  # noqa: S608
