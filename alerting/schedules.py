"""Alerts about starts that do not happen and successes that stay away."""

from __future__ import annotations

from alerting.alert import ON_SCHEDULES, Alert, AlertGroup, Kind, Severity
from alerting.expressions import ALIVE, both, but, exceeds, over
from alerting.wording import NAME, Form, now, value
from exporter.catalogue import metrics as m
from exporter.catalogue import recorded as r
from exporter.catalogue import thresholds as t
from exporter.catalogue.promql import gauge, increase
from exporter.catalogue.recorded import PIPELINE, on

_paused = f"{gauge(m.SCHEDULE_PAUSED, by=PIPELINE)} == 1"


def _missed() -> str:
    """Lately, or within a longer time that has seen no start since: then it lasts until something starts."""
    parts = [f"{increase(m.SCHEDULE_MISSED, '15m', by=PIPELINE)} > 0"]
    for window in ("1h", "6h", "1d"):
        started = f"{over('changes', m.LAST_START, window, by=PIPELINE)} > 0"
        parts.append(f"({but(f'{increase(m.SCHEDULE_MISSED, window, by=PIPELINE)} > 0', started)})")
    return but(exceeds(f"({' or '.join(parts)})", t.MISSED_STARTS, ">="), _paused)


def _no_success() -> str:
    latest = f"({gauge(m.LAST_SUCCESS, by=PIPELINE)} or {gauge(m.FIRST_EVENT, by=PIPELINE)})"
    late = f"time() - {latest}\n> {on()} group_left (owner) {r.SUCCESS_AGE_LIMIT.name}"
    return both(but(late, _paused), ALIVE)


GROUP = AlertGroup(
    "schedules",
    "Schedules",
    (
        Alert(
            "PipelineScheduleMissed",
            _missed(),
            Severity.WARNING,
            "a start that was due, by the declared or learnt schedule, did not happen within its grace",
            f"{NAME} did not start when it was due",
            f"Latest start: {now(m.LAST_START, Form.MOMENT)}. It starts every "
            f"{now(m.SCHEDULE_PERIOD, Form.LENGTH)} or more often, next at {now(m.SCHEDULE_NEXT, Form.MOMENT)}. "
            "First look whether its scheduler is alive, and whether an earlier run is in the way.",
            ON_SCHEDULES,
            thresholds=(t.MISSED_STARTS,),
            kind=Kind.STALENESS,
        ),
        Alert(
            "PipelineNoSuccess",
            _no_success(),
            Severity.CRITICAL,
            "the latest success is too long ago, whatever the reason: what the pipeline makes is out of date",
            f"{NAME}: no success for {value(Form.LENGTH)}",
            f"Latest success: {now(m.LAST_SUCCESS, Form.MOMENT)}; allowed is an age of "
            f"{now(r.SUCCESS_AGE_LIMIT, Form.LENGTH)}. Latest start: {now(m.LAST_START, Form.MOMENT)}. First "
            "see whether it does not start, does not end, or fails.",
            ON_SCHEDULES,
            "1m",
            (t.SUCCESS_AGE_PERIODS, t.SUCCESS_AGE),
            kind=Kind.STALENESS,
        ),
    ),
)
