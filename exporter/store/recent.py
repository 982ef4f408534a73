"""What a pipeline remembers of its latest executions: when they started, how they ended.

A time from the future would be the latest for as long as it takes to come, and hide what really happens. So what is
stamped ahead of the clock here takes its place by when it was told.
"""

from __future__ import annotations

from exporter.domain.lifecycle import Episode
from exporter.domain.status import FAILING, Status
from exporter.domain.times import SECOND
from exporter.store.records import Execution, Pipeline
from exporter.store.state import (
    RECENT,
    STARTS,
    SUCCESSES,
    Duration,
    Ended,
    PipelineState,
    remember,
)

TOLERATED = 3600 * SECOND
"""How far ahead of the clock here a time may be and still stand as it is, in microseconds."""


def note_event(state: PipelineState, time: int, now: int) -> None:
    """Note when something was told of a pipeline."""
    state.first_at = time if state.first_at is None else min(state.first_at, time)
    latest = now + TOLERATED
    time = now if time > latest else time
    known = None if state.last_at is None or state.last_at > latest else state.last_at
    state.last_at = time if known is None else max(known, time)


def note_start(pipeline: Pipeline, last: Episode, now: int) -> None:
    """Note when an execution started."""
    state = pipeline.state
    latest = now + TOLERATED
    if state.starts and state.starts[-1] > latest:
        state.starts = [start for start in state.starts if start <= latest]
        pipeline.restarted = True
    start = last.started_at
    if start is None or start in state.starts or start > latest:
        return
    if len(state.starts) < STARTS or start > state.starts[0]:
        state.starts = sorted([*state.starts, start])[-STARTS:]
        pipeline.restarted = True


def note_end(state: PipelineState, execution: Execution, last: Episode, now: int) -> None:
    """Note how an execution ended; what was noted of it before is replaced."""
    _forget_ahead(state, now + TOLERATED)
    key = execution.id[:16]
    mine = [entry for entry in state.recent if entry.key == key]
    if last.ended_at is None:
        _forget(state, key, bool(mine))
        return
    ended_at = last.ended_at
    if ended_at > now + TOLERATED:
        ended_at = mine[0].ended_at if mine else _told_at(execution, now)
    entry = Ended(ended_at, key, last.status.value, last.duration)
    if mine == [entry]:
        return
    _forget(state, key, bool(mine))
    dropped = remember(state.recent, entry, RECENT)
    if dropped is not None and dropped is not entry:
        state.older_failures = state.older_failures + 1 if dropped.status in FAILING else state.older_failures
        if dropped.status == Status.SUCCEEDED:
            state.older_failures = 0
    if last.status is Status.SUCCEEDED and last.duration is not None:
        remember(state.successes, Duration(ended_at, key, last.duration), SUCCESSES)


def _forget_ahead(state: PipelineState, latest: int) -> None:
    """Drop ends from the future that were noted before they were looked at."""
    if state.recent and state.recent[-1].ended_at > latest:
        state.recent = [entry for entry in state.recent if entry.ended_at <= latest]
    if state.successes and state.successes[-1].ended_at > latest:
        state.successes = [entry for entry in state.successes if entry.ended_at <= latest]


def _told_at(execution: Execution, now: int) -> int:
    """When an execution was last heard of, before what is told now."""
    if execution.stored is None:
        return now
    before = Execution.from_row(execution.stored)
    return now if before.ended_at is None else min(now, before.seen_at)


def _forget(state: PipelineState, key: str, known: bool) -> None:
    if known:
        state.recent = [entry for entry in state.recent if entry.key != key]
        state.successes = [entry for entry in state.successes if entry.key != key]
