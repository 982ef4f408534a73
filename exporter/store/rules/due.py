"""When a pipeline is due next, and when its next start counts as missed."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from exporter.domain.events import Schedule
from exporter.domain.schedule import BadSchedule, Cadence, cadence, learn
from exporter.domain.times import from_micros, to_micros
from exporter.store.state import PipelineState

EARLY = timedelta(seconds=10)
"""A start this much before its time is meant for it: clocks differ."""


def cadence_of(state: PipelineState) -> Cadence | None:
    """The pipeline's schedule: as declared, else as learnt from its starts; None if paused or unknown."""
    if state.facts.get("paused"):
        return None
    declared = state.facts.get("schedule")
    if declared is not None:
        try:
            return cadence(msgspec.convert(declared, Schedule))
        except BadSchedule:  # a time zone that this machine does not know
            return None
    return learn([from_micros(start) for start in state.starts])


def refresh(state: PipelineState) -> None:
    """Set `next_expected` and `due_at` after a start or a declaration."""
    known = cadence_of(state)
    if known is None:
        state.next_expected = state.due_at = None
        return
    anchor = _anchor(state)
    if state.missed_through is not None:
        anchor = max(anchor, from_micros(state.missed_through))
    due = known.next_after(anchor if known.every is not None else anchor + EARLY)
    _expect(state, known, due)


def advance(state: PipelineState) -> None:
    """Expect the start after the one that is expected now."""
    known = cadence_of(state)
    if known is None or state.next_expected is None:
        state.next_expected = state.due_at = None
        return
    state.missed_through = state.next_expected
    _expect(state, known, known.next_after(from_micros(state.next_expected)))


def skip_to(state: PipelineState, moment: datetime) -> None:
    """Expect the first start after a moment: those before were not watched."""
    known = cadence_of(state)
    if known is None or state.next_expected is None:
        return
    due = from_micros(state.next_expected)
    if known.every is not None:
        periods = max(0, (moment - due) // known.every + 1)
        due += periods * known.every
    else:
        due = known.next_after(max(due, moment))
    _expect(state, known, due)


def _anchor(state: PipelineState) -> datetime:
    if state.starts:
        return from_micros(state.starts[-1])
    told = state.facts.told.get("schedule")
    return from_micros(told.time if told is not None else state.first_at or 0)


def _expect(state: PipelineState, known: Cadence, due: datetime) -> None:
    state.next_expected = to_micros(due)
    state.due_at = to_micros(due + known.grace_after(due))
