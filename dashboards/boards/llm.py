"""Language models: what they cost against the budget, how fast they answer, which provider fails."""

from __future__ import annotations

from dashboards import links, look
from dashboards.boards import llm_tables
from dashboards.boards.llm_tables import MODELS
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import by_regex
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, heatmap, stat, timeseries
from dashboards.grafana.targets import prom
from dashboards.grafana.variables import label_values
from dashboards.scope import PIPELINES, of_pipelines
from exporter.catalogue.metric import Metric
from exporter.catalogue.metrics import GEN_AI_DURATION
from exporter.catalogue.promql import Not, Regex, gauge, heat, increase, quantile, rate, select
from exporter.catalogue.recorded import BUDGET_USED
from exporter.catalogue.summed import (
    CACHED,
    CALL_LATENCY,
    CALLS,
    COST,
    FIRST_TOKEN,
    OFTEN,
    REASONING,
    SELDOM,
    TOKENS,
)

_NONE = f"No calls here: they appear when a pipeline reports pipeline.llm.called. {look.SOON}"
_BY = ("gen_ai_provider_name", "gen_ai_request_model")
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
            strip(9, _tokens(), llm_tables.unpriced()),
            strip(9, _cached(), _reasoning()),
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
    calls = increase(CALLS, "$__range", where=MODELS)
    failed = increase(CALLS, "$__range", where=MODELS, error_type=Not(""))
    return [
        stat(
            "Calls",
            "Calls in the time range.",
            prom(f"round({calls})", instant=True),
            steps=look.NEUTRAL,
            no_value="none yet",
        ),
        stat(
            "Failed",
            "Part of the calls that ended in an error. Rate limits are told by their error type below.",
            prom(f"({failed} or 0 * {calls}) / ({calls} > 0)", instant=True),
            steps=((None, look.GREY), (0, look.GREEN), (0.01, look.ORANGE), (0.05, look.RED)),
            unit="percentunit",
            decimals=1,
            no_value="no calls yet",
        ),
        stat(
            "Cost",
            "What the calls of the time range cost, in US dollars, as they told it or the price file says. Calls "
            "without a price are not in it: see the table of them.",
            prom(increase(COST, "$__range", where=MODELS), instant=True),
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
            prom(increase(TOKENS, "$__range", where=MODELS, gen_ai_token_type="input"), instant=True),
            steps=look.NEUTRAL,
            no_value="none yet",
        ),
        stat(
            "Tokens out",
            "Output tokens of the time range.",
            prom(increase(TOKENS, "$__range", where=MODELS, gen_ai_token_type="output"), instant=True),
            steps=look.NEUTRAL,
            no_value="none yet",
        ),
        stat(
            "Latency p95",
            "95 % of the calls of the time range took at most this long.",
            prom(quantile(0.95, CALL_LATENCY, "$__range", where=MODELS), instant=True),
            steps=((None, look.TEXT), (30, look.ORANGE)),
            unit="s",
            decimals=1,
            no_value="no calls yet",
        ),
        stat(
            "First token",
            "95 % of the streamed answers of the time range began within this time.",
            prom(quantile(0.95, FIRST_TOKEN, "$__range", where=MODELS), instant=True),
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
            f"3600 * {rate(COST, '$__rate_interval', by=_BY, where=MODELS)}",
            _MODEL,
            interval=OFTEN,
        ),
        unit="currencyUSD",
        stacked=True,
        fill=40,
        max_points=look.SOME_POINTS,
        decimals=2,
        no_value=f"No pipeline here tells what its calls cost. {look.SOON}",
    )


def _tokens() -> Panel:
    by = ("gen_ai_request_model", "gen_ai_token_type")
    per_second = f"{increase(TOKENS, '$__interval', by=by, where=MODELS)}"
    return timeseries(
        "Tokens by model",
        "Input below, output above the line, in each interval. Bad: input that grows while output does not.",
        prom(per_second, "{{gen_ai_request_model}} {{gen_ai_token_type}}"),
        unit="short",
        # Totals are recorded once a minute: an interval of less than five would be missing some.
        interval="5m",
        max_points=look.SOME_POINTS,
        min=None,
        no_value=_NONE,
        overrides=[by_regex(" input$", transform="negative-Y")],
    )


def _cached() -> Panel:
    return _part_of_tokens(
        "Input tokens served from the cache",
        "Part of the input tokens that the provider had in its cache: cheaper and faster. Bad: it falls after a change "
        "of prompts.",
        CACHED,
        of="input",
        no_value=f"No pipeline here tells its cached tokens. {look.SOON}",
    )


def _reasoning() -> Panel:
    return _part_of_tokens(
        "Output tokens spent on reasoning",
        "Part of the output tokens that the model thought with: paid for, and not in the answer. Bad: it grows while "
        "the answers stay as they are.",
        REASONING,
        of="output",
        no_value=f"No pipeline here tells its tokens for reasoning. {look.SOON}",
    )


def _part_of_tokens(title: str, description: str, part: Metric, *, of: str, no_value: str) -> Panel:
    by = ("gen_ai_request_model",)
    some = rate(part, "$__rate_interval", by=by, where=MODELS)
    every = rate(TOKENS, "$__rate_interval", by=by, where=MODELS, gen_ai_token_type=of)
    return timeseries(
        title,
        description,
        prom(f"{some} / ({every} > 0)", _MODEL, interval=OFTEN),
        unit="percentunit",
        max=1,
        max_points=look.SOME_POINTS,
        no_value=no_value,
    )


def with_exemplars(recorded: str) -> str:
    """A query over recorded buckets for which Grafana finds the exemplars of those that are scraped.

    They are found by the selectors of a query. No bucket is below zero, so it adds nothing; looked at once, at the end
    of the range, it costs next to nothing.
    """
    return f"{recorded} or sum by (le) ({select(GEN_AI_DURATION, '_bucket', MODELS)} @ end() < 0)"


def _latency() -> Panel:
    latency = quantile(0.95, CALL_LATENCY, "$__rate_interval", by=_BY, where=MODELS)
    return timeseries(
        "Latency p95 by model",
        "95 % of the calls took at most this long. Diamonds are calls: click one to open its execution.",
        prom(with_exemplars(latency), _MODEL, exemplar=True, interval=SELDOM),
        unit="s",
        max_points=look.FEW_POINTS,
        gap_ms=600_000,
        no_value=_NONE,
    )


def _first_token() -> Panel:
    by = ("gen_ai_request_model",)
    return timeseries(
        "Time to the first token, p50 and p95",
        "How long until a streamed answer began. Bad: p95 that leaves p50.",
        *(
            prom(
                quantile(q, FIRST_TOKEN, "$__rate_interval", by=by, where=MODELS),
                f"{_MODEL} p{q * 100:.0f}",
                interval=SELDOM,
            )
            for q in (0.5, 0.95)
        ),
        unit="s",
        max_points=look.FEW_POINTS,
        gap_ms=600_000,
        no_value=f"No pipeline here tells the time to the first token. {look.SOON}",
    )


def _heat() -> Panel:
    return heatmap(
        "Distribution of latency",
        "Calls by duration. Two bands are two kinds of prompts, or two models.",
        prom(
            with_exemplars(heat(CALL_LATENCY, "$__rate_interval", where=MODELS)),
            "{{le}}",
            format="heatmap",
            exemplar=True,
            interval=SELDOM,
        ),
        unit="s",
        max_points=look.FEW_POINTS,
        no_value=_NONE,
    )


def _errors() -> Panel:
    by = ("gen_ai_provider_name", "error_type")
    failed = increase(CALLS, "$__interval", by=by, where=MODELS, error_type=Not(""))
    return timeseries(
        "Failed calls by provider and error",
        "Calls that ended in an error, in each interval. Rate limits: ask for a higher quota, or send less at once.",
        prom(f"{failed} > 0", "{{gen_ai_provider_name}} {{error_type}}"),
        unit="short",
        bars=True,
        stacked=True,
        # Totals are recorded once a minute: a bar of less than five would be missing some.
        interval="5m",
        max_points=look.SOME_POINTS,
        calcs=("sum",),
        no_value=f"No call failed in this time range. {look.SOON}",
    )
