"""A row that says where a run or a stage stands becomes the events by which it came there.

A row is one coherent account: its end is behind its start whatever its clocks say. Identities are made of what is told
(which run, which sign, when), never of when it was read: a row read again, by this replica or another, repeats itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from exporter.domain.status import ACTIVE, Status


class Sign(Enum):
    """What an event of a lifecycle says."""

    QUEUED = "queued"
    STARTED = "started"
    PAUSED = "paused"
    ALIVE = "alive"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a row says that a run or stage stands. `word`: the one to show.

    `status` None: what the row says, then `unmapped`, stands for no status known here.
    """

    status: Status | None
    word: str
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    changed_at: datetime | None = None
    unmapped: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the row may still change."""
        return self.status is None or self.status in ACTIVE


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a lifecycle. `told`: what its identity is made of beside the run's; `word`: the row's own status.

    `is_dated`: its time is one that the row tells, and not that of its being read.
    """

    sign: Sign
    time: datetime
    told: tuple[str, ...]
    word: str | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    is_dated: bool = True


def steps(standing: Standing, read_at: datetime) -> Iterator[Step]:
    """The events of a row that was read at a time; that time stands in where the row tells none."""
    queued, started = standing.queued_at, standing.started_at
    status = standing.status
    if status is Status.QUEUED:
        # A start in such a row is that of the try before.
        at = queued or started or standing.changed_at
        yield Step(Sign.QUEUED, at or read_at, _told(at, standing.word), standing.word)
        return
    if started is not None and queued is not None and queued > started:
        queued = None
    if queued is not None:
        yield Step(Sign.QUEUED, queued, _told(queued, ""))
    if started is not None:
        word = standing.word if standing.is_open else None
        yield Step(Sign.STARTED, started, _told(started, ""), word)
    if status is None or status is Status.RUNNING:
        if started is None:
            at = standing.changed_at or queued
            yield Step(Sign.STARTED, at or read_at, _told(at, standing.word), standing.word)
    elif status is Status.PAUSED:
        at = standing.changed_at
        yield Step(Sign.PAUSED, at or read_at, _told(at, standing.word), standing.word)
    else:
        yield _end(standing, queued, read_at)


def _end(standing: Standing, queued: datetime | None, read_at: datetime) -> Step:
    started = standing.started_at
    at = standing.ended_at or standing.changed_at
    time = at or read_at
    begun = started or queued
    if begun is not None and time < begun:
        time = begun
    told = (*_told(at, standing.word), *_told(started, ""), *_told(queued, ""))
    return Step(Sign.FINISHED, time, told, standing.word, queued, started, at is not None)


def _told(at: datetime | None, word: str) -> tuple[str, ...]:
    return ("" if at is None else at.isoformat(), word)
