"""Alerts about executions."""

from __future__ import annotations

from alerting.alert import ON_ERRORS, ON_PIPELINE, Alert, AlertGroup, Kind, Severity
from alerting.expressions import ALIVE, SIGMA, both, but, exceeds, over, owned, since
from alerting.wording import NAME, Form, now, value
from exporter.catalogue import metrics as m
from exporter.catalogue import recorded as r
from exporter.catalogue import thresholds as t
from exporter.catalogue.promql import gauge, increase, observations, quantile
from exporter.catalogue.recorded import PIPELINE, effective, on
from exporter.domain.status import Status

LEAST_BASELINE = 5
"""Successes that a usual duration must rest on."""
LEAST_LONG = 60
LEAST_STUCK = 600
"""Seconds below which no run is long, or stuck, whatever is usual."""
LEAST_SLOWER = 5
"""Seconds by which runs must have become slower."""
FAR = 5
NOTICEABLE = 2
"""Robust standard deviations: of one run that is far off; of a median of five, for which two are nearly four."""

_failures = gauge(m.CONSECUTIVE_FAILURES, by=PIPELINE)
_lost = f"{gauge(m.LAST_STATUS, by=PIPELINE, status=Status.LOST)} == 1"
_elapsed = since(m.OLDEST_ACTIVE_START)
_usual = gauge(m.DURATION_BASELINE, by=PIPELINE, quantile="0.5")
_spread = gauge(m.DURATION_BASELINE_MAD, by=PIPELINE)
_known = f"{gauge(m.DURATION_BASELINE_RUNS, by=PIPELINE)} >= {LEAST_BASELINE}"
_running = f"{gauge(m.EXECUTIONS_ACTIVE, by=PIPELINE, status=Status.RUNNING)} > 0"


def _times_usual(threshold: t.Threshold, least: int) -> str:
    limit = f"({effective(threshold.name)} * {on()} group_left () {_usual})"
    return both(
        f"{_elapsed}\n> {on()} group_left (owner) {limit}",
        f"{_elapsed} > {least}",
        f"{_elapsed} > {_usual} + {FAR * SIGMA:g} * {_spread}",
        _known,
        _running,
    )


def _slower() -> str:
    recent, earlier = gauge(m.RECENT_DURATION, by=PIPELINE), gauge(m.EARLIER_DURATION, by=PIPELINE)
    spread = gauge(m.EARLIER_DURATION_MAD, by=PIPELINE)
    return both(
        exceeds(r.SLOWDOWN.name, t.SLOWER_RATIO),
        f"{recent} - {earlier} > {LEAST_SLOWER}",
        f"{recent} - {earlier} > {NOTICEABLE * SIGMA:g} * {spread}",
        ALIVE,
    )


def _burns(*windows: tuple[str, str, float]) -> str:
    """Source: Google, The Site Reliability Workbook, chapter 5, multiwindow, multi-burn-rate alerts."""
    return "\nor ".join(f"({_burns_within(*each)})" for each in windows)


def _burns_within(long: str, short: str, factor: float) -> str:
    # An objective below 1 - 1 / factor would ask for more failures than there are runs.
    limit = f"clamp_max({factor:g} * (1 - {effective(t.SUCCESS_OBJECTIVE.name)}), 0.9)"
    least = f"{on()} group_left () {effective(t.BURN_MIN_EXECUTIONS.name)}"
    return both(
        f"{r.ERROR_RATIO[long].name} > {on()} group_left (owner) {limit}",
        f"{r.ERROR_RATIO[short].name} > {on()} group_left () {limit}",
        f"{r.JUDGED_WITHIN[long].name} >= {least}",
    )


_FAILURES = (
    f"Failures since its latest success: {value(Form.COUNT)}. Latest end: {now(m.LAST_END, Form.MOMENT)}. "
    f"Latest success: {now(m.LAST_SUCCESS, Form.MOMENT)}. "
    "First read the error of the latest run on the dashboard, then start it again once the cause is gone."
)
_LONG = (
    f"A run has been going on for {value(Form.LENGTH)}, since {now(m.OLDEST_ACTIVE_START, Form.MOMENT)}. "
    f"Usual are {now(m.DURATION_BASELINE, Form.LENGTH, quantile='0.5')}. "
    "First see on the dashboard which stage it is in and what that waits for."
)
_BURNING = (
    f"{value(Form.SHARE)} of its runs fail, and "
    f"{now(r.THRESHOLD, Form.SHARE, threshold=t.SUCCESS_OBJECTIVE.name)} shall succeed. "
    f"Latest success: {now(m.LAST_SUCCESS, Form.MOMENT)}. "
    "First see which error is the most frequent and when it began."
)

GROUP = AlertGroup(
    "executions",
    "Executions",
    (
        Alert(
            "PipelineFailed",
            both(owned(but(f"{_failures} >= 1", _lost)), ALIVE),
            Severity.WARNING,
            "the latest runs failed or timed out, and none has succeeded since",
            f"{NAME} failed",
            _FAILURES,
            ON_PIPELINE,
            kind=Kind.FAILURE,
        ),
        Alert(
            "PipelineFailing",
            both(exceeds(_failures, t.PAGE_AFTER_FAILURES, ">="), ALIVE),
            Severity.CRITICAL,
            "so many runs in a row failed, timed out or were lost",
            f"{NAME} failed{{{{ if gt $value 1.0 }}}} {value(Form.COUNT)} times in a row{{{{ end }}}}",
            _FAILURES,
            ON_PIPELINE,
            thresholds=(t.PAGE_AFTER_FAILURES,),
            kind=Kind.FAILURE,
        ),
        Alert(
            "PipelineExecutionLost",
            owned(
                f"{increase(m.EXECUTIONS, '15m', by=PIPELINE, status=Status.LOST)} > 0\nor "
                + both(_lost, ALIVE)
            ),
            Severity.WARNING,
            "a run fell silent for longer than it may, and nobody knows what became of it",
            f"{NAME} lost a run",
            f"A run fell silent and was given up. Latest event of the pipeline: {now(m.LAST_EVENT, Form.MOMENT)}. "
            "First look whether its process still runs: it may have been killed, or cannot reach the exporter.",
            ON_PIPELINE,
            kind=Kind.FAILURE,
        ),
        Alert(
            "PipelineRunningLong",
            _times_usual(t.RUNNING_LONG_RATIO, LEAST_LONG),
            Severity.WARNING,
            "a run takes some times its usual duration; silent with fewer than "
            f"{LEAST_BASELINE} successes and below {LEAST_LONG} s",
            f"{NAME} has been running for {value(Form.LENGTH)}",
            _LONG,
            ON_PIPELINE,
            "1m",
            (t.RUNNING_LONG_RATIO,),
            kind=Kind.LATENCY,
        ),
        Alert(
            "PipelineStuck",
            f"({both(exceeds(_elapsed, t.MAX_DURATION), _running)})\nor "
            f"({_times_usual(t.STUCK_RATIO, LEAST_STUCK)})",
            Severity.CRITICAL,
            "a run takes many times its usual duration, or longer than its owner allows",
            f"{NAME} is stuck for {value(Form.LENGTH)}",
            _LONG,
            ON_PIPELINE,
            "1m",
            (t.STUCK_RATIO, t.MAX_DURATION),
            kind=Kind.LATENCY,
        ),
        Alert(
            "PipelineSlower",
            _slower(),
            Severity.WARNING,
            "the latest five successes took clearly longer than those before",
            f"{NAME} takes {value(Form.FACTOR)} times as long as before",
            f"The latest five successes took {now(m.RECENT_DURATION, Form.LENGTH)} in the median, those before "
            f"{now(m.EARLIER_DURATION, Form.LENGTH)}. First see which stage takes longer, then whether "
            "it has more to do or does it more slowly.",
            ON_PIPELINE,
            "1m",
            (t.SLOWER_RATIO,),
            kind=Kind.LATENCY,
        ),
        Alert(
            "PipelineErrorBudgetBurning",
            _burns(("1h", "5m", 14.4), ("6h", "30m", 6)),
            Severity.CRITICAL,
            "so many runs fail that the errors allowed in a month are used up within days",
            f"{NAME}: {value(Form.SHARE)} of its runs fail",
            _BURNING,
            ON_ERRORS,
            "2m",
            (t.SUCCESS_OBJECTIVE, t.BURN_MIN_EXECUTIONS),
            kind=Kind.FAILURE,
        ),
        Alert(
            "PipelineErrorBudgetLeaking",
            _burns(("1d", "2h", 3), ("3d", "6h", 1)),
            Severity.WARNING,
            "more runs fail than its objective allows in the long run",
            f"{NAME}: {value(Form.SHARE)} of its runs fail over days",
            _BURNING,
            ON_ERRORS,
            "15m",
            (t.SUCCESS_OBJECTIVE, t.BURN_MIN_EXECUTIONS),
            kind=Kind.FAILURE,
        ),
        Alert(
            "PipelineQueueWaitLong",
            both(
                exceeds(quantile(0.95, m.EXECUTION_QUEUE_DURATION, "1h", by=PIPELINE), t.QUEUE_WAIT),
                f"{observations(m.EXECUTION_QUEUE_DURATION, '1h', by=PIPELINE)} >= 3",
            ),
            Severity.WARNING,
            "runs wait long before they start: 95th percentile of an hour with three runs at least",
            f"{NAME}: runs wait up to {value(Form.LENGTH)} to start",
            f"Of the last hour's runs one in twenty waited {value(Form.LENGTH)} or longer; allowed are "
            f"{now(r.THRESHOLD, Form.LENGTH, threshold=t.QUEUE_WAIT.name)}. Now "
            f"{now(m.EXECUTIONS_ACTIVE, Form.COUNT, status=Status.QUEUED)} wait. First see whether workers are "
            "busy with something else, or fewer than usual.",
            ON_PIPELINE,
            "5m",
            (t.QUEUE_WAIT,),
            kind=Kind.LATENCY,
        ),
        Alert(
            "PipelineQueueStuck",
            both(
                exceeds(
                    f"time() - ({gauge(m.LAST_START, by=PIPELINE)} or {gauge(m.FIRST_EVENT, by=PIPELINE)})",
                    t.QUEUE_WAIT,
                ),
                f"{over('min_over_time', m.EXECUTIONS_ACTIVE, '15m', by=PIPELINE, status=Status.QUEUED)} > 0",
            ),
            Severity.WARNING,
            "runs have been waiting for 15 minutes, and none has started for longer than a run may wait",
            f"{NAME}: runs wait, and none starts",
            f"{now(m.EXECUTIONS_ACTIVE, Form.COUNT, status=Status.QUEUED)} runs wait, and the latest start was "
            f"{value(Form.LENGTH)} ago, at {now(m.LAST_START, Form.MOMENT)}. First see whether the scheduler "
            "and its workers are alive.",
            ON_PIPELINE,
            "5m",
            (t.QUEUE_WAIT,),
            kind=Kind.LATENCY,
        ),
    ),
)
