"""Cases of alerts about starts and successes."""

from __future__ import annotations

from exporter.catalogue import metrics as m
from tests.support.alerting import Case, Series, together, told
from tests.unit.alerting.cases.common import ALERT, NOW, known, steady, then, threshold


def scheduled(missed: str, last_start: str, paused: float = 0, step: int = 1) -> Series:
    return together(
        known(step=step),
        told(m.SCHEDULE_MISSED, missed),
        told(m.SCHEDULE_PAUSED, steady(paused)),
        told(m.SCHEDULE_PERIOD, steady(3600)),
        told(m.LAST_START, last_start),
    )


def succeeded(last_success: str | None, period: float = 3600, paused: float = 0) -> Series:
    return together(
        known(),
        told(m.SCHEDULE_PERIOD, steady(period)),
        told(m.SCHEDULE_PAUSED, steady(paused)),
        told(m.DURATION_BASELINE, steady(600), quantile="0.95"),
        *([] if last_success is None else [told(m.LAST_SUCCESS, last_success)]),
    )


CASES = (
    Case("PipelineScheduleMissed", "a start did not happen", scheduled(then(0, 60, 1), steady(0)), 65, ALERT),
    Case(
        "PipelineScheduleMissed",
        "an hourly job has still not started",
        scheduled(then(0, 60, 1), steady(0)),
        110,
        ALERT,
    ),
    Case(
        "PipelineScheduleMissed", "it started in between", scheduled(then(0, 60, 1), then(0, 90, 5400)), 110
    ),
    Case("PipelineScheduleMissed", "none was missed", scheduled(steady(4), NOW), 65),
    Case("PipelineScheduleMissed", "it was paused then", scheduled(then(0, 60, 1), steady(0), paused=1), 65),
    Case(
        "PipelineScheduleMissed",
        "a daily job did not start in the night and has not since",
        scheduled(then(0, 400, 1), steady(0), step=4),
        400 * 4 + 60 * 10,
        ALERT,
        step=4,
    ),
    Case(
        "PipelineScheduleMissed",
        "one of a job for which one is none",
        together(scheduled(then(0, 60, 1), steady(0)), threshold("missed_starts", 2)),
        65,
    ),
    Case(
        "PipelineNoSuccess",
        "an hourly job has not succeeded for more than three hours",
        succeeded(steady(0)),
        195,
        ALERT,
    ),
    Case("PipelineNoSuccess", "an hourly job succeeded three hours ago", succeeded(steady(0)), 185),
    Case("PipelineNoSuccess", "it never succeeded since it was first heard of", succeeded(None), 195, ALERT),
    Case("PipelineNoSuccess", "its schedule is paused", succeeded(steady(0), paused=1), 240),
    Case(
        "PipelineNoSuccess", "it runs every minute, and has not for ten", succeeded(steady(0), period=60), 10
    ),
    Case(
        "PipelineNoSuccess",
        "its owner wants one every half hour",
        together(succeeded(steady(0)), threshold("success_age_seconds", 1800)),
        33,
        ALERT,
    ),
    Case(
        "PipelineNoSuccess",
        "nothing says how often it should run",
        together(known(), told(m.LAST_SUCCESS, steady(0))),
        400,
    ),
)
