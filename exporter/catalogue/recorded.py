"""Metrics that Prometheus records: figures that would be slow, or long, to work out in each query.

Names are Prometheus' convention for recorded metrics, `level:metric:operations`. All of them keep `job`, so that
exporters with databases of their own stay apart; replicas of one are folded. What is recorded of counters (`…:total`)
may be asked for a rate: totals of the exporter outlive restarts, and a new label only ever adds to a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.catalogue import metrics as m
from exporter.catalogue.metric import Kind, Metric, Scope
from exporter.catalogue.promql import Not, Regex, gauge, increase, mean, quantile, rate, select, total
from exporter.catalogue.summed import BUCKETS, OFTEN, SELDOM, TOTALS
from exporter.catalogue.thresholds import (
    ENABLED,
    LLM_BUDGET_DAYS,
    SUCCESS_AGE,
    SUCCESS_AGE_PERIODS,
    THRESHOLDS,
)
from exporter.domain.status import FAILING, Status

PIPELINE = ("job", "pipeline", "environment")
"""Labels of everything that is recorded."""
STAGE = (*PIPELINE, "stage")
STREAM = (*PIPELINE, "stream", "direction")
CHECK = (*PIPELINE, "stage", "stream")
PROVIDER = (*PIPELINE, "gen_ai_provider_name")

BURN_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Windows of error rates."""

LEAST_SUCCESS_AGE = 900
"""Seconds without a success that are too few to wake anybody, however often a pipeline runs."""

_JUDGED = (Status.SUCCEEDED.value, *sorted(status.value for status in FAILING))


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording rule: the metric, what it is worked out from, and labels that it sets."""

    metric: Metric
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> str:
        """Name of the series: of a histogram only its buckets are recorded."""
        return self.metric.name + ("_bucket" if self.metric.kind is Kind.HISTOGRAM else "")


@dataclass(frozen=True, slots=True)
class RecordingGroup:
    """Rules that are worked out together, in this order, so often."""

    name: str
    interval: str
    rules: tuple[Recording, ...]


def on(labels: Iterable[str] = PIPELINE) -> str:
    """Matching of two vectors by labels, by those of a pipeline unless told otherwise."""
    return f"on ({', '.join(labels)})"


def _metric(
    name: str, help_: str, *extra: str, kind: Kind = Kind.GAUGE, scope: Scope = Scope.PIPELINE
) -> Metric:
    return Metric(name, kind, help_, scope, extra=extra)


def _of_provider(name: str, help_: str) -> Metric:
    return Metric(name, Kind.COUNTER, help_, Scope.MODEL, native=("gen_ai_provider_name",))


OWNER = _metric("pipeline:owner:info", "A pipeline with its owner, always 1; one series each.", "owner")
THRESHOLD = _metric(
    "pipeline:alert_threshold:effective",
    "Threshold of an alert as it holds for a pipeline: declared by its owner, or the default.",
    "owner",
    "threshold",
)
EXECUTIONS = _metric(
    "pipeline:executions:total", "Executions that ended, replicas folded.", "status", kind=Kind.COUNTER
)
JUDGED = _metric(
    "pipeline:executions_judged:total",
    "Executions that succeeded or failed; those that were cancelled or skipped count neither way.",
    kind=Kind.COUNTER,
)
FAILED = _metric(
    "pipeline:executions_failed:total", "Executions that failed, timed out or were lost.", kind=Kind.COUNTER
)
JUDGED_WITHIN = {
    window: _metric(
        f"pipeline:executions_judged:increase{window}",
        f"Executions that succeeded or failed within {window}.",
    )
    for window in BURN_WINDOWS
}
ERROR_RATIO = {
    window: _metric(
        f"pipeline:executions_failed:ratio{window}", f"Part of them that failed, within {window}."
    )
    for window in BURN_WINDOWS
}
DURATION_P50 = _metric(
    "pipeline:execution_duration_seconds:p50_1h", "Median duration of an hour's executions."
)
DURATION_P95 = _metric(
    "pipeline:execution_duration_seconds:p95_1h", "95th percentile of an hour's durations."
)
QUEUE_P95 = _metric("pipeline:queue_duration_seconds:p95_1h", "95th percentile of an hour's waits.")
SLOWDOWN = _metric(
    "pipeline:execution_duration:slowdown_ratio",
    "Median duration of the latest 5 successes, as a multiple of the one before.",
)
SUCCESS_AGE_LIMIT = _metric(
    "pipeline:success_age_seconds:limit", "How old the latest success of a pipeline may be.", "owner"
)
SUCCESS_AGE_IN_PERIODS = _metric(
    "pipeline:success_age:periods", "Time since the latest success, in periods of the schedule."
)
STAGE_P95 = _metric(
    "stage:stage_duration_seconds:p95_1h", "95th percentile of the durations of an hour.", scope=Scope.STAGE
)
STAGE_MEAN = _metric(
    "stage:stage_duration_seconds:mean_1h", "Mean duration within an hour.", scope=Scope.STAGE
)
STAGE_SLOWDOWN = _metric(
    "stage:stage_duration:slowdown_ratio",
    "Median duration of the latest 5 successes, as a multiple of the one before.",
    scope=Scope.STAGE,
)
STAGE_ATTEMPTS = _metric("stage:attempts:total", "Attempts that ended.", kind=Kind.COUNTER, scope=Scope.STAGE)
STAGE_FAILED = _metric(
    "stage:attempts_failed:total", "Attempts that failed or timed out.", kind=Kind.COUNTER, scope=Scope.STAGE
)
STAGE_RETRY_RATIO = _metric(
    "stage:retries:ratio1h", "Part of an hour's attempts that were retries.", scope=Scope.STAGE
)
STREAM_EVENTS_RATE = _metric("stream:events:rate5m", "Events a second, all operations.", scope=Scope.STREAM)
STREAM_LAG = _metric("stream:lag_seconds:max", "How far a stream is behind.", scope=Scope.STREAM)
STREAM_BUFFER = _metric("stream:buffer_depth:max", "Events that wait to be processed.", scope=Scope.STREAM)
SCORE_MEDIAN = _metric("check:quality_score:median1d", "Median score of a day.", scope=Scope.CHECK)
COST = _metric("pipeline:llm_cost_usd:total", "Cost of language model calls, all models.", kind=Kind.COUNTER)
COST_WITHIN = {
    window: _metric(
        f"pipeline:llm_cost_usd:increase{window}", f"Cost of language model calls within {window}."
    )
    for window in ("1h", "1d", "7d", "30d")
}
BUDGET_USED = _metric(
    "pipeline:llm_budget:used_ratio",
    "Part of the budget for language model calls that is spent, of its days.",
)
CALLS = _of_provider("provider:llm_calls:total", "Calls of language models.")
CALLS_FAILED = _of_provider("provider:llm_calls_failed:total", "Calls that failed, those below included.")
CALLS_LIMITED = _of_provider("provider:llm_calls_rate_limited:total", "Calls refused for their rate.")

RATE_LIMITED = Regex("(?i).*(rate.?limit|too.?many|throttl|quota|exhausted|429).*")
"""Types of errors by which providers refuse a call for its rate."""


def effective(threshold: str) -> str:
    """Selector of a threshold as it holds for each pipeline."""
    return select(THRESHOLD, threshold=threshold)


def _owner() -> str:
    infos = gauge(m.PIPELINE_INFO, by=(*PIPELINE, "owner"))
    # Replicas may disagree for a moment; two owners of one pipeline would fail every rule that joins them.
    return f"topk by ({', '.join(PIPELINE)}) (1, {infos})"


def _threshold(name: str, default: float | None) -> Recording:
    told = gauge(m.ALERT_THRESHOLD, by=PIPELINE, threshold=name)
    value = told if default is None else f"({told} or {gauge(m.PIPELINE_INFO, by=PIPELINE)} * {default:.12g})"
    off = f"{gauge(m.ALERT_THRESHOLD, by=PIPELINE, threshold=ENABLED.name)} == 0"
    expr = f"{OWNER.name} * {on()} group_left () {value} unless {on()} ({off})"
    return Recording(THRESHOLD, expr, {"threshold": name})


def _burn(window: str) -> tuple[Recording, Recording]:
    judged = increase(JUDGED, window, by=PIPELINE)
    failed = increase(FAILED, window, by=PIPELINE)
    return (
        Recording(JUDGED_WITHIN[window], judged),
        Recording(ERROR_RATIO[window], f"{failed} / ({JUDGED_WITHIN[window].name} > 0)"),
    )


def _success_age_limit() -> str:
    labels = ", ".join((*PIPELINE, "owner"))
    told = f"max by ({labels}) ({effective(SUCCESS_AGE.name)})"
    period = gauge(m.SCHEDULE_PERIOD, by=PIPELINE)
    usual = gauge(m.DURATION_BASELINE, by=PIPELINE, quantile="0.95")
    periods = f"max by ({labels}) ({effective(SUCCESS_AGE_PERIODS.name)}) * {on()} group_left () {period}"
    derived = f"{periods} + {on()} group_left () ({usual} or {period} * 0)"
    return f"{told} or {on()} clamp_min({derived}, {LEAST_SUCCESS_AGE})"


def _success_age_in_periods() -> str:
    period = gauge(m.SCHEDULE_PERIOD, by=PIPELINE)
    return f"(time() - {gauge(m.LAST_SUCCESS, by=PIPELINE)}) / ({period} > 0)"


def _slowdown(recent: Metric, earlier: Metric, by: tuple[str, ...]) -> str:
    return f"{gauge(recent, by=by)} / ({gauge(earlier, by=by)} > 0)"


def _retry_ratio() -> str:
    retries = increase(m.STAGE_RETRIES, "1h", by=STAGE)
    return f"{retries} / ({increase(m.STAGE_EXECUTIONS, '1h', by=STAGE)} > 0)"


def _calls(error: Not | Regex | None) -> str:
    known = f"max without (instance, pod) ({select(m.GEN_AI_DURATION, '_count')})"
    every = f"sum by ({', '.join(PROVIDER)}) ({known})"
    if error is None:
        return every
    wrong = f"max without (instance, pod) ({select(m.GEN_AI_DURATION, '_count', error_type=error)})"
    # A type of error is known by its first count. The sum is there before it, so that the first is an increase.
    return f"sum by ({', '.join(PROVIDER)}) ({wrong}) or {every} * 0"


def _budget_used() -> str:
    days = ", ".join(PIPELINE)
    parts = [
        f"({COST_WITHIN[window].name} and {on()} {effective(LLM_BUDGET_DAYS.name)} == {number})"
        for window, number in (("1d", 1), ("7d", 7), ("30d", 30))
    ]
    budget = gauge(m.LLM_BUDGET, by=PIPELINE)
    return f"max by ({days}) ({' or '.join(parts)}) / {on()} ({budget} > 0)"


GROUPS: tuple[RecordingGroup, ...] = (
    RecordingGroup(
        "pipelines recorded thresholds",
        "1m",
        (Recording(OWNER, _owner()), *(_threshold(each.name, each.default) for each in THRESHOLDS)),
    ),
    RecordingGroup(
        "pipelines recorded executions",
        "1m",
        (
            Recording(EXECUTIONS, total(m.EXECUTIONS, by=(*PIPELINE, "status"))),
            Recording(JUDGED, total(m.EXECUTIONS, by=PIPELINE, status=_JUDGED)),
            Recording(FAILED, total(m.EXECUTIONS, by=PIPELINE, status=_JUDGED[1:])),
            *(rule for window in BURN_WINDOWS for rule in _burn(window)),
            Recording(DURATION_P50, quantile(0.5, m.EXECUTION_DURATION, "1h", by=PIPELINE)),
            Recording(DURATION_P95, quantile(0.95, m.EXECUTION_DURATION, "1h", by=PIPELINE)),
            Recording(QUEUE_P95, quantile(0.95, m.EXECUTION_QUEUE_DURATION, "1h", by=PIPELINE)),
            Recording(SLOWDOWN, _slowdown(m.RECENT_DURATION, m.EARLIER_DURATION, PIPELINE)),
            Recording(SUCCESS_AGE_LIMIT, _success_age_limit()),
            Recording(SUCCESS_AGE_IN_PERIODS, _success_age_in_periods()),
        ),
    ),
    RecordingGroup(
        "pipelines recorded stages",
        "2m",
        (
            Recording(STAGE_P95, quantile(0.95, m.STAGE_DURATION, "1h", by=STAGE)),
            Recording(STAGE_MEAN, mean(m.STAGE_DURATION, "1h", by=STAGE)),
            Recording(STAGE_SLOWDOWN, _slowdown(m.STAGE_RECENT_DURATION, m.STAGE_EARLIER_DURATION, STAGE)),
            Recording(STAGE_ATTEMPTS, total(m.STAGE_EXECUTIONS, by=STAGE)),
            Recording(STAGE_FAILED, total(m.STAGE_EXECUTIONS, by=STAGE, status=("failed", "timed_out"))),
            Recording(STAGE_RETRY_RATIO, _retry_ratio()),
        ),
    ),
    RecordingGroup(
        "pipelines recorded streams and checks",
        "1m",
        (
            Recording(STREAM_EVENTS_RATE, rate(m.STREAM_EVENTS, "5m", by=STREAM)),
            Recording(STREAM_LAG, gauge(m.STREAM_LAG, by=STREAM)),
            Recording(STREAM_BUFFER, gauge(m.STREAM_BUFFER, by=STREAM)),
            Recording(
                SCORE_MEDIAN,
                f"max by ({', '.join(CHECK)}) (quantile_over_time(0.5, {select(m.QUALITY_SCORE)}[1d]))",
            ),
        ),
    ),
    RecordingGroup(
        "pipelines recorded language models",
        "1m",
        (
            Recording(COST, total(m.LLM_COST, by=PIPELINE)),
            *(Recording(COST_WITHIN[window], increase(COST, window, by=PIPELINE)) for window in COST_WITHIN),
            Recording(BUDGET_USED, _budget_used()),
            Recording(CALLS, _calls(None)),
            Recording(CALLS_FAILED, _calls(Not(""))),
            Recording(CALLS_LIMITED, _calls(RATE_LIMITED)),
        ),
    ),
    RecordingGroup(
        "pipelines recorded totals", OFTEN, tuple(Recording(each.metric, each.expr) for each in TOTALS)
    ),
    RecordingGroup(
        "pipelines recorded buckets", SELDOM, tuple(Recording(each.metric, each.expr) for each in BUCKETS)
    ),
)
RECORDED: tuple[Metric, ...] = tuple(dict.fromkeys(rule.metric for group in GROUPS for rule in group.rules))
"""Every recorded metric, once."""
