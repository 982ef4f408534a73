"""What waits between two ends of a stream, and how far behind that leaves the far end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class Backlog:
    """Events that arrived and were not handled yet. The watermark is when the last handled one happened.

    A watermark never goes back; it stands still while nothing is handled, which is what lag is made of.
    """

    waiting: int = 0
    watermark: datetime | None = None

    def handle(self, now: datetime, arrived: int, capacity: float, *, rate: float, delay: float) -> int:
        """Let events arrive and handle as many as there is capacity for; gives their number.

        `rate`: events a second that arrive. `delay`: seconds that handling takes where nothing waits. Both by
        the clock on the wall.
        """
        handled = min(self.waiting + arrived, round(capacity))
        self.waiting += arrived - handled
        reached = now - timedelta(seconds=delay + self.waiting / rate)
        if handled or self.watermark is None:
            self.watermark = max(reached, self.watermark or reached)
        return handled

    def behind(self, now: datetime) -> float:
        """Seconds from the watermark to now."""
        return (now - (self.watermark or now)).total_seconds()
