"""How far an active execution is, and when it will end if it goes on as usual. See `docs/forecast.md`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from exporter.domain.plan import Moment, Present
from exporter.domain.remaining import Outlook, pointed_left
from exporter.domain.status import ACTIVE, FAILING, Status
from exporter.domain.times import LATEST

MOST_PROGRESS = 0.99
"""Progress of what is still active: a display that rounds must not say 100% before the end."""

LEAST_TOLD = 0.01
"""Reported progress that an end is extrapolated from; below, half a percent of rounding would double it."""

TRUSTED = 0.5
"""Reported progress from which on it says more of the end than other runs do, whatever they were like."""

ENOUGH = 10
"""Ended instances of a mapped stage that tell its pace to a third or better, which its history does not where
it had other numbers of them."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage of an execution as it stands: the last attempt, or all instances of a mapped stage in one.

    `done` and `running` of the `total` instances known so far; `total` is None if it is not mapped.
    `progress`: reported by the stage. `told_at`: when it was reported, or when the latest instance ended.
    `final`: a failure that no other attempt follows.
    """

    name: str
    status: Status
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: float | None = None
    told_at: datetime | None = None
    done: int = 0
    running: int = 0
    total: int | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionRun:
    """An execution as it stands, and what it reported of itself: progress (0 to 1), when, and its own ETA.

    `paused_at`: since when it is halted.
    """

    status: Status
    started_at: datetime | None = None
    stages: Sequence[StageRun] = ()
    progress: float | None = None
    progress_at: datetime | None = None
    eta: datetime | None = None
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Progress, below 1 until the end, where it comes from, and the expected end. Unknown is None."""

    progress: float | None = None
    progress_source: Literal["reported", "derived"] | None = None
    eta: datetime | None = None


def forecast(execution: ExecutionRun, outlook: Outlook, now: datetime) -> Forecast:
    """Progress and expected end of one execution.

    What it reports of itself goes before what is derived, except an end that has passed. Reported progress is
    shown as it was last reported, even if it fell: a source that starts over knows better. Derived progress
    of an execution that nothing new is heard of never falls. One that is over has no expected end, and
    progress 1 if it succeeded.
    """
    if execution.status not in ACTIVE:
        return _over(execution)
    if execution.status is Status.PAUSED and execution.paused_at is not None:
        now = min(now, execution.paused_at)
    started = _start(execution)
    elapsed = None if started is None else _seconds(started, now)
    stages = {stage.name: _present(stage, now) for stage in execution.stages}
    standing = outlook.moment(elapsed or 0.0, stages)
    eta = _eta(execution, outlook, elapsed, standing, now)
    if execution.progress is not None:
        return Forecast(_shown(execution.progress), "reported", eta)
    done = None if elapsed is None else outlook.done(standing)
    return Forecast(eta=eta) if done is None else Forecast(_shown(done), "derived", eta)


def _over(execution: ExecutionRun) -> Forecast:
    told = execution.progress
    if execution.status is Status.SUCCEEDED:
        return Forecast(1.0, "derived" if told is None else "reported")
    return Forecast() if told is None else Forecast(_shown(told), "reported")


def _shown(progress: float) -> float:
    return min(max(progress, 0.0), MOST_PROGRESS)


def _start(execution: ExecutionRun) -> datetime | None:
    """When it started: its first stage may be the only news of it. Waiting in a queue, it has not."""
    if execution.status is Status.QUEUED:
        return None
    starts = [stage.started_at for stage in execution.stages if stage.started_at is not None]
    return execution.started_at or min(starts, default=None)


def _eta(
    execution: ExecutionRun, outlook: Outlook, elapsed: float | None, standing: Moment, now: datetime
) -> datetime | None:
    if execution.status is Status.PAUSED:
        # Nobody knows when it goes on.
        return None
    if execution.eta is not None and execution.eta > now:
        return execution.eta
    left = outlook.left(standing)
    if elapsed is not None and execution.progress is not None:
        left = _told_left(execution.progress, _after(elapsed, execution.progress_at, now), elapsed, left)
    if left is None or left > (LATEST - now).total_seconds():
        return None
    return now + timedelta(seconds=left)


def _told_left(progress: float, after: float, elapsed: float, usual: float | None) -> float | None:
    """Seconds to go by progress reported `after` some seconds, which counts the more the further it is."""
    if progress < LEAST_TOLD or after == 0:
        # What was there at the start, as after a resumption, says nothing of the speed.
        return usual
    told = pointed_left(min(progress, 1.0), after, elapsed)
    trust = _trust(progress)
    return told if usual is None else trust * told + (1 - trust) * usual


def _trust(progress: float) -> float:
    return min(1.0, progress / TRUSTED)


def _present(stage: StageRun, now: datetime) -> Present:
    if stage.status is Status.QUEUED or (stage.status in FAILING and not stage.final):
        # After a failure that may not be final a source tries again, or ends the execution soon.
        return Present(again=stage.status in FAILING)
    if stage.status not in ACTIVE:
        took = None
        if stage.status is Status.SUCCEEDED and stage.started_at is not None and stage.ended_at is not None:
            took = _seconds(stage.started_at, stage.ended_at)
        ended = 0.0 if stage.ended_at is None else _seconds(stage.ended_at, now)
        return Present(ended=ended, took=took, blocks=stage.status in FAILING)
    elapsed = 0.0 if stage.started_at is None else _seconds(stage.started_at, now)
    after = _after(elapsed, stage.told_at, now)
    if stage.total:
        # Instances that run are half done on the average, which also tells how many run at a time.
        part = min((stage.done + stage.running / 2) / stage.total, 1.0)
        return Present(elapsed, part=part, part_after=after, trust=min(1.0, stage.done / ENOUGH))
    progress = min(max(stage.progress or 0.0, 0.0), 1.0)
    return Present(elapsed, part=progress, part_after=after, trust=_trust(progress))


def _after(elapsed: float, told_at: datetime | None, now: datetime) -> float:
    """Seconds after the start at which something was told, or now."""
    return elapsed if told_at is None else max(0.0, elapsed - _seconds(told_at, now))


def _seconds(start: datetime, end: datetime) -> float:
    """Never below zero, as sources stamp events with their own clocks."""
    return max(0.0, (end - start).total_seconds())
