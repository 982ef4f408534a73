"""One read of a database, in one round: what it reads, where it stands, and how its rows are taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.sources.batch import Away, Batch
from exporter.sources.cursor import Place, Position
from exporter.sources.mapping import Read
from exporter.sources.sql_pages import Pages, Row
from exporter.sources.translate import Translator
from exporter.sources.values import BadValue, moment


@dataclass(frozen=True, slots=True)
class Turn:
    """A read in a round. `file`: which one, where several databases are read as one."""

    read: Read
    pages: Pages
    translator: Translator
    position: Position
    read_at: datetime
    file: str = ""

    def take(self, rows: list[Row], done: float | None = None) -> Batch:
        """What rows tell. Those of things that have not ended are remembered, to be read again."""
        batch = Batch(self.read.name, [], len(rows), done=done)
        for row in rows:
            key = self.pages.key_of(row)
            told = self.translator.translate(row, f"{self.file}{shown(key)}", self.read_at)
            batch.events.extend(told.events)
            batch.problems.extend(told.problems)
            if self.read.rows == "states":
                self.position.open.pop(key, None)
                if told.is_open:
                    self.position.open[key] = None
        return batch

    def done(self, ends: tuple[Any, Any] | None, rows: list[Row]) -> float | None:
        """How far between the least and the greatest; unknown for what is neither number nor time."""
        if ends is None or not rows:
            return None
        values = [_number(value) for value in (*ends, self.pages.place(rows[-1])[0])]
        if any(value is None for value in values):
            return None
        least, greatest, now = (value or 0.0 for value in values)
        return 1.0 if greatest <= least else min(1.0, max(0.0, (now - least) / (greatest - least)))


def shown(key: Place) -> str:
    """A key as text, the same for every driver: one says the number 5 as 5, another as Decimal('5')."""
    return ", ".join(str(value) for value in key)


def is_later(place: Place, other: Place) -> bool:
    """Whether a place is behind another. Raises Away if they cannot be compared."""
    try:
        return place > other
    except TypeError as error:
        raise Away(f"the key changed its type: {other!r} was read before, now {place!r}") from error


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return moment(value, UTC).timestamp()
    except BadValue:
        return None
