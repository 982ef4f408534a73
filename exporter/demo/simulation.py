"""A discrete-event simulation: processes that wait, on an agenda sorted by time, deterministic for a seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random
from typing import Protocol

from exporter.demo.clock import Pace
from exporter.demo.event import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Task:
    """A process under way, which others may wait for by yielding it."""

    __slots__ = ("done", "process", "waiting")

    def __init__(self, process: Process) -> None:
        self.process = process
        self.done = False
        self.waiting: list[Task] = []


Process = Generator[float | Task, None, None]
"""Yields the wall-clock seconds to wait for, or the task whose end to wait for."""


class Cancellable(Protocol):
    """What is told when the simulation is stopped."""

    def cancel(self) -> None:
        """Emit whatever says that this ended early."""


class Simulation:
    """The agenda, the time and the events that came of it.

    Time is kept in whole microseconds, so that it does not depend on how floats are rounded.
    """

    def __init__(self, pace: Pace, seed: int) -> None:
        self.pace = pace
        self.seed = seed
        self.open: dict[Cancellable, None] = {}
        self.live = pace.live
        """Whether it happens now: then all is told, and starts follow each other closely."""
        self._now = _microseconds(pace.start)
        self._end = None if pace.end is None else _microseconds(pace.end)
        self._agenda: list[tuple[int, int, Task]] = []
        self._order = count()
        self._outbox: deque[Event] = deque()
        self._sequence = count(1)
        # The start makes ids of one run of the demo differ from those of the next with the same seed, and those of
        # a day of history the same however often it is told.
        self._stem = f"{self._now:x}-{seed}"
        # Live, a seed tells the same story whenever it is started; each day of history is another one.
        self._luck = str(seed) if self.live else self._stem

    @property
    def instant(self) -> datetime:
        """The simulated time, which is what events are stamped with."""
        return _instant(self._now)

    @property
    def until_end(self) -> float:
        """Wall-clock seconds of history that remain; infinite in a story that goes on."""
        return inf if self._end is None else max(0, self._end - self._now) / 1e6

    @property
    def next_instant(self) -> datetime | None:
        """When something is due next; None once nothing is."""
        return _instant(self._agenda[0][0]) if self._agenda else None

    def random(self, *names: object) -> Random:
        """A source of chance of one's own, so that pipelines do not change each other's stories."""
        return Random("/".join(str(part) for part in (self._luck, *names)))

    def digest(self, *names: object) -> str:
        """64 hex digits that depend on seed, start and names: material for ids."""
        text = "/".join(str(part) for part in (self._stem, *names))
        return blake2b(text.encode(), digest_size=32).hexdigest()

    def phase(self, live: float, history: float) -> float:
        """Where in a recurring cycle the time is, 0…1; live they begin with the story, in history with the epoch."""
        if self.live:
            elapsed = (self.instant - self.pace.start).total_seconds()
            return elapsed / self.pace.real(live) % 1
        return self._now / 1e6 / history % 1

    def sampling(self, live: float, history: float) -> float:
        """Wall-clock seconds until a stream is measured again; the last time is where history ends."""
        return min(self.pace.between(live, history), self.until_end)

    def begin(self, process: Process, after: float = 0.0) -> Task:
        """Put a process on the agenda, `after` wall-clock seconds from now."""
        task = Task(process)
        self._wake(task, after)
        return task

    def emit(self, kind: str, data: Mapping[str, object]) -> None:
        """Tell an event of the type, now."""
        self._outbox.append(Event(f"{self._stem}-{next(self._sequence)}", kind, self.instant, data))

    def events_until(self, limit: datetime) -> Iterator[Event]:
        """Let time go on to the limit and give what is told on the way, none of it after the limit."""
        end = _microseconds(limit)
        while self._agenda and self._agenda[0][0] <= end:
            self._now, _, task = heappop(self._agenda)
            self._step(task)
            yield from self._sent()
        self._now = max(self._now, end)

    def cancel(self) -> list[Event]:
        """End whatever is open, now, and give what that tells."""
        for cancellable in list(self.open):
            cancellable.cancel()
        self._agenda.clear()
        return list(self._sent())

    def _sent(self) -> Iterator[Event]:
        while self._outbox:
            yield self._outbox.popleft()

    def _step(self, task: Task) -> None:
        try:
            awaited = next(task.process)
        except StopIteration:
            task.done = True
            for other in task.waiting:
                self._wake(other)
            return
        if not isinstance(awaited, Task):
            self._wake(task, awaited)
        elif awaited.done:
            self._wake(task)
        else:
            awaited.waiting.append(task)

    def _wake(self, task: Task, after: float = 0.0) -> None:
        heappush(self._agenda, (self._now + max(0, round(after * 1e6)), next(self._order), task))


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
