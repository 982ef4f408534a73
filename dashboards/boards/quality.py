"""Data quality: which data is bad, since when, which rule it breaks."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import Steps, by_name
from dashboards.grafana.json import Json
from dashboards.grafana.layout import figures, strip
from dashboards.grafana.panels import Panel, stat, status_history, table, timeseries
from dashboards.grafana.targets import prom
from dashboards.grafana.variables import label_values
from dashboards.ranked import largest, over_range, smallest
from dashboards.scope import PIPELINES, of_pipelines
from exporter.catalogue.metric import Metric
from exporter.catalogue.metrics import COMPLETENESS, QUALITY_SCORE
from exporter.catalogue.metrics import RULE_FAILURES as FAILURES_NOW
from exporter.catalogue.promql import Regex, gauge, increase, rate, select
from exporter.catalogue.recorded import SCORE_MEDIAN
from exporter.catalogue.summed import OFTEN, RECORDS, RULE_FAILURES

_EACH = ("pipeline", "environment", "stage", "stream")
_RULE = {**PIPELINES, "rule": Regex("$rule")}
_NONE = f"No checks here: they appear when a pipeline reports pipeline.records.checked. {look.SOON}"
_SCORE: Steps = ((None, look.GREY), (0, look.RED), (0.95, look.ORANGE), (0.99, look.GREEN))
_CHECK = ("pipeline", "environment", "check")
_NAME = "{{pipeline}} · {{environment}} · {{check}}"
_SCORE_ROWS = 15
_LINES = 8


def board() -> Dashboard:
    return a_board(
        links.QUALITY,
        "Data quality",
        "Which data is bad, since when, and which rule it breaks: scores, completeness, invalid records.",
        [
            *figures(_figures()),
            strip(9, _checks()),
            strip(10, _over_time()),
            strip(9, (13, _rules()), (11, _broken())),
            strip(9, (9, _scores()), (8, _completeness()), (7, _invalid())),
        ],
        variables=[
            *of_pipelines(),
            label_values("rule", "Rule", select(FAILURES_NOW, where=PIPELINES), "rule", multi=True),
        ],
        links=links.navigation(links.QUALITY),
    )


def _checked(expr: str, *more: str) -> str:
    """The query by what is checked: a stream or a stage, in one label `check` that is never empty.

    Series must not differ in the labels that they have: Grafana would mix up the rows of a table with trends.
    """
    named = f'label_replace(label_join({expr}, "check", " ", "stream", "stage"), "check", "$1", "check", " *(.*?) *")'
    return f"max by ({', '.join((*_CHECK, *more))}) ({named})"


def _lowest(number: int, metric: Metric) -> str:
    """The checks of which the metric was lowest on average."""
    usual = _checked(over_range("avg", metric, _EACH, PIPELINES))
    return smallest(number, _checked(gauge(metric, by=_EACH, where=PIPELINES)), _CHECK, usual)


def _figures() -> list[Panel]:
    score = gauge(QUALITY_SCORE, where=PIPELINES)
    valid = increase(RECORDS, "$__range", where=PIPELINES, validity="valid")
    checked = increase(RECORDS, "$__range", where=PIPELINES)
    return [
        stat(
            "Worst score",
            "Lowest of the latest checks: the valid part of their records.",
            prom(f"min({score})", instant=True),
            steps=_SCORE,
            unit="percentunit",
            decimals=1,
            no_value="no checks",
            background=True,
        ),
        stat(
            "Below 99 %",
            "Checks whose latest score is below 99 %. Which ones: the table below.",
            prom(f"count({score} < 0.99) or 0 * count({score})", instant=True),
            steps=look.COUNT_OF_BAD,
            no_value="no checks",
        ),
        stat(
            "Valid",
            "Valid part of all records checked in the time range.",
            prom(f"{valid} / ({checked} > 0)", instant=True),
            steps=_SCORE,
            unit="percentunit",
            decimals=2,
            no_value="none yet",
        ),
        stat(
            "Records",
            "Records checked in the time range.",
            prom(f"round({checked})", instant=True),
            steps=look.NEUTRAL,
            no_value="none yet",
        ),
        stat(
            "Invalid",
            "Records found invalid in the time range.",
            prom(
                f"round({increase(RECORDS, '$__range', where=PIPELINES, validity='invalid')})", instant=True
            ),
            steps=look.COUNT_TO_WATCH,
            no_value="none yet",
        ),
        stat(
            "Rules broken",
            "Rules that at least one record of the time range broke.",
            prom(
                f"count(round({increase(RULE_FAILURES, '$__range', by=('rule',), where=PIPELINES)}) > 0) or "
                f"0 * count({increase(RULE_FAILURES, '$__range', by=('rule',), where=PIPELINES)})",
                instant=True,
            ),
            steps=look.COUNT_TO_WATCH,
            no_value="none yet",
        ),
        stat(
            "Least complete",
            "Lowest part of expected values that the latest checks found present.",
            prom(f"min({gauge(COMPLETENESS, where=PIPELINES)})", instant=True),
            steps=_SCORE,
            unit="percentunit",
            decimals=1,
            no_value="not told",
        ),
        stat(
            "Checks",
            "Stages and streams that are checked.",
            prom(f"count({score})", instant=True),
            steps=look.NEUTRAL,
            no_value="none",
        ),
    ]


def _checks() -> Panel:
    score = _checked(gauge(QUALITY_SCORE, by=_EACH, where=PIPELINES))
    invalid = increase(RECORDS, "$__range", by=_EACH, where=PIPELINES, validity="invalid")
    figures = {
        "score": score,
        "before": _checked(gauge(SCORE_MEDIAN, by=_EACH, where=PIPELINES)),
        "complete": _checked(gauge(COMPLETENESS, by=_EACH, where=PIPELINES)),
        "records": _checked(f"round({increase(RECORDS, '$__range', by=_EACH, where=PIPELINES)})"),
        "invalid": _checked(f"round({invalid})"),
    }
    titles = {
        "pipeline": "Pipeline",
        "environment": "Environment",
        "check": "Checked",
        "Value #score": "Score",
        "Value #before": "Day's median",
        "Trend #trend": "Trend",
        "Value #complete": "Complete",
        "Value #records": "Records",
        "Value #invalid": "Invalid",
    }
    percent: Json = {"unit": "percentunit", "decimals": 1, "cell": "color-text", "steps": _SCORE}
    return table(
        "Checks",
        "The latest check of each stage and stream, the worst first, beside the median of the last day.",
        [
            *tables.instant(figures, score, _CHECK),
            prom(score, "{{check}}", ref="trend"),
        ],
        no_value=_NONE,
        max_points=60,
        columns=[
            tables.pipeline_column(min_width=200),
            by_name("Environment", width=110),
            by_name("Checked", width=150),
            by_name("Score", width=90, **percent),
            by_name("Day's median", width=120, **percent),
            by_name(
                "Trend",
                min_width=120,
                color=look.BLUE,
                max=1,
                cell={"type": "sparkline", "hideValue": True, "drawStyle": "line", "fillOpacity": 10},
            ),
            by_name("Complete", width=95, **percent),
            by_name("Records", width=90, unit="short"),
            by_name(
                "Invalid",
                width=90,
                unit="short",
                cell="color-text",
                steps=((None, look.TEXT), (1, look.ORANGE)),
            ),
        ],
        transformations=tables.merged(titles, trend="lastNotNull"),
        sort=(("Score", False),),
    )


def _rules() -> Panel:
    by = (*_EACH, "rule")
    broken = f"{increase(RULE_FAILURES, '$__range', by=by, where=_RULE)}"
    each = increase(RULE_FAILURES, "$__interval", by=by, where=_RULE)
    ever = increase(RULE_FAILURES, "$__range", by=by, where=_RULE, at_end=True)
    titles = {
        "rule": "Rule",
        "pipeline": "Pipeline",
        "environment": "Environment",
        "check": "Checked",
        "Value": "Broken by",
        "Trend #trend": "Trend",
    }
    return table(
        "Rules by records that broke them",
        "The rules that records of the time range broke, the most broken first.",
        [
            prom(_checked(f"round({broken}) > 0", "rule"), ref="broken", instant=True, format="table"),
            prom(_checked(f"({each}) and round({ever}) > 0", "rule"), "{{rule}}", ref="trend", interval="5m"),
        ],
        no_value=f"No rule was broken in this time range. {look.SOON}",
        max_points=40,
        columns=[
            by_name("Rule", min_width=125),
            tables.pipeline_column(min_width=165),
            by_name("Environment", width=100),
            by_name("Checked", width=90),
            by_name("Broken by", width=105, unit="short", cell="color-text", color=look.RED),
            by_name(
                "Trend",
                width=110,
                min=0,
                color=look.RED,
                cell={"type": "sparkline", "hideValue": True, "drawStyle": "bars", "fillOpacity": 80},
            ),
        ],
        transformations=tables.merged(titles, trend="sum"),
        sort=(("Broken by", True),),
    )


def _over_time() -> Panel:
    return status_history(
        f"Score over time of the {_SCORE_ROWS} worst checks",
        "One row for each of the checks whose score was lowest on average: green from 99 %, orange from 95 %, red "
        "below; empty: not checked yet.",
        prom(_lowest(_SCORE_ROWS, QUALITY_SCORE), _NAME),
        steps=_SCORE,
        unit="percentunit",
        no_value=_NONE,
        max_points=80,
        min=0,
        max=1,
    )


def _scores() -> Panel:
    return timeseries(
        "Score",
        f"Valid part of the records of the latest check, of the {_LINES} lowest. Bad: a step down that stays.",
        prom(_lowest(_LINES, QUALITY_SCORE), _NAME),
        unit="percentunit",
        no_value=_NONE,
        min=None,
        max=1,
        fill=0,
        max_points=look.SOME_POINTS,
    )


def _completeness() -> Panel:
    return timeseries(
        "Completeness",
        f"Part of the expected values that the latest check found present, of the {_LINES} lowest.",
        prom(_lowest(_LINES, COMPLETENESS), _NAME),
        unit="percentunit",
        no_value="No check here tells its completeness.",
        min=None,
        max=1,
        fill=0,
        max_points=look.SOME_POINTS,
    )


def _invalid() -> Panel:
    return timeseries(
        "Records a second by validity",
        "Bad: invalid ones rise while valid ones do not.",
        prom(
            rate(RECORDS, "$__rate_interval", by=("validity",), where=PIPELINES),
            "{{validity}}",
            interval=OFTEN,
        ),
        unit="cps",
        stacked=True,
        fill=40,
        max_points=look.SOME_POINTS,
        no_value=_NONE,
        overrides=[by_name("valid", color=look.GREEN), by_name("invalid", color=look.RED)],
    )


def _broken() -> Panel:
    by = ("pipeline", "environment", "rule")
    each = f"{increase(RULE_FAILURES, '$__interval', by=by, where=_RULE)} > 0"
    return timeseries(
        "Broken rules",
        "Records that broke each rule, in each interval: the ten rules that were broken most.",
        prom(
            largest(10, each, by, increase(RULE_FAILURES, "$__range", by=by, where=_RULE, at_end=True)),
            "{{rule}} · {{pipeline}} · {{environment}}",
        ),
        unit="short",
        bars=True,
        stacked=True,
        # Totals are recorded once a minute: a bar of less than five would be missing some.
        interval="5m",
        max_points=look.SOME_POINTS,
        calcs=("sum",),
        no_value=f"No rule was broken in this time range. {look.SOON}",
    )
