"""What happened before the demo began: told day by day, the latest first, beside what happens now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from exporter.demo.clock import WEEK, Pace
from exporter.demo.dispatcher import Dispatcher
from exporter.demo.event import Event
from exporter.demo.pipeline import Pipeline
from exporter.demo.simulation import Simulation

NEAR = timedelta(hours=1)
"""Where the server knows an execution that started so shortly before a day's end, it knows the day."""


@dataclass(frozen=True, slots=True)
class Day:
    """From midnight to midnight (UTC), or the part of it that is wanted."""

    start: datetime
    end: datetime


def days(since: datetime, until: datetime) -> list[Day]:
    """The days from `since` to `until`, the latest first."""
    found = []
    start = since.astimezone(UTC)
    while start < until:
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        found.append(Day(start, min(midnight, until)))
        start = midnight
    return found[::-1]


Known = Callable[[Day], datetime | None]
"""When the latest execution of the day that the server knows started."""


def nothing_known(day: Day) -> datetime | None:
    """The server is taken to know nothing: every day is told. Of whole days it has seen, it knows the events."""
    del day
    return None


@dataclass
class History:
    """So much history before a moment, for pipelines that went as fast as they go now."""

    pipelines: Sequence[Pipeline]
    before: datetime
    length: timedelta
    seed: int = 1
    speed: float = 1.0
    known: Known = nothing_known
    told_until: datetime | None = field(default=None, init=False)
    """The latest moment that the server knew already when it was asked; None if it knew of no day anything."""

    def __post_init__(self) -> None:
        self._left = days(self.before - self.length, self.before) if self.length else []
        self._days = len(self._left)
        self._current: Simulation | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing left to tell."""
        return self._current is None and not self._left

    @property
    def done(self) -> float:
        """The part of the days that is told, 0…1."""
        left = len(self._left) + (self._current is not None)
        return 1 - left / self._days if self._days else 1.0

    def next(self, most: int) -> list[Event]:
        """So many events at most; none if all is told. Raises what `known` raises."""
        while not self.over:
            if self._current is None:
                self._current = self._open(self._left.pop(0))
            elif events := list(islice(self._current.events_until(self._end_of(self._current)), most)):
                return events
            else:
                self._current = None
        return []

    def cancel(self) -> list[Event]:
        """End what the day under way has open, at its own time: nobody goes on with it."""
        current, self._current = self._current, None
        self._left = []
        return current.cancel() if current else []

    def _open(self, day: Day) -> Simulation | None:
        known = self.known(day)
        start = day.start if known is None else max(known, day.start)
        if known is not None:
            self.told_until = max(known, self.told_until or known)
        if known is not None and day.end - known < NEAR:
            return None
        thin = max(1.0, self.length / WEEK)
        simulation = Simulation(Pace(start, day.end, self.speed, thin), self.seed)
        Dispatcher(simulation, self.pipelines).open()
        return simulation

    @staticmethod
    def _end_of(simulation: Simulation) -> datetime:
        assert simulation.pace.end is not None
        return simulation.pace.end
