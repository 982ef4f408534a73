"""Columns that a mapping names, held against those that a table or query has.

Documents may lack a field; a row cannot lack a column. So a column that is not there is a mistake of the mapping, and
is told, instead of being read as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from exporter.sources.batch import Away
from exporter.sources.expressions import paths_in
from exporter.sources.fields import kind_of
from exporter.sources.mapping import Emit, Expression, GraphMap, Quiet, Read, Value
from exporter.sources.paths import placeholders, steps_of

MOST_SHOWN = 40
"""Columns that a message names."""

Missed: TypeAlias = tuple[str, str]
"""A pointer into the mapping, and the column named there that is not there."""


class BadColumn(Away):
    """A mapping names a column that is not there; the message has file, line, key and the columns that are."""


class Columns:
    """The columns that one read of a database needs. `told` puts file, line and key before a message."""

    def __init__(self, read: Read, place: str, told: Callable[[str, str], str]) -> None:
        self._read = read
        self._place = place
        self._told = told
        self._fit: tuple[str, ...] | None = None

    def check(self, columns: Sequence[str]) -> None:
        """Raises BadColumn if one that is needed is not among these."""
        if self._fit == tuple(columns):
            return
        for pointer, column in missed(self._read, frozenset(columns)):
            shown = ", ".join(sorted(columns)[:MOST_SHOWN]) + (", …" if len(columns) > MOST_SHOWN else "")
            message = f"there is no column {column!r}, expected one of {shown}"
            raise BadColumn(self._told(f"{self._place}{pointer}", message))
        self._fit = tuple(columns)


def missed(read: Read, columns: Collection[str]) -> Iterator[Missed]:
    """Columns that a read names and that are not among these."""
    for position, column in enumerate(read.key or ()):
        if column not in columns:
            yield f"/key/{position}", column
    if read.changed is not None and read.changed not in columns:
        yield "/changed", read.changed
    for number, emit in enumerate(read.emits):
        yield from _of_emit(emit, f"/emits/{number}", columns)


def _of_emit(emit: Emit, place: str, columns: Collection[str]) -> Iterator[Missed]:
    if emit.each is not None:
        yield from _of_path(emit.each, f"{place}/each", columns)
    is_row = emit.each is None
    for kind in ("when", "unless"):
        for path in getattr(emit, kind) or ():
            yield from _of_path(path, f"{place}/{kind}/{path}", columns, is_row=is_row)
    for position, path in enumerate(emit.has or ()):
        yield from _of_path(path, f"{place}/has/{position}", columns, is_row=is_row)
    kind = kind_of(emit)
    yield from _of_struct(getattr(emit, kind), f"{place}/{kind}", columns, is_row=is_row)


def _of_struct(told: Any, place: str, columns: Collection[str], *, is_row: bool) -> Iterator[Missed]:
    """Those of all values inside a struct, list or dictionary."""
    if isinstance(told, str | Expression):
        yield from _of_value(told, place, columns, is_row=is_row)
    elif isinstance(told, msgspec.Struct) and not isinstance(told, Quiet):
        for name in told.__struct_fields__:
            # What a graph says of its stages is said of the entries of its list.
            within = is_row and (name == "each" or not isinstance(told, GraphMap))
            yield from _of_struct(getattr(told, name), f"{place}/{name}", columns, is_row=within)
    elif isinstance(told, list):
        for position, value in enumerate(told):
            yield from _of_struct(value, f"{place}/{position}", columns, is_row=is_row)
    elif isinstance(told, dict):
        for key, value in told.items():
            yield from _of_struct(value, f"{place}/{key}", columns, is_row=is_row)


def _of_value(value: Value, place: str, columns: Collection[str], *, is_row: bool) -> Iterator[Missed]:
    if isinstance(value, str):
        yield from _of_path(value, place, columns, is_row=is_row)
        return
    for pointer, path in paths_in(value):
        yield from _of_path(path, f"{place}{pointer}", columns, is_row=is_row)
    if value.lookup is not None:
        yield from _of_path(value.lookup.list, f"{place}/lookup/list", columns, is_row=is_row)
        yield from _of_path(value.lookup.key, f"{place}/lookup/key", columns, is_row=False)
        yield from _of_path(value.lookup.value, f"{place}/lookup/value", columns, is_row=False)
    for position, inner in enumerate(value.join or ()):
        yield from _of_value(inner, f"{place}/join/{position}", columns, is_row=is_row)
    if value.minus is not None:
        yield from _of_value(value.minus, f"{place}/minus", columns, is_row=is_row)
    # Of several, one has to be there: versions of a system name their columns differently.
    several = [
        list(_of_value(inner, f"{place}/first/{position}", columns, is_row=is_row))
        for position, inner in enumerate(value.first or ())
    ]
    if all(several):
        yield from (found[0] for found in several)


def _of_path(path: str, place: str, columns: Collection[str], *, is_row: bool = True) -> Iterator[Missed]:
    """The column that a path begins with, and those in its braces. `is_row`: it begins at the row, not an entry."""
    steps = steps_of(path)
    for step in steps:
        for inner in placeholders(step):
            yield from _of_path(inner, place, columns, is_row=is_row)
    if steps[:1] == ("$",):
        steps, is_row = steps[1:], True
    if not is_row or not steps:
        return
    column = steps[0]
    if column != "*" and "{" not in column and not column.startswith("@") and column not in columns:
        yield place, column
