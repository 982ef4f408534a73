"""How the marks that events leave add up to a status and its times, the same for every order of arrival.

An execution, or one attempt of a stage, is nothing but the set of its marks. Sorted by time they fall into episodes:
a start, whatever happens, an end. A start later than an end opens the next episode (a run that was cleared or retried
under its own id). Two ends without a start between them are one end told twice, and the later one is right.

A start shortly after the last end, where nothing tells of a start before that end, is its own: the clocks of those who
told of start and end differ.
"""

from __future__ import annotations

from bisect import insort
from enum import IntEnum

import msgspec

from exporter.domain.status import FAILING, Status
from exporter.domain.times import SECOND

MOST_MARKS = 512
"""Marks kept of one execution or attempt; beyond that the oldest are forgotten."""

APART = 5 * 60 * SECOND
"""How much later than an end its own start may be stamped, by another clock, in microseconds."""


class Sign(IntEnum):
    """What a mark tells. The order decides between marks of one instant."""

    QUEUED = 0
    STARTED = 1
    PAUSED = 2
    RESUMED = 3
    FINISHED = 4


class Mark(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One sign of a change of state at a time (microseconds), with the figures that came with it."""

    time: int
    sign: Sign
    rank: int = 0
    status: Status | None = None
    word: str = ""
    queued_at: int = 0
    started_at: int = 0
    conclusive: bool = False
    items_in: int = 0
    items_out: int = 0


def finish(
    time: int,
    status: Status,
    word: str | None,
    *,
    queued_at: int | None = None,
    started_at: int | None = None,
    conclusive: bool = False,
    items_in: int | None = None,
    items_out: int | None = None,
) -> Mark:
    """Mark of an end; at one instant a failure outranks a success. After a conclusive one nothing starts again."""
    figures = (queued_at or 0, started_at or 0, conclusive, items_in or 0, items_out or 0)
    return Mark(time, Sign.FINISHED, int(status in FAILING), status, word or "", *figures)


def add(marks: list[Mark], mark: Mark) -> bool:
    """Put a mark in its place; False if it stood there already."""
    if mark in marks:
        return False
    insort(marks, mark)
    if len(marks) > MOST_MARKS:
        del marks[0]
    return True


class Episode(msgspec.Struct):
    """From a start to its end, or to now. Times in microseconds."""

    status: Status = Status.RUNNING
    word: str = ""
    queued_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    conclusive: bool = False
    items_in: int = 0
    items_out: int = 0

    @property
    def duration(self) -> int | None:
        """Microseconds from start to end; never below zero, as sources stamp events with their own clocks."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0, self.ended_at - self.started_at)

    @property
    def queue_duration(self) -> int | None:
        """Microseconds waited before the start."""
        if self.started_at is None or self.queued_at is None:
            return None
        return max(0, self.started_at - self.queued_at)


def episodes(marks: list[Mark]) -> list[Episode]:
    """The episodes of sorted marks, oldest first; empty if nothing but other signs of life is known."""
    found: list[Episode] = []
    current: Episode | None = None
    ends = sum(mark.sign is Sign.FINISHED for mark in marks)
    for mark in marks:
        if mark.sign is Sign.FINISHED:
            ends -= 1
            if current is None:
                current = Episode()
                found.append(current)
            _close(current, mark)
            continue
        if current is None or _reopens(current, mark, last=ends == 0):
            current = Episode(status=Status.QUEUED)
            found.append(current)
        _note(current, mark)
    return found


def _reopens(episode: Episode, mark: Mark, *, last: bool) -> bool:
    """Whether a sign that is no end begins the next episode. `last`: no end follows it."""
    ended = episode.ended_at
    if ended is None or episode.conclusive or mark.sign is Sign.PAUSED:
        return False
    if not last or mark.sign is Sign.RESUMED or mark.time - ended > APART:
        return True
    before = [episode.started_at, episode.queued_at if mark.sign is Sign.QUEUED else None]
    return any(time is not None and time <= ended for time in before)


def _note(episode: Episode, mark: Mark) -> None:
    """A sign before the end, or behind it for the fault of a clock; then only its time is of use."""
    if mark.sign is Sign.QUEUED:
        if episode.queued_at is None:
            episode.queued_at = mark.time
    elif mark.sign is not Sign.PAUSED and episode.started_at is None:
        episode.started_at = mark.time
    if episode.ended_at is not None:
        return
    episode.word = mark.word
    if mark.sign is Sign.PAUSED:
        episode.status = Status.PAUSED
    elif mark.sign is not Sign.QUEUED:
        episode.status = Status.RUNNING


def _close(episode: Episode, mark: Mark) -> None:
    assert mark.status is not None
    episode.status = mark.status
    episode.word = mark.word
    episode.ended_at = mark.time
    episode.conclusive = episode.conclusive or mark.conclusive
    episode.items_in = max(episode.items_in, mark.items_in)
    episode.items_out = max(episode.items_out, mark.items_out)
    if mark.queued_at:
        episode.queued_at = mark.queued_at
    if mark.started_at:
        episode.started_at = mark.started_at
