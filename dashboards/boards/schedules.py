"""Schedules and service levels: what is late, what was missed, which pipeline has used up its error budget."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import Steps, by_name, by_regex, mapping
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, heatmap, stat, table, timeseries
from dashboards.grafana.targets import prom
from dashboards.ranked import highest, largest, over_range
from dashboards.scope import PIPELINES, of_pipelines
from exporter.catalogue.metrics import (
    ALERT_THRESHOLD,
    LAST_SUCCESS,
    PIPELINE_INFO,
    SCHEDULE_NEXT,
    SCHEDULE_PAUSED,
    SCHEDULE_PERIOD,
)
from exporter.catalogue.promql import gauge, heat, increase
from exporter.catalogue.recorded import EXECUTIONS, FAILED, JUDGED, QUEUE_P95, SUCCESS_AGE_IN_PERIODS
from exporter.catalogue.summed import MISSED, QUEUE, SELDOM
from exporter.catalogue.thresholds import SUCCESS_OBJECTIVE

_EACH = ("pipeline", "environment")
_SLACK_SECONDS = 60
"""A start this much later than due is none yet: schedulers take their time."""
_BUDGET: Steps = ((None, look.RED), (0, look.ORANGE), (0.25, look.GREEN))

_DUE = gauge(SCHEDULE_NEXT, by=_EACH, where=PIPELINES)
_PAUSED = gauge(SCHEDULE_PAUSED, by=_EACH, where=PIPELINES)
_LATE_BY = f"((time() - {_DUE}) > {_SLACK_SECONDS}) unless ({_PAUSED} == 1)"


def board() -> Dashboard:
    return a_board(
        links.SCHEDULES,
        "Schedules and service levels",
        "What is late, what was missed, how long ago each pipeline last succeeded, and how much of its error budget is "
        "left.",
        [
            *figures(_figures()),
            strip(12, _schedules()),
            strip(8, _missed(), _age()),
            strip(11, _levels()),
            section("Waiting", strip(9, _waits(), _wait_heat())),
        ],
        variables=of_pipelines(),
        links=links.navigation(links.SCHEDULES),
        time_from="now-24h",
    )


def objective() -> str:
    """The part of executions that shall succeed: as declared, or the default."""
    declared = gauge(ALERT_THRESHOLD, by=_EACH, where=PIPELINES, threshold=SUCCESS_OBJECTIVE.name)
    known = gauge(PIPELINE_INFO, by=_EACH, where=PIPELINES)
    return f"({declared} or {known} * {SUCCESS_OBJECTIVE.default})"


def _failed_ratio() -> str:
    judged = increase(JUDGED, "$__range", by=_EACH, where=PIPELINES)
    failed = increase(FAILED, "$__range", by=_EACH, where=PIPELINES)
    return f"{failed} / ({judged} > 0)"


def _budget_left() -> str:
    return f"1 - ({_failed_ratio()}) / (1 - {objective()})"


def _longest_wait() -> str:
    return over_range("max", QUEUE_P95, _EACH, PIPELINES)


def _figures() -> list[Panel]:
    missed = increase(MISSED, "$__range", by=_EACH, where=PIPELINES)
    return [
        stat(
            "Late now",
            "Schedules whose next start is overdue and that are not paused.",
            prom(f"count({_LATE_BY}) or 0 * count({_DUE})", instant=True),
            steps=look.COUNT_OF_BAD,
            background=True,
            no_value="no schedules",
        ),
        stat(
            "Latest by",
            "How late the latest of them is; zero: none is.",
            prom(f"max({_LATE_BY}) or 0 * count({_DUE})", instant=True),
            steps=((None, look.GREY), (0, look.TEXT), (60, look.ORANGE), (900, look.RED)),
            unit="s",
            decimals=0,
            no_value="no schedules",
        ),
        stat(
            "Missed",
            "Starts of the time range that were due and did not happen within their grace.",
            prom(f"sum(round({missed}))", instant=True),
            steps=look.COUNT_OF_BAD,
            no_value="none yet",
        ),
        stat(
            "Paused",
            "Schedules that are paused: none of their starts is missed.",
            prom(f"sum({_PAUSED})", instant=True),
            steps=((None, look.GREY), (0, look.TEXT), (1, "dark-yellow")),
            no_value="no schedules",
        ),
        stat(
            "Schedules",
            "Pipelines with a schedule, declared or learnt.",
            prom(f"count({_DUE})", instant=True),
            steps=look.NEUTRAL,
            no_value="none",
        ),
        stat(
            "Objective missed",
            "Pipelines that have used up the error budget of the time range. Which ones: the table of service levels.",
            prom(f"count({_budget_left()} < 0) or 0 * count({_budget_left()})", instant=True),
            steps=look.COUNT_OF_BAD,
            no_value="no runs yet",
        ),
    ]


def _schedules() -> Panel:
    figures = {
        "late": f"time() - {_DUE}",
        "next": f"1000 * {_DUE}",
        "period": gauge(SCHEDULE_PERIOD, by=_EACH, where=PIPELINES),
        "success": f"time() - {gauge(LAST_SUCCESS, by=_EACH, where=PIPELINES)}",
        "periods": f"(time() - {gauge(LAST_SUCCESS, by=_EACH, where=PIPELINES)}) / "
        f"({gauge(SCHEDULE_PERIOD, by=_EACH, where=PIPELINES)} > 0)",
        "missed": f"round({increase(MISSED, '$__range', by=_EACH, where=PIPELINES)})",
        "paused": _PAUSED,
    }
    titles = {
        "pipeline": "Pipeline",
        "environment": "Environment",
        "Value #next": "Next start",
        "Value #late": "Late by",
        "Value #period": "Every",
        "Value #success": "Since success",
        "Value #periods": "In periods",
        "Value #missed": "Missed",
        "Value #paused": "Paused",
    }
    return table(
        "Schedules",
        "The latest first. Late by: how long ago the next start was due; below zero it is still to come. Since "
        "success in periods: above three somebody is alerted, unless declared otherwise.",
        tables.instant(figures, _DUE, _EACH),
        no_value="No schedules: they are declared (pipeline.declared), or learnt from regular starts.",
        filterable=True,
        columns=[
            tables.pipeline_column(min_width=200),
            by_name("Environment", width=125),
            tables.ago_column("Next start", width=140, no_value=" "),
            by_name(
                "Late by",
                width=110,
                unit="s",
                decimals=0,
                cell="color-text",
                steps=((None, look.TEXT), (_SLACK_SECONDS, look.ORANGE), (900, look.RED)),
                no_value=" ",
            ),
            tables.seconds_column("Every", width=95, decimals=0),
            tables.seconds_column("Since success", width=145, decimals=0),
            by_name(
                "In periods",
                width=115,
                decimals=1,
                unit="short",
                cell="color-text",
                steps=((None, look.TEXT), (2, look.ORANGE), (3, look.RED)),
                no_value=" ",
            ),
            by_name("Missed", width=98, cell="color-text", steps=((None, look.TEXT), (1, look.RED))),
            by_name(
                "Paused",
                width=85,
                mappings=mapping([("0", " ", None), ("1", "paused", look.YELLOW)]),
                cell="pill",
            ),
        ],
        transformations=tables.merged(titles),
        sort=(("Late by", True),),
    )


def _missed() -> Panel:
    each = f"round({increase(MISSED, '$__interval', by=_EACH, where=PIPELINES)}) > 0"
    most = increase(MISSED, "$__range", by=_EACH, where=PIPELINES, at_end=True)
    return timeseries(
        "Missed starts",
        "Starts that were due and did not happen, in each interval: the ten pipelines that missed most.",
        prom(
            largest(10, each, _EACH, most),
            "{{pipeline}} · {{environment}}",
        ),
        unit="short",
        bars=True,
        stacked=True,
        # Totals are recorded once a minute: a bar of less than five would be missing some.
        interval="5m",
        decimals=0,
        calcs=("sum",),
        no_value=f"No start was missed in this time range. {look.SOON}",
    )


def _age() -> Panel:
    return timeseries(
        "Since the latest success, in periods",
        "Time in periods of the schedule. A saw: it climbs until a success. Bad: a tooth far higher than the others. "
        "The ten highest.",
        prom(
            highest(10, SUCCESS_AGE_IN_PERIODS, _EACH, PIPELINES),
            "{{pipeline}} · {{environment}}",
        ),
        unit="short",
        decimals=1,
        fill=0,
        max_points=look.SOME_POINTS,
        steps=((None, look.GREEN), (3, look.RED)),
        line_at_steps=True,
        no_value="No schedules, or no success yet.",
    )


def _levels() -> Panel:
    failed = increase(FAILED, "$__range", by=_EACH, where=PIPELINES)
    judged = f"{increase(JUDGED, '$__range', by=_EACH, where=PIPELINES)} > 0"
    # Only what has a budget: Grafana puts rows without a value first.
    having = f"and on ({', '.join(_EACH)}) ({judged})"
    figures = {
        "ended": f"round({increase(EXECUTIONS, '$__range', by=_EACH, where=PIPELINES)}) {having}",
        "failed": f"round({failed}) {having}",
        "success": f"1 - {_failed_ratio()}",
        "objective": f"{objective()} and on (pipeline, environment) ({_failed_ratio()})",
        "left": _budget_left(),
        "wait": f"{tables.known(_longest_wait())} {having}",
    }
    titles = {
        "pipeline": "Pipeline",
        "environment": "Environment",
        "Value #ended": "Ended",
        "Value #failed": "Failed",
        "Value #success": "Success",
        "Value #objective": "Objective",
        "Value #left": "Budget left",
        "Value #wait": "Longest wait",
    }
    return table(
        "Service levels",
        "Over the time range. Success: of what succeeded or failed. Budget left: of the failures that the objective "
        "allows; below zero it is missed. The objective is declared as label alerts.success_objective. Longest wait: "
        "the highest p95 of an hour.",
        tables.instant(figures, judged, _EACH),
        no_value=f"No execution succeeded or failed in this time range. {look.SOON}",
        filterable=True,
        columns=[
            tables.pipeline_column(min_width=200),
            by_name("Environment", width=125),
            by_name("Ended", width=85),
            by_name("Failed", width=85, cell="color-text", steps=((None, look.TEXT), (1, look.RED))),
            by_regex("^(Success|Objective)$", unit="percentunit", decimals=2, width=100),
            by_name(
                "Budget left",
                min_width=140,
                unit="percentunit",
                decimals=0,
                min=0,
                max=1,
                steps=_BUDGET,
                cell={"type": "gauge", "mode": "basic", "valueDisplayMode": "color"},
            ),
            tables.seconds_column("Longest wait", width=140),
        ],
        transformations=tables.merged(titles),
        sort=(("Budget left", False),),
    )


def _waits() -> Panel:
    waits = tables.known(gauge(QUEUE_P95, by=_EACH, where=PIPELINES))
    return timeseries(
        "Waits before the start, p95",
        "How long executions waited, of the hour before. Bad: a climb: more is queued than workers can take. The ten "
        "longest.",
        prom(
            largest(10, waits, _EACH, _longest_wait()),
            "{{pipeline}} · {{environment}}",
        ),
        unit="s",
        interval="5m",
        max_points=look.SOME_POINTS,
        gap_ms=3_600_000,
        fill=0,
        no_value=f"No pipeline here tells when its executions were queued. {look.SOON}",
    )


def _wait_heat() -> Panel:
    return heatmap(
        "Distribution of waits",
        "Executions by how long they waited before they started.",
        prom(heat(QUEUE, "$__rate_interval", where=PIPELINES), "{{le}}", format="heatmap", interval=SELDOM),
        unit="s",
        max_points=look.FEWEST_POINTS,
        no_value=f"No pipeline here tells when its executions were queued. {look.SOON}",
    )
