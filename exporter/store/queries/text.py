"""Search for words in the text that an execution is found by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, func, literal_column, select, table, text
from sqlalchemy.sql.selectable import FromClause, TableClause

from exporter.store.schema import execution_search

_IN_SQLITE: TableClause = table("execution_text")
_TRIGRAM = re.compile(r"[^\W_]{3}")


def words_of(query: str) -> tuple[str, ...]:
    """Words of a search, split at white space."""
    return tuple(query.split())


def contains_all(words: Sequence[str]) -> ColumnElement[bool]:
    """Whether a text of `execution_search` contains all words."""
    return and_(*(execution_search.c.text.like(_pattern(word), escape="\\") for word in words))


def says_all(id_: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    """Whether the text of the execution with that id contains all words.

    A scalar subquery, which both databases look up row by row; PostgreSQL would turn an EXISTS into a join that reads
    all texts first.
    """
    found = select(contains_all(words)).where(execution_search.c.execution_id == id_)
    return found.scalar_subquery()


def matches(connection: Connection, words: Sequence[str]) -> Select[Any] | None:
    """Ids of executions whose text contains all words, by the trigram index; None where it is of no use."""
    if connection.dialect.name == "sqlite":
        long = [word for word in words if len(word) >= 3]
        return _match_in_sqlite(long, words) if long else None
    if not any(_TRIGRAM.search(word) for word in words):
        return None
    if connection.scalar(select(func.to_regclass("execution_search_by_text", type_=String()))) is None:
        return None
    return select(execution_search.c.execution_id).where(contains_all(words))


def _match_in_sqlite(long: Sequence[str], words: Sequence[str]) -> Select[Any]:
    phrases = " ".join('"{}"'.format(word.replace('"', '""')) for word in long)
    source: FromClause = _IN_SQLITE.join(execution_search, text("execution_search.key = execution_text.rowid"))
    return (
        select(execution_search.c.execution_id)
        .select_from(source)
        .where(literal_column("execution_text").op("MATCH")(phrases), contains_all(words))
    )


def _pattern(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
