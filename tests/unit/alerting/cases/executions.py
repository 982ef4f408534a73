"""Cases of alerts about executions."""

from __future__ import annotations

from exporter.catalogue import metrics as m
from tests.support.alerting import Case, Series, together, told
from tests.unit.alerting.cases.common import ALERT, LONG, NOW, known, steady, then, threshold


def failures(number: float) -> Series:
    return together(known(), told(m.CONSECUTIVE_FAILURES, steady(number)))


def last(status: str) -> Series:
    return together(
        *(
            told(m.LAST_STATUS, steady(float(status == each)), status=each)
            for each in ("succeeded", "failed", "lost")
        )
    )


def running(start: float, *, median: float = 600, mad: float = 10, runs: float = 20) -> Series:
    """A run that began at a second, and how long runs usually take."""
    return together(
        known(),
        told(m.OLDEST_ACTIVE_START, steady(start)),
        told(m.EXECUTIONS_ACTIVE, steady(1), status="running"),
        told(m.EXECUTIONS_ACTIVE, steady(0), status="queued"),
        told(m.DURATION_BASELINE, steady(median), quantile="0.5"),
        told(m.DURATION_BASELINE, steady(median * 1.2), quantile="0.95"),
        told(m.DURATION_BASELINE_MAD, steady(mad)),
        told(m.DURATION_BASELINE_RUNS, steady(runs)),
    )


def trend(recent: float, earlier: float, mad: float = 5) -> Series:
    return together(
        known(),
        told(m.RECENT_DURATION, steady(recent)),
        told(m.EARLIER_DURATION, steady(earlier)),
        told(m.EARLIER_DURATION_MAD, steady(mad)),
    )


def ended(succeeded: str, failed: str) -> Series:
    return together(
        known(),
        told(m.EXECUTIONS, succeeded, status="succeeded"),
        told(m.EXECUTIONS, failed, status="failed"),
        told(m.EXECUTIONS, steady(0), status="timed_out"),
        told(m.EXECUTIONS, steady(0), status="lost"),
        told(m.EXECUTIONS, steady(0), status="cancelled"),
    )


def waited(long: str, every: str) -> Series:
    """Runs that waited up to 60 seconds, or longer than half an hour: cumulative buckets."""
    return together(
        known(),
        told(m.EXECUTION_QUEUE_DURATION, every, "_bucket", le="60"),
        told(m.EXECUTION_QUEUE_DURATION, every, "_bucket", le="1800"),
        told(m.EXECUTION_QUEUE_DURATION, long, "_bucket", le="3600"),
        told(m.EXECUTION_QUEUE_DURATION, long, "_bucket", le="+Inf"),
        told(m.EXECUTION_QUEUE_DURATION, long, "_count"),
    )


def queued(number: float, last_start: float) -> Series:
    return together(
        known(),
        told(m.EXECUTIONS_ACTIVE, steady(number), status="queued"),
        told(m.EXECUTIONS_ACTIVE, steady(1), status="running"),
        told(m.LAST_START, steady(last_start)),
    )


CASES = (
    Case("PipelineFailed", "the latest run failed", together(failures(1), last("failed")), 10, ALERT),
    Case("PipelineFailed", "the latest run succeeded", together(failures(0), last("succeeded")), 10),
    Case(
        "PipelineFailed", "it was lost, of which another alert tells", together(failures(1), last("lost")), 10
    ),
    Case(
        "PipelineFailed",
        "its alerts are switched off",
        together(failures(1), last("failed"), threshold("enabled", 0)),
        10,
    ),
    Case(
        "PipelineFailed",
        "it has been given up for a month",
        {**together(failures(1), last("failed")), **told(m.LAST_EVENT, steady(0))},
        60 * 24 * 31,
        step=60,
    ),
    Case("PipelineFailing", "three failures in a row", failures(3), 10, ALERT),
    Case("PipelineFailing", "two failures in a row", failures(2), 10),
    Case(
        "PipelineFailing",
        "one failure, and each shall wake its owner",
        together(failures(1), threshold("page_after_failures", 1)),
        10,
        ALERT,
    ),
    Case(
        "PipelineFailing",
        "three failures of a pipeline that nobody owns",
        together(known(owner=""), told(m.CONSECUTIVE_FAILURES, steady(3))),
        10,
        {"pipeline": "nightly-orders", "environment": "production"},
    ),
    Case("PipelineExecutionLost", "the latest run was lost", together(known(), last("lost")), 10, ALERT),
    Case(
        "PipelineExecutionLost",
        "a run was lost beside others that succeed",
        together(known(), last("succeeded"), told(m.EXECUTIONS, then(0, 20, 1), status="lost")),
        25,
        ALERT,
    ),
    Case(
        "PipelineExecutionLost",
        "a run was lost an hour ago, and others succeeded since",
        together(known(), last("succeeded"), told(m.EXECUTIONS, then(0, 20, 1), status="lost")),
        80,
    ),
    Case("PipelineRunningLong", "a run of ten minutes takes 31", running(3600), 60 + 32, ALERT),
    Case("PipelineRunningLong", "a run of ten minutes takes 29", running(3600), 60 + 29),
    Case("PipelineRunningLong", "only four runs are known", running(3600, runs=4), 60 + 50),
    Case("PipelineRunningLong", "durations differ widely", running(3600, mad=400), 60 + 50),
    Case("PipelineRunningLong", "a run of five seconds takes 50", running(3600 - 50, median=5, mad=0), 60),
    Case(
        "PipelineRunningLong",
        "the run is paused",
        {**running(3600), **told(m.EXECUTIONS_ACTIVE, steady(0), status="running")},
        60 + 50,
    ),
    Case("PipelineStuck", "a run of ten minutes takes 105", running(0), 105, ALERT),
    Case("PipelineStuck", "a run of ten minutes takes 95", running(0), 95),
    Case(
        "PipelineStuck",
        "a run takes longer than its owner allows, with nothing known",
        together(running(0, runs=0), threshold("max_duration_seconds", 1800)),
        33,
        ALERT,
    ),
    Case(
        "PipelineStuck",
        "a run takes as long as its owner allows",
        together(running(0, runs=0), threshold("max_duration_seconds", 1800)),
        29,
    ),
    Case("PipelineSlower", "twice as slow as before", trend(200, 100), 10, ALERT),
    Case("PipelineSlower", "slower, and within its usual spread", trend(200, 100, mad=40), 10),
    Case("PipelineSlower", "a little slower", trend(140, 100), 10),
    Case("PipelineSlower", "twice as slow, which is a second", trend(2, 1, mad=0), 10),
    Case(
        "PipelineErrorBudgetBurning",
        "a third of a run a minute fails",
        ended(f"0+2x{LONG}", f"0+1x{LONG}"),
        90,
        ALERT,
    ),
    Case("PipelineErrorBudgetBurning", "two of a hundred fail", ended(f"0+98x{LONG}", f"0+2x{LONG}"), 90),
    Case(
        "PipelineErrorBudgetBurning",
        "one failure of an hourly job",
        ended("0x59 1x59 1x500", "0x119 1x500"),
        125,
    ),
    Case(
        "PipelineErrorBudgetBurning",
        "failures that have ended",
        ended(f"0+2x{LONG}", "0+1x60 60x500"),
        100,
    ),
    Case(
        "PipelineErrorBudgetBurning",
        "a third fails, and half may",
        together(ended(f"0+2x{LONG}", f"0+1x{LONG}"), threshold("success_objective", 0.5)),
        90,
    ),
    Case(
        "PipelineErrorBudgetLeaking",
        "four of a hundred fail all day",
        ended(f"0+96x{LONG}", f"0+4x{LONG}"),
        180,
        ALERT,
    ),
    Case(
        "PipelineErrorBudgetLeaking",
        "one of two hundred fails",
        ended(f"0+199x{LONG}", f"0+1x{LONG}"),
        180,
    ),
    Case(
        "PipelineQueueWaitLong",
        "runs wait for more than half an hour",
        waited(f"0+1x{LONG}", steady(0)),
        60,
        ALERT,
    ),
    Case(
        "PipelineQueueWaitLong", "runs wait for less than a minute", waited(f"0+1x{LONG}", f"0+1x{LONG}"), 60
    ),
    Case("PipelineQueueWaitLong", "one run waited for half an hour", waited(then(0, 30, 1), steady(0)), 60),
    Case("PipelineQueueStuck", "runs wait and the latest start was long ago", queued(3, 0), 40, ALERT),
    Case("PipelineQueueStuck", "runs wait and others start", {**queued(3, 0), **told(m.LAST_START, NOW)}, 40),
    Case("PipelineQueueStuck", "nothing waits", queued(0, 0), 40),
)
