"""Errors and alerts: what goes wrong how often, since when, where; which alerts fire."""

from __future__ import annotations

from dashboards import alerts, links, look
from dashboards.boards.errors_alerts import history, listed, standing
from dashboards.boards.errors_scope import DISTINCT_KIND, IN_RANGE, KIND, chosen_errors, kinds_before
from dashboards.boards.errors_tables import by_part, kinds, latest, stages
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import Steps
from dashboards.grafana.json import Json
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, stat, timeseries
from dashboards.grafana.targets import Target, prom, sql
from dashboards.grafana.variables import label_values, text_box
from dashboards.scope import PIPELINES, of_pipelines
from exporter.catalogue.metrics import ERRORS
from exporter.catalogue.promql import Regex, select

_POINTS = 60
_LINES = 12


def board() -> Dashboard:
    return a_board(
        links.ERRORS,
        "Errors and alerts",
        "What goes wrong how often, since when and where, and which alerts fire. An error that a stage told and its "
        "execution says again counts once.",
        [
            *figures(_figures()),
            strip(9, standing()),
            strip(9, _over_time("category", "category"), _over_time("pipeline", "pipeline")),
            strip(12, kinds()),
            strip(10, (12, stages()), (7, by_part("component")), (5, by_part("severity"))),
            strip(12, latest()),
            section("History of alerts, and their rules", strip(15, (16, history()), (8, listed()))),
        ],
        variables=_variables(),
        links=links.navigation(links.ERRORS),
        time_from="now-6h",
    )


def _variables() -> list[Json]:
    category = Regex("$category")
    return [
        *of_pipelines(),
        label_values("category", "Category", select(ERRORS, where=PIPELINES), "category", multi=True),
        label_values(
            "error_type",
            "Type",
            select(ERRORS, where=PIPELINES, category=category),
            "error_type",
            multi=True,
            regex="/^(?!__other__$).*/",
        ),
        text_box("q", "Search"),
    ]


def _figures() -> list[Panel]:
    return [
        _count(
            "Firing",
            "Alerts that fire now, of any severity. Whether one is silenced only Alertmanager knows.",
            prom(f"count({alerts.firing()}) or vector(0)", instant=True),
            look.COUNT_OF_BAD,
        ),
        _count(
            "Critical",
            "Alerts that fire now and should wake somebody.",
            prom(f"count({alerts.firing(severity='critical')}) or vector(0)", instant=True),
            look.COUNT_OF_BAD,
        ),
        _count(
            "Errors",
            "Errors in the time range that the filters above let through.",
            sql(f"SELECT count(*) FROM ({chosen_errors()}) x"),
            look.COUNT_TO_WATCH,
        ),
        _count(
            "Kinds",
            "Distinct kinds of these errors: pipeline, stage and type.",
            sql(f"SELECT count(*) FROM (SELECT {DISTINCT_KIND} FROM ({chosen_errors()}) x) y"),
            look.COUNT_TO_WATCH,
        ),
        _count(
            "New",
            "Kinds of errors that the day before the time range did not know: what was just deployed or just broke. "
            "Look at these first; the table below marks them.",
            sql(
                f"SELECT count(*) FROM (SELECT {DISTINCT_KIND} FROM ({chosen_errors()}) x) y "
                f"WHERE ({KIND}) NOT IN ({kinds_before()})"
            ),
            look.COUNT_OF_BAD,
        ),
        _count(
            "Spread",
            "How many pipelines had such errors. Many at once point at something that they share.",
            sql(f"SELECT count(*) FROM (SELECT DISTINCT pipeline, environment FROM ({chosen_errors()}) x) y"),
            look.COUNT_TO_WATCH,
        ),
    ]


def _count(title: str, description: str, target: Target, steps: Steps) -> Panel:
    return stat(title, description, target, steps=steps)


def _over_time(column: str, word: str) -> Panel:
    query = f"""
        WITH x AS ({chosen_errors()}),
        top AS (SELECT {column} FROM x GROUP BY 1 ORDER BY count(*) DESC LIMIT {_LINES})
        SELECT $__timeGroup(time, $__interval, 0),
          CASE WHEN {column} IN (SELECT {column} FROM top) THEN {column} ELSE 'all others' END AS metric,
          count(*) AS value
        FROM x GROUP BY 1, 2 ORDER BY 1
    """
    return timeseries(
        f"Errors by {word}",
        f"Errors in each interval, the {_LINES} most frequent by {word}. A step up has a cause at that time: a "
        "deployment, a schedule, a system that several pipelines share.",
        sql(query, format="time_series"),
        unit="short",
        decimals=0,
        bars=True,
        stacked=True,
        interval="30s",
        max_points=_POINTS,
        calcs=("sum",),
        color_mode="palette-classic-by-name",
        no_value=f"No errors {IN_RANGE}.",
    )
