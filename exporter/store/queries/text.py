"""Search for words in the texts that executions are found by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    and_,
    column,
    func,
    literal_column,
    select,
    table,
)

from exporter.store.schema import execution_search

_INDEX_IN_SQLITE = table("execution_text", column("rowid", Integer))
_TRIGRAM = re.compile(r"[^\W_]{3}")


def words_of(query: str) -> tuple[str, ...]:
    """Words of a search, split at white space."""
    return tuple(query.split())


def contains_all(text: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    """Whether a text (all of them are in lower case) contains all words."""
    return and_(*(text.like(_pattern(word), escape="\\") for word in words))


def says_all(id_: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    """Whether the text of the execution with that id contains all words.

    A scalar subquery is looked up row by row. An EXISTS becomes a join in PostgreSQL that may read all texts first.
    """
    texts = execution_search.c
    return select(contains_all(texts.text, words)).where(texts.execution_id == id_).scalar_subquery()


def is_indexed(connection: Connection, words: Sequence[str]) -> bool:
    """Whether a trigram index can tell which texts contain the words."""
    if connection.dialect.name == "sqlite":
        return any(len(word) >= 3 for word in words)
    if not any(_TRIGRAM.search(word) for word in words):
        return False
    return connection.scalar(select(func.to_regclass("execution_search_by_text", type_=String()))) is not None


def matching(connection: Connection, words: Sequence[str]) -> Select[Any]:
    """Keys of texts that contain all words, told by the trigram index; words that it cannot tell are left out."""
    if connection.dialect.name == "sqlite":
        return select(_INDEX_IN_SQLITE.c.rowid.label("key")).where(_asked_in_sqlite(words))
    return select(execution_search.c.key).where(contains_all(execution_search.c.text, words))


def walk_matches(words: Sequence[str]) -> tuple[Select[Any], ColumnElement[int]]:
    """Keys (as `value`) and execution ids of matches in SQLite, whose index walks them by key; and the key's column."""
    key = _INDEX_IN_SQLITE.c.rowid
    texts = execution_search.c
    id_ = select(texts.execution_id).where(texts.key == key).scalar_subquery()
    return select(key.label("value"), id_.label("execution_id")).where(_asked_in_sqlite(words)), key


def _asked_in_sqlite(words: Sequence[str]) -> ColumnElement[bool]:
    phrases = " ".join('"{}"'.format(word.replace('"', '""')) for word in words if len(word) >= 3)
    return literal_column("execution_text").op("MATCH", is_comparison=True)(phrases)


def is_walkable(connection: Connection, words: Sequence[str]) -> bool:
    """Whether the trigram index tells exactly which texts contain the words, and walks them in the order of keys."""
    return connection.dialect.name == "sqlite" and all(len(word) >= 3 for word in words)


def _pattern(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
