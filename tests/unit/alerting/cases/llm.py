"""Cases of alerts about calls of language models."""

from __future__ import annotations

from exporter.catalogue import metrics as m
from tests.support.alerting import Case, Series, together, told
from tests.unit.alerting.cases.common import ALERT, LONG, known, steady, threshold

PROVIDER = {"gen_ai_provider_name": "openai"}
FIRES = ALERT | PROVIDER
MODEL = {
    "stage": "draft", "provider": "openai", "request_model": "m", "response_model": "m", "operation": "chat"
}  # fmt: skip
CALL = {
    **PROVIDER,
    "stage": "draft",
    "gen_ai_request_model": "m",
    "gen_ai_response_model": "m",
    "gen_ai_operation_name": "chat",
}


def cost(values: str) -> Series:
    return together(known(), told(m.LLM_COST, values, **MODEL))


def budget(values: str, dollars: float = 100) -> Series:
    return together(cost(values), told(m.LLM_BUDGET, steady(dollars)))


def calls(succeeded: str, **failed: str) -> Series:
    return together(
        known(),
        told(m.GEN_AI_DURATION, succeeded, "_count", **CALL, error_type=""),
        *(
            told(m.GEN_AI_DURATION, values, "_count", **CALL, error_type=type_)
            for type_, values in failed.items()
        ),
    )


CASES = (
    Case("PipelineLlmCostSpike", "an hour costs six times the usual", cost("0+1x240 240+6x500"), 300, ALERT),
    Case("PipelineLlmCostSpike", "an hour costs twice the usual", cost("0+1x240 240+2x500"), 300),
    Case(
        "PipelineLlmCostSpike",
        "six times the usual are a third of a dollar",
        cost("0+0.0009765625x240 0.234375+0.005859375x500"),
        300,
    ),
    Case("PipelineLlmCostSpike", "nothing is known before", cost(f"0+0.6x{LONG}"), 60),
    Case("PipelineLlmBudgetNearlySpent", "nine tenths are spent", budget("0+1x90 90x500"), 120, ALERT),
    Case("PipelineLlmBudgetNearlySpent", "half is spent", budget("0+1x50 50x500"), 120),
    Case(
        "PipelineLlmBudgetNearlySpent",
        "all is spent, of which another alert tells",
        budget("0+1x120 120x500"),
        150,
    ),
    Case("PipelineLlmBudgetSpent", "more than the budget is spent", budget("0+1x120 120x500"), 150, ALERT),
    Case("PipelineLlmBudgetSpent", "nine tenths are spent", budget("0+1x90 90x500"), 150),
    Case(
        "PipelineLlmBudgetSpent",
        "the budget of a day was spent the day before",
        together({**budget("0+4x30 120x2000"), **known(step=4)}, threshold("llm_budget_days", 1)),
        60 * 30,
        step=4,
    ),
    Case(
        "PipelineLlmBudgetSpent",
        "the budget of 30 days was spent the day before",
        {**budget("0+4x30 120x2000"), **known(step=4)},
        60 * 30,
        ALERT,
        step=4,
    ),
    Case(
        "PipelineLlmErrors", "half of the calls fail", calls(f"0+3x{LONG}", Timeout=f"0+3x{LONG}"), 30, FIRES
    ),
    Case(
        "PipelineLlmErrors",
        "calls began to fail, of a type not seen before",
        calls(f"0+3x{LONG}", Timeout="_x60 20+3x500"),
        70,
        FIRES,
    ),
    Case("PipelineLlmErrors", "few calls fail", calls(f"0+40x{LONG}", Timeout=f"0+1x{LONG}"), 30),
    Case(
        "PipelineLlmErrors",
        "calls are refused for their rate",
        calls(f"0+3x{LONG}", RateLimitError=f"0+3x{LONG}"),
        30,
    ),
    Case("PipelineLlmErrors", "three of five calls fail", calls("0x20 2x500", Timeout="0x20 3x500"), 30),
    Case(
        "PipelineLlmRateLimited",
        "half of the calls are refused for their rate",
        calls(f"0+3x{LONG}", RateLimitError=f"0+3x{LONG}"),
        30,
        FIRES,
    ),
    Case("PipelineLlmRateLimited", "calls fail otherwise", calls(f"0+3x{LONG}", Timeout=f"0+3x{LONG}"), 30),
    Case(
        "PipelineLlmRateLimited", "few are refused", calls(f"0+40x{LONG}", RateLimitError=f"0+1x{LONG}"), 30
    ),
)
