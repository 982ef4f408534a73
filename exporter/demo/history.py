"""What happened before the demo began: told day by day, the latest first, beside what happens now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from exporter.demo.clock import WEEK, Pace
from exporter.demo.dispatcher import Dispatcher
from exporter.demo.event import Event
from exporter.demo.pipeline import Pipeline
from exporter.demo.simulation import Simulation

NEAR = timedelta(hours=1)
"""Where the server knows an execution that started so shortly before a day's end, it knows the day.

So shortly before a day's start it is asked as well: the first day may be the last minutes of one, in which nothing
started but what an earlier demo, begun seconds before, has told.
"""

ONLY_COUNTED = {"pipeline.stream.measured", "pipeline.records.checked"}
"""What leaves no row: of a week that is told within a minute, counters would only show a leap that dwarfs the rest."""


@dataclass(frozen=True, slots=True)
class Day:
    """From midnight to midnight (UTC), or the part of it that is wanted, or a little more."""

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
"""When the latest execution that the server knows of this time started, if it knows one."""


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
        self._day: list[list[Event]] = []

    @property
    def over(self) -> bool:
        """Whether there is nothing left to tell."""
        return not self._day and not self._left

    @property
    def done(self) -> float:
        """The part of the days that is told, 0…1."""
        left = len(self._left) + bool(self._day)
        return 1 - left / self._days if self._days else 1.0

    def next(self, most: int) -> list[Event]:
        """So many events at most; none if all is told. Raises what `known` raises."""
        while not self._day and self._left:
            self._day = batches(self._tell(self._left.pop(0)), most)
        return self._day.pop(0) if self._day else []

    def _tell(self, day: Day) -> Iterator[Event]:
        known = self.known(Day(day.start - NEAR, day.end))
        if known is not None:
            self.told_until = max(known, self.told_until or known)
            if day.end - known < NEAR:
                return
        start = day.start if known is None else max(known, day.start)
        pace = Pace(start, day.end, self.speed, thin=max(1.0, self.length / WEEK))
        simulation = Simulation(pace, self.seed)
        Dispatcher(simulation, self.pipelines).open()
        yield from (event for event in simulation.events_until(day.end) if event.type not in ONLY_COUNTED)


def batches(events: Iterable[Event], most: int) -> list[list[Event]]:
    """The events by execution, none of them in two batches if it fits in one, those that ended first before the rest.

    Cut off in its middle, a run of last week would look like one that is stuck, for as long as the next batch takes,
    and for ever if there is none.
    """
    of_execution: dict[tuple[object, object], list[Event]] = {}
    for event in events:
        of_execution.setdefault((event.data["pipeline"], event.data["execution"]), []).append(event)
    found: list[list[Event]] = [[]]
    for told in sorted(of_execution.values(), key=lambda told: told[-1].time):
        if len(found[-1]) + len(told) > most:
            found.append([])
        found[-1] += told
    return [batch for batch in found if batch]
