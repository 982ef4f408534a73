"""How far one read of a source has come.

`after`: the place of the last row taken. `open`: keys of rows that had not ended when they were last read. `claimed`:
the end of a stretch of rows that is being added up. It is written down before what the stretch adds up to is sent, so
that another replica, or this one after a crash, adds up the very same rows and repeats the event instead of counting
rows twice. `until`, `filled`: at first all rows are read in the order of their keys, for which there is an index, and
only those that change later in the order of their changes, for which there may be none; `until` is the change up to
which there were rows when that began, `filled` the key that it has come to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import msgspec

Place: TypeAlias = tuple[Any, ...]
"""Values of the columns that rows are ordered by."""

MOST_OPEN = 5000
"""Rows that are read again because they have not ended; beyond that the oldest are given up."""


class Memory(Protocol):
    """Where positions are kept: `exporter.store.cursors.Cursors`, or nowhere."""

    def load(self, source: str, read: str) -> tuple[int, bytes | None]:
        """Version and state; 0 and None if there is none."""

    def save(self, source: str, read: str, version: int, state: bytes) -> int:
        """Next version. Raises `exporter.store.cursors.Overtaken`."""


class Forgetful:
    """Keeps nothing: each read begins at the beginning."""

    def load(self, source: str, read: str) -> tuple[int, bytes | None]:  # noqa: ARG002 - as in Memory
        """Nothing."""
        return 0, None

    def save(self, source: str, read: str, version: int, state: bytes) -> int:  # noqa: ARG002 - as in Memory
        """Next version."""
        return version + 1


@dataclass(slots=True)
class Position:
    """A position, and where it is kept."""

    memory: Memory
    source: str
    read: str
    after: Place | None = None
    claimed: Place | None = None
    until: Place | None = None
    filled: Place | None = None
    open: dict[Place, None] = field(default_factory=dict)
    seen: dict[str, list[int]] = field(default_factory=dict)
    version: int = 0
    kept: bytes = b""

    @classmethod
    def load(cls, memory: Memory, source: str, read: str) -> Position:
        """The position as it was last kept."""
        version, state = memory.load(source, read)
        position = cls(memory, source, read, version=version)
        if state is not None:
            told = msgspec.json.decode(state)
            position.after, position.claimed = _place(told.get("after")), _place(told.get("claimed"))
            position.until, position.filled = _place(told.get("until")), _place(told.get("filled"))
            position.open = {
                place: None for one in told.get("open", ()) if (place := _place(one)) is not None
            }
            position.seen = told.get("seen", {})
            position.kept = state
        return position

    def save(self) -> None:
        """Keep it, if it has changed. Raises Overtaken."""
        while len(self.open) > MOST_OPEN:
            self.open.pop(next(iter(self.open)))
        told = {
            "after": _told(self.after),
            "claimed": _told(self.claimed),
            "until": _told(self.until),
            "filled": _told(self.filled),
            "open": [_told(place) for place in self.open],
            "seen": self.seen,
        }
        state = msgspec.json.encode(told)
        if state == self.kept:
            return
        self.version = self.memory.save(self.source, self.read, self.version, state)
        self.kept = state


def _told(place: Place | None) -> list[Any] | None:
    return None if place is None else [_tagged(value) for value in place]


def _tagged(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, bytes | memoryview):
        return {"bytes": bytes(value).hex()}
    raise TypeError(f"a key cannot be of the type {type(value).__name__}")


_READ_BACK: dict[str, Callable[[str], Any]] = {
    "time": datetime.fromisoformat,
    "day": date.fromisoformat,
    "uuid": UUID,
    "decimal": Decimal,
    "bytes": bytes.fromhex,
}


def _place(told: Sequence[Any] | None) -> Place | None:
    if told is None:
        return None
    return tuple(
        _READ_BACK[next(iter(value))](next(iter(value.values()))) if isinstance(value, dict) else value
        for value in told
    )
