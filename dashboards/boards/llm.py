"""Language models: what they cost against the budget, how fast they answer, which provider fails."""

from __future__ import annotations

from dashboards import links, look
from dashboards.boards import llm_tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import by_regex
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, heatmap, stat, timeseries
from dashboards.grafana.targets import prom
from dashboards.grafana.variables import label_values
from dashboards.scope import PIPELINES, of_pipelines
from exporter.catalogue.metrics import (
    GEN_AI_DURATION,
    GEN_AI_FIRST_TOKEN,
    GEN_AI_TOKENS,
    LLM_CACHED_TOKENS,
    LLM_COST,
)
from exporter.catalogue.promql import (
    Not,
    Regex,
    gauge,
    heat,
    increase,
    observations,
    observed,
    quantile,
    rate,
    select,
)
from exporter.catalogue.recorded import BUDGET_USED

MODELS = {
    **PIPELINES,
    "gen_ai_provider_name": Regex("$provider"),
    "gen_ai_request_model": Regex("$model"),
}
"""The chosen models, in the labels of OpenTelemetry's conventions."""
COSTS = {**PIPELINES, "provider": Regex("$provider"), "request_model": Regex("$model")}
"""The same in the labels of the other metrics."""
_NONE = "No calls here: they appear when a pipeline reports pipeline.llm.called."
_MODEL = "{{gen_ai_request_model}}"


def board() -> Dashboard:
    return a_board(
        links.LLM,
        "Language models",
        "Calls of language models: tokens, cost against budget, latency, time to the first token, providers side by "
        "side.",
        [
            *figures(_figures()),
            strip(9, llm_tables.providers()),
            strip(9, _cost(), llm_tables.budgets()),
            strip(9, _tokens(), _cached()),
            strip(9, _latency(), _first_token()),
            strip(9, _heat(), _errors()),
            section("Calls", strip(10, llm_tables.calls())),
        ],
        variables=[
            *of_pipelines(),
            label_values(
                "provider",
                "Provider",
                select(GEN_AI_DURATION, "_count", PIPELINES),
                "gen_ai_provider_name",
                multi=True,
            ),
            label_values(
                "model",
                "Model",
                select(GEN_AI_DURATION, "_count", PIPELINES, gen_ai_provider_name=Regex("$provider")),
                "gen_ai_request_model",
                multi=True,
            ),
        ],
        links=links.navigation(links.LLM),
    )


def _figures() -> list[Panel]:
    calls = observations(GEN_AI_DURATION, "$__range", where=MODELS)
    failed = observations(GEN_AI_DURATION, "$__range", where=MODELS, error_type=Not(""))
    return [
        stat("Calls", "Calls in the time range.", prom(f"round({calls})", instant=True), steps=look.NEUTRAL),
        stat(
            "Failed",
            "Part of the calls that ended in an error. Rate limits are told by their error type below.",
            prom(f"({failed} or 0 * {calls}) / ({calls} > 0)", instant=True),
            steps=((None, look.GREY), (0, look.GREEN), (0.01, look.ORANGE), (0.05, look.RED)),
            unit="percentunit",
            decimals=1,
            no_value="no calls",
        ),
        stat(
            "Cost",
            "What the calls of the time range cost, in US dollars, as their pipelines told it.",
            prom(increase(LLM_COST, "$__range", where=COSTS), instant=True),
            steps=look.NEUTRAL,
            unit="currencyUSD",
            no_value="not told",
        ),
        stat(
            "Budget used",
            "Largest part of a pipeline's budget that is spent, of its days (30 unless declared). "
            "From 100 % on somebody is alerted.",
            prom(f"max({_used()})", instant=True),
            steps=((None, look.GREY), (0, look.GREEN), (0.8, look.ORANGE), (1, look.RED)),
            unit="percentunit",
            decimals=0,
            no_value="no budget",
        ),
        stat(
            "Tokens in",
            "Input tokens of the time range.",
            prom(observed(GEN_AI_TOKENS, "$__range", where=MODELS, gen_ai_token_type="input"), instant=True),
            steps=look.NEUTRAL,
            no_value="none",
        ),
        stat(
            "Tokens out",
            "Output tokens of the time range.",
            prom(observed(GEN_AI_TOKENS, "$__range", where=MODELS, gen_ai_token_type="output"), instant=True),
            steps=look.NEUTRAL,
            no_value="none",
        ),
        stat(
            "Latency p95",
            "95 % of the calls of the time range took at most this long.",
            prom(quantile(0.95, GEN_AI_DURATION, "$__range", where=MODELS), instant=True),
            steps=((None, look.TEXT), (30, look.ORANGE)),
            unit="s",
            decimals=1,
            no_value="no calls",
        ),
        stat(
            "First token",
            "95 % of the streamed answers of the time range began within this time.",
            prom(quantile(0.95, GEN_AI_FIRST_TOKEN, "$__range", where=MODELS), instant=True),
            steps=((None, look.TEXT), (5, look.ORANGE)),
            unit="s",
            decimals=2,
            no_value="not told",
        ),
    ]


def _used() -> str:
    return gauge(BUDGET_USED, by=("pipeline", "environment"), where=PIPELINES)


def _cost() -> Panel:
    return timeseries(
        "Cost an hour by model",
        "What each model costs at this pace. Bad: a spike that no deployment explains.",
        prom(
            f"3600 * {rate(LLM_COST, '$__rate_interval', by=('provider', 'request_model'), where=COSTS)}",
            "{{request_model}}",
        ),
        unit="currencyUSD",
        stacked=True,
        fill=40,
        interval="2m",
        decimals=2,
        no_value="No pipeline here tells what its calls cost.",
    )


def _tokens() -> Panel:
    by = ("gen_ai_request_model", "gen_ai_token_type")
    per_second = f"{observed(GEN_AI_TOKENS, '$__rate_interval', by=by, where=MODELS)}"
    return timeseries(
        "Tokens by model",
        "Input below, output above the line, in each interval. Bad: input that grows while output does not.",
        prom(per_second, "{{gen_ai_request_model}} {{gen_ai_token_type}}"),
        unit="short",
        interval="1m",
        min=None,
        no_value=_NONE,
        overrides=[by_regex(" input$", transform="negative-Y")],
    )


def _cached() -> Panel:
    cached = rate(LLM_CACHED_TOKENS, "$__rate_interval", by=("request_model",), where=COSTS)
    tokens = observed(
        GEN_AI_TOKENS,
        "$__rate_interval",
        by=("gen_ai_request_model",),
        where=MODELS,
        gen_ai_token_type="input",
    )
    window = "($__rate_interval_ms / 1000)"
    named = f'label_replace({tokens} / {window}, "request_model", "$1", "gen_ai_request_model", "(.*)")'
    return timeseries(
        "Input tokens served from the cache",
        "Part of the input tokens that the provider had in its cache: cheaper and faster. Bad: it falls after a change "
        "of prompts.",
        prom(f"{cached} / on (request_model) ({named} > 0)", "{{request_model}}"),
        unit="percentunit",
        max=1,
        interval="1m",
        no_value="No pipeline here tells its cached tokens.",
    )


def _latency() -> Panel:
    by = ("gen_ai_provider_name", "gen_ai_request_model")
    return timeseries(
        "Latency p95 by model",
        "95 % of the calls took at most this long. Diamonds are calls: click one to open its execution.",
        prom(quantile(0.95, GEN_AI_DURATION, "$__rate_interval", by=by, where=MODELS), _MODEL, exemplar=True),
        unit="s",
        interval="2m",
        gap_ms=600_000,
        no_value=_NONE,
    )


def _first_token() -> Panel:
    by = ("gen_ai_request_model",)
    return timeseries(
        "Time to the first token, p50 and p95",
        "How long until a streamed answer began. Bad: p95 that leaves p50.",
        prom(quantile(0.5, GEN_AI_FIRST_TOKEN, "$__rate_interval", by=by, where=MODELS), f"{_MODEL} p50"),
        prom(quantile(0.95, GEN_AI_FIRST_TOKEN, "$__rate_interval", by=by, where=MODELS), f"{_MODEL} p95"),
        unit="s",
        interval="2m",
        gap_ms=600_000,
        no_value="No pipeline here tells the time to the first token.",
    )


def _heat() -> Panel:
    return heatmap(
        "Distribution of latency",
        "Calls by duration. Two bands are two kinds of prompts, or two models.",
        prom(
            heat(GEN_AI_DURATION, "$__rate_interval", where=MODELS), "{{le}}", format="heatmap", exemplar=True
        ),
        unit="s",
        interval="2m",
        no_value=_NONE,
    )


def _errors() -> Panel:
    by = ("gen_ai_provider_name", "error_type")
    failed = observations(GEN_AI_DURATION, "$__interval", by=by, where=MODELS, error_type=Not(""))
    return timeseries(
        "Failed calls by provider and error",
        "Calls that ended in an error, in each interval. Rate limits: ask for a higher quota, or send less at once.",
        prom(f"{failed} > 0", "{{gen_ai_provider_name}} {{error_type}}"),
        unit="short",
        bars=True,
        stacked=True,
        interval="2m",
        calcs=("sum",),
        no_value="No call failed in this time range.",
    )
