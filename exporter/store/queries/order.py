"""Orders in which executions can be listed, and where a page ended."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from sqlalchemy import ColumnElement

from exporter.store.schema import duration_sort, ended_sort, executions

_LARGEST = 2**63 - 1


class By(StrEnum):
    """What executions are sorted by."""

    STARTED = "started_at"
    ENDED = "ended_at"
    DURATION = "duration_seconds"


_COLUMNS: dict[By, ColumnElement[int]] = {
    By.STARTED: executions.c.sort_at,
    By.ENDED: ended_sort,
    By.DURATION: duration_sort,
}


@dataclass(frozen=True, slots=True)
class Order:
    """An order of executions; those alike are in order of their id. Descending, the unknown comes last."""

    by: By = By.STARTED
    descending: bool = True

    @classmethod
    def parse(cls, text: str) -> Order:
        """From `started_at` or `-started_at`. Raises ValueError."""
        return cls(By(text.removeprefix("-")), text.startswith("-"))

    def __str__(self) -> str:
        return f"-{self.by}" if self.descending else str(self.by)

    @property
    def column(self) -> ColumnElement[int]:
        """What is sorted by; never null."""
        return _COLUMNS[self.by]


class BadCursor(ValueError):
    """A cursor that this server did not give, or not for this order."""


@dataclass(frozen=True, slots=True)
class Position:
    """Place of an execution in an order."""

    value: int
    id: str

    def cursor(self, order: Order) -> str:
        """The place as text that a client hands back."""
        return encode_cursor(str(order), self.value, self.id)

    @classmethod
    def of_cursor(cls, cursor: str, order: Order) -> Position:
        """The place that a client handed back. Raises BadCursor."""
        value, id_ = decode_cursor(cursor, str(order))
        if not re.fullmatch("[0-9a-f]{32}", id_):
            raise BadCursor("not a cursor of this server")
        return cls(value, id_)


def encode_cursor(kind: str, value: int, id_: str) -> str:
    """An opaque cursor; `kind` says what it is a cursor of."""
    return urlsafe_b64encode(msgspec.json.encode([kind, value, id_])).decode().rstrip("=")


def decode_cursor(cursor: str, kind: str) -> tuple[int, str]:
    """Value and id of a cursor. Raises BadCursor."""
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        given, value, id_ = msgspec.json.decode(text, type=tuple[str, int, str])
    except (ValueError, Base64Error, msgspec.DecodeError) as error:
        raise BadCursor("not a cursor of this server") from error
    if not -_LARGEST <= value <= _LARGEST or "\0" in id_:
        raise BadCursor("not a cursor of this server")
    if given != kind:
        raise BadCursor(f"a cursor of {given!r}, not of {kind!r}")
    return value, id_
