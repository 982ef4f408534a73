"""Alerts about calls of language models."""

from __future__ import annotations

from alerting.alert import ON_LLM, Alert, AlertGroup, Kind, Severity
from alerting.expressions import both, exceeds
from alerting.wording import NAME, PROVIDER, Form, now, value
from exporter.catalogue import metrics as m
from exporter.catalogue import recorded as r
from exporter.catalogue import thresholds as t
from exporter.catalogue.promql import increase, select
from exporter.catalogue.recorded import PROVIDER as OF_PROVIDER
from exporter.catalogue.recorded import effective, on

LEAST_CALLS = 10
"""Calls within 15 minutes that are too few to tell a share."""
LEAST_MINUTES = 60
"""Minutes, an hour ago and before, that a usual cost must rest on."""

_hour = r.COST_WITHIN["1h"]
_past = f"{select(_hour)}[1d] offset 1h"
_enough = f"{increase(r.CALLS, '15m', by=OF_PROVIDER)} >= {LEAST_CALLS}"


def _share(failed: str) -> str:
    return f"({failed}) / ({increase(r.CALLS, '15m', by=OF_PROVIDER)} > 0)"


def _spike() -> str:
    limit = f"({effective(t.LLM_COST_SPIKE.name)} * {on()} group_left () avg_over_time({_past}))"
    return both(
        f"{_hour.name}\n> {on()} group_left (owner) {limit}",
        f"{_hour.name} > {on()} group_left () {effective(t.LLM_COST_FLOOR.name)}",
        f"count_over_time({_past}) >= {LEAST_MINUTES}",
    )


_limited = increase(r.CALLS_LIMITED, "15m", by=OF_PROVIDER)
_failed = increase(r.CALLS_FAILED, "15m", by=OF_PROVIDER)
_BUDGET = (
    f"{value(Form.SHARE)} of the budget of {now(m.LLM_BUDGET, Form.MONEY)} US dollars for "
    f"{now(r.THRESHOLD, Form.COUNT, threshold=t.LLM_BUDGET_DAYS.name)} days is spent; the last day cost "
    f"{now(r.COST_WITHIN['1d'], Form.MONEY)}. First see which model and stage cost most, and whether they are "
    "called more often than usual."
)

GROUP = AlertGroup(
    "llm",
    "Language models",
    (
        Alert(
            "PipelineLlmCostSpike",
            _spike(),
            Severity.WARNING,
            "an hour costs many times what an hour of the last day did on average",
            f"{NAME}: the last hour cost {value(Form.MONEY)} US dollars",
            f"The last hour's calls cost {value(Form.MONEY)} US dollars, of "
            f"{now(r.COST_WITHIN['1d'], Form.MONEY)} within a day. First see whether there are more calls, "
            "longer prompts, or a dearer model.",
            ON_LLM,
            "5m",
            (t.LLM_COST_SPIKE, t.LLM_COST_FLOOR),
            kind=Kind.COST,
        ),
        Alert(
            "PipelineLlmBudgetNearlySpent",
            both(exceeds(r.BUDGET_USED.name, t.LLM_BUDGET_WARNING, ">="), f"{r.BUDGET_USED.name} < 1"),
            Severity.WARNING,
            "most of the declared budget is spent",
            f"{NAME}: {value(Form.SHARE)} of its model budget is spent",
            _BUDGET,
            ON_LLM,
            "5m",
            (t.LLM_BUDGET_WARNING, t.LLM_BUDGET_DAYS),
            kind=Kind.COST,
        ),
        Alert(
            "PipelineLlmBudgetSpent",
            f"{r.BUDGET_USED.name} * {on()} group_left (owner) {effective(t.ENABLED.name)} >= 1",
            Severity.WARNING,
            "the declared budget is spent; nothing stops the pipeline from spending more",
            f"{NAME}: its model budget is spent, {value(Form.SHARE)} of it",
            _BUDGET,
            ON_LLM,
            "5m",
            (t.LLM_BUDGET_DAYS,),
            kind=Kind.COST,
        ),
        Alert(
            "PipelineLlmErrors",
            both(
                exceeds(_share(f"{_failed} - {on(OF_PROVIDER)} {_limited}"), t.LLM_ERROR_RATIO),
                _enough,
                labels=OF_PROVIDER,
            ),
            Severity.WARNING,
            "many calls of a provider fail for other reasons than their rate; "
            f"silent below {LEAST_CALLS} calls within 15 minutes",
            f"{NAME}: {value(Form.SHARE)} of calls to {PROVIDER} fail",
            f"Within 15 minutes {value(Form.SHARE)} of the calls failed; allowed are "
            f"{now(r.THRESHOLD, Form.SHARE, threshold=t.LLM_ERROR_RATIO.name)}. First read the errors on the "
            "dashboard, then the provider's status page.",
            ON_LLM,
            "5m",
            (t.LLM_ERROR_RATIO,),
            kind=Kind.FAILURE,
        ),
        Alert(
            "PipelineLlmRateLimited",
            both(exceeds(_share(_limited), t.LLM_RATE_LIMITED_RATIO), _enough, labels=OF_PROVIDER),
            Severity.WARNING,
            "a provider refuses many calls for their rate; "
            f"silent below {LEAST_CALLS} calls within 15 minutes",
            f"{NAME}: {PROVIDER} refuses {value(Form.SHARE)} of calls for their rate",
            f"Within 15 minutes {PROVIDER} refused {value(Form.SHARE)} of the calls for their rate; allowed "
            f"are {now(r.THRESHOLD, Form.SHARE, threshold=t.LLM_RATE_LIMITED_RATIO.name)}. First see which "
            "stage calls most, and whether several runs overlap.",
            ON_LLM,
            "5m",
            (t.LLM_RATE_LIMITED_RATIO,),
            kind=Kind.FAILURE,
        ),
    ),
)
