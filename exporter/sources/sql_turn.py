"""One read of a database, in one round: what it reads, where it stands, and how its rows are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.sources.batch import Away, Batch
from exporter.sources.cursor import Place, Position
from exporter.sources.mapping import Read
from exporter.sources.sql_pages import Page, Pages, Row
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
            batch.take(told)
            if self.read.rows == "states":
                self.position.open.pop(key, None)
                if told.is_open:
                    self.position.open[key] = None
        return batch


class Progress:
    """How far a long read is: its place between the least and the greatest, else rows by how many there are.

    Asked for behind the first page, so that what is short costs the owner nothing.
    """

    def __init__(self, pages: Pages, order: Sequence[str]) -> None:
        self._pages = pages
        self._order = order
        self._rows = 0
        self._ends: tuple[float, float] | None = None
        self._count = 0

    def at(self, page: Page) -> float | None:
        """How far it is with this page, from 0 to 1; unknown with the first one."""
        first, self._rows = not self._rows, self._rows + len(page.rows)
        if first or not page.rows:
            return None
        now = _number(page.rows[-1].get(self._order[0]))
        if self._ends is None and not self._count:
            least, greatest = (_number(value) for value in self._pages.ends(self._order))
            if least is None or greatest is None or now is None:
                self._count = max(1, self._pages.count())
            else:
                self._ends = (least, greatest)
        if self._ends is None or now is None:
            return min(1.0, self._rows / max(1, self._count))
        least, greatest = self._ends
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
