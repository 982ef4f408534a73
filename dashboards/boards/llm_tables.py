"""Tables of the dashboard of language models."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.grafana.fields import by_name, by_regex
from dashboards.grafana.panels import Panel, table
from dashboards.grafana.targets import sql
from dashboards.scope import PIPELINES, WHERE_PIPELINES, chosen
from exporter.catalogue.metrics import LLM_BUDGET
from exporter.catalogue.promql import Not, Regex, gauge, increase, quantile, total
from exporter.catalogue.recorded import BUDGET_USED
from exporter.catalogue.summed import CALL_LATENCY, CALLS, COST, FIRST_TOKEN, TOKENS, UNPRICED

_BY = ("gen_ai_provider_name", "gen_ai_request_model")
MODELS = {
    **PIPELINES,
    "gen_ai_provider_name": Regex("$provider"),
    "gen_ai_request_model": Regex("$model"),
}
"""The chosen models, in the labels of OpenTelemetry's conventions."""


def providers() -> Panel:
    """Providers and models side by side."""
    calls = increase(CALLS, "$__range", by=_BY, where=MODELS)
    failed = increase(CALLS, "$__range", by=_BY, where=MODELS, error_type=Not(""))
    cost = increase(COST, "$__range", by=_BY, where=MODELS)
    tokens = increase(TOKENS, "$__range", by=_BY, where=MODELS)
    figures = {
        "calls": f"round({calls})",
        "failed": f"({failed} or 0 * {calls}) / ({calls} > 0)",
        "p50": tables.known(quantile(0.5, CALL_LATENCY, "$__range", by=_BY, where=MODELS)),
        "p95": tables.known(quantile(0.95, CALL_LATENCY, "$__range", by=_BY, where=MODELS)),
        "first": tables.known(quantile(0.95, FIRST_TOKEN, "$__range", by=_BY, where=MODELS)),
        "in": increase(TOKENS, "$__range", by=_BY, where=MODELS, gen_ai_token_type="input"),
        "out": increase(TOKENS, "$__range", by=_BY, where=MODELS, gen_ai_token_type="output"),
        "cost": cost,
        "price": f"1e6 * {cost} / ({tokens} > 0)",
    }
    titles = {
        "gen_ai_provider_name": "Provider",
        "gen_ai_request_model": "Model",
        "Value #calls": "Calls",
        "Value #failed": "Failed",
        "Value #p50": "p50",
        "Value #p95": "p95",
        "Value #first": "First token p95",
        "Value #in": "Tokens in",
        "Value #out": "Tokens out",
        "Value #cost": "Cost",
        "Value #price": "Cost of 1M tokens",
    }
    return table(
        "Providers side by side",
        "Each model in the time range, the costliest first. Bad: red failures, or a p95 far above its neighbours'.",
        tables.instant(figures, total(CALLS, by=_BY, where=MODELS), _BY),
        no_value=f"No calls in this time range. {look.SOON}",
        columns=[
            by_name("Provider", min_width=110),
            by_name("Model", min_width=150),
            by_name("Calls", width=80, unit="short"),
            by_name(
                "Failed",
                width=90,
                unit="percentunit",
                decimals=1,
                cell="color-text",
                steps=((None, look.TEXT), (0.01, look.ORANGE), (0.05, look.RED)),
            ),
            by_regex("^(p50|p95)$", unit="s", decimals=2, width=95),
            by_name("First token p95", unit="s", decimals=2, width=130),
            by_regex("^Tokens (in|out)$", unit="short", width=95, no_value=" "),
            by_name("Cost", unit="currencyUSD", decimals=2, width=90, no_value="not told"),
            by_name("Cost of 1M tokens", unit="currencyUSD", decimals=2, width=140, no_value=" "),
        ],
        transformations=tables.merged(titles),
        sort=(("Cost", True),),
    )


def budgets() -> Panel:
    """What each pipeline spends, and how much of its budget is gone."""
    by = ("pipeline", "environment")
    figures = {
        "cost": increase(COST, "$__range", by=by, where=MODELS),
        "budget": gauge(LLM_BUDGET, by=by, where=PIPELINES),
        "used": gauge(BUDGET_USED, by=by, where=PIPELINES),
    }
    titles = {
        "pipeline": "Pipeline",
        "environment": "Environment",
        "Value #cost": "Cost",
        "Value #budget": "Budget",
        "Value #used": "Used",
    }
    return table(
        "Cost and budgets",
        "What the calls of the time range cost, the declared budget, and how much of it is used up within its days (30 "
        "unless declared). Red: all of it.",
        tables.instant(figures, f"{total(COST, by=by, where=MODELS)} or {figures['budget']}", by),
        no_value="No pipeline here tells what its calls cost, or has declared a budget (llm_budget_usd).",
        columns=[
            tables.pipeline_column(min_width=130),
            by_name("Environment", width=105),
            by_name("Cost", width=90, unit="currencyUSD", decimals=2, no_value="not told"),
            by_name("Budget", width=90, unit="currencyUSD", decimals=2, no_value="none"),
            by_name(
                "Used",
                min_width=120,
                unit="percentunit",
                decimals=0,
                min=0,
                max=1,
                steps=((None, look.GREEN), (0.8, look.ORANGE), (1, look.RED)),
                cell={"type": "gauge", "mode": "basic", "valueDisplayMode": "color"},
                no_value=" ",
            ),
        ],
        transformations=tables.merged(titles),
        sort=(("Used", True),),
    )


def unpriced() -> Panel:
    """Calls whose cost is not known, and which no figure of cost has in it."""
    by = ("pipeline", "environment", *_BY)
    missing = increase(UNPRICED, "$__range", by=by, where=MODELS)
    every = increase(CALLS, "$__range", by=by, where=MODELS)
    figures = {"calls": f"round({missing}) > 0", "share": f"({missing} >= 0.5) / ({every} > 0)"}
    titles = {
        "pipeline": "Pipeline",
        "environment": "Environment",
        "gen_ai_provider_name": "Provider",
        "gen_ai_request_model": "Model",
        "Value #calls": "Calls",
        "Value #share": "Of all",
    }
    return table(
        "Calls without a price",
        "Calls whose cost nobody told and no entry of the price file fits: they are in no figure of cost and in no "
        "budget. Add the model to the price file (--llm-prices); a streamed call may have to be asked for its tokens.",
        tables.instant(figures, f"{missing} >= 0.5", by),
        no_value="No call of this time range is without a cost.",
        columns=[
            tables.pipeline_column(min_width=120),
            by_name("Environment", width=105),
            by_name("Provider", min_width=95),
            by_name("Model", min_width=130),
            by_name("Calls", width=75, unit="short"),
            by_name(
                "Of all",
                width=80,
                unit="percentunit",
                decimals=0,
                cell="color-text",
                steps=((None, look.TEXT), (0.5, look.ORANGE)),
            ),
        ],
        transformations=tables.merged(titles),
        sort=(("Calls", True),),
    )


def calls() -> Panel:
    """Single calls."""
    query = f"""
        SELECT time AS "Time", pipeline AS "Pipeline", stage AS "Stage",
          provider AS "Provider", request_model AS "Model",
          duration_seconds AS "Duration", time_to_first_token_seconds AS "First token", input_tokens AS "In",
          cached_tokens AS "Cached", output_tokens AS "Out", cost_usd AS "Cost",
          CASE WHEN error_message IS NOT NULL THEN left(concat_ws(': ', error_type, error_message), 200) END AS "Error",
          execution_id
        FROM llm_calls WHERE $__timeFilter(time) AND {WHERE_PIPELINES} AND {chosen("provider", "provider")}
          AND {chosen("request_model", "model")}
        ORDER BY time DESC LIMIT 100
    """
    return table(
        "Last calls",
        "Newest first. Click a time to open its execution. Prompts and answers are not shown here.",
        sql(query),
        no_value="No calls in this time range.",
        columns=[
            by_name("Time", width=165, links=[links.to_execution_now("${__data.fields.execution_id}")]),
            by_name("Pipeline", min_width=120),
            by_name("Stage", width=105, no_value=" "),
            by_name("Provider", width=95),
            by_name("Model", min_width=120),
            tables.seconds_column("Duration", width=85),
            tables.seconds_column("First token", width=90, decimals=2),
            by_regex("^(In|Cached|Out)$", width=72, unit="short", no_value=" "),
            by_name("Cost", width=85, unit="currencyUSD", decimals=4, no_value=" "),
            by_name("Error", min_width=140, no_value=" ", inspect=True),
            by_name("execution_id", hidden=True),
        ],
    )
