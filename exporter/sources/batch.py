"""What readers hand over, and how they say that they cannot read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from exporter.domain.events import Event
from exporter.sources.cursor import Memory
from exporter.sources.translate import Told

ROWS = 1000
"""Rows held at once at the most."""


class Away(Exception):
    """A source cannot be read now; says why. `retry_after`: seconds that it asked to be left alone."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Missing(Away):
    """A table, column or document is not there."""


class Broken(Away):
    """A document cannot be told, while the rest of the source may be."""


class Changed(Away):
    """The owner wrote while it was read, and nothing of that can be trusted; next time it will be."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows and what they tell. `done`: how far through what there is, from 0 to 1, if that is known.

    `unmapped`: words that stand for no status, by how many rows have them.
    """

    read: str
    events: list[Event]
    rows: int
    problems: list[str] = field(default_factory=list)
    done: float | None = None
    unmapped: Counter[str] = field(default_factory=Counter)

    def take(self, told: Told) -> None:
        """What one row tells."""
        self.events.extend(told.events)
        self.problems.extend(told.problems)
        self.unmapped.update(told.unmapped)


class Reader(Protocol):
    """Reads a source. The next batch is asked for once the events of the one before are durable."""

    def batches(self, memory: Memory, read_at: datetime) -> Iterator[Batch]:
        """What is new since the positions in memory. Raises Away."""

    def close(self) -> None:
        """Let go of connections."""
