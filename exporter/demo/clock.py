"""How simulated lengths of time become real ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

WEEK = timedelta(days=7)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_length(text: str) -> timedelta:
    """Read "7d", "12h", "30m", "90s" or "1w". Raises ValueError, saying what was expected."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    length = timedelta(**{_UNITS[match[2]]: float(match[1])}) if match else timedelta()
    if length <= timedelta():
        raise ValueError(f"expected a length of time like 7d, 12h or 30m, not {text!r}")
    return length


@dataclass(frozen=True, slots=True)
class Pace:
    """When a story begins, when it ends if it is history, and how much faster than life it goes.

    A story without an end is live. History has the same pipelines with the same durations, started more rarely
    and telling less (no progress, no chatter), so that seven days stay below 150,000 events. `thin` makes its
    starts rarer still, as a history longer than that is not to be larger.
    """

    start: datetime
    end: datetime | None = None
    speed: float = 1.0
    thin: float = 1.0

    @property
    def live(self) -> bool:
        """Whether it happens now."""
        return self.end is None

    def real(self, seconds: float) -> float:
        """Wall-clock seconds that so many seconds of the story take."""
        return seconds / self.speed

    def between(self, live: float, history: float) -> float:
        """Wall-clock seconds between two starts: `live` at speed 1, `history` in the past, whatever the speed."""
        return self.real(live) if self.live else max(self.real(live), history * self.thin)
