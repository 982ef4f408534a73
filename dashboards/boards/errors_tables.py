"""Tables of errors: by kind, by stage, by severity and component, and the latest."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.boards.errors_scope import IN_RANGE, chosen_errors, kinds_before
from dashboards.grafana.fields import by_name, by_regex
from dashboards.grafana.json import Json
from dashboards.grafana.panels import Panel, table
from dashboards.grafana.targets import sql
from dashboards.grafana.transformations import convert, organize, series_table, sort_by

_KINDS = 60
_TREND = 40
_PIPELINE = "${__data.fields.Pipeline:percentencode}"
_ENVIRONMENT = "${__data.fields.environment:percentencode}"


def _bar(name: str, color: str, **properties: object) -> Json:
    gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    return by_name(name, min=0, color=color, cell=gauge, decimals=0, **properties)


def kinds() -> Panel:
    """Which errors, how often, since when, with the last message."""
    query = f"""
        WITH x AS (SELECT *, coalesce(stage, '') AS place FROM ({chosen_errors()}) e),
        g AS (
          SELECT pipeline, environment, place, type, count(*) AS n, count(DISTINCT execution_id) AS executions,
            min(time) AS first, max(time) AS last,
            (array_agg(execution_id ORDER BY time DESC))[1] AS execution_id,
            (array_agg(message ORDER BY time DESC))[1] AS message
          FROM x GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT {_KINDS})
        SELECT $__timeGroup(x.time, $__interval, 0), g.type AS "Error",
          CASE WHEN (g.pipeline, g.environment, g.place, g.type) IN ({kinds_before()}) THEN 'no' ELSE 'new' END
            AS "New",
          g.pipeline AS "Pipeline", g.place AS "Stage", g.n::text AS "Count",
          g.executions::text AS "Runs", (extract(epoch FROM g.first) * 1000)::bigint::text AS "First seen",
          (extract(epoch FROM g.last) * 1000)::bigint::text AS "Last seen", left(g.message, 300) AS "Last message",
          g.execution_id, g.environment, count(*) AS value
        FROM x JOIN g ON (g.pipeline, g.environment, g.place, g.type) = (x.pipeline, x.environment, x.place, x.type)
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 ORDER BY 1
    """
    order = ["Error", "New", "Count", "Trend #A", "Runs", "Pipeline", "Stage", "First seen"]
    order += ["Last seen", "Last message", "execution_id", "environment"]
    return table(
        "Errors by kind",
        f"The {_KINDS} most frequent kinds: pipeline, stage and type. New: the day before the time range did not know "
        "it. Runs: executions that had it. Click an error for the latest of them, a count to see these errors alone.",
        sql(query, format="time_series"),
        columns=_kind_columns(),
        no_value=f"No errors {IN_RANGE}.",
        max_points=_TREND,
        transformations=[
            series_table({"A": "sum"}),
            convert({"Count": "number", "Runs": "number", "First seen": "number", "Last seen": "number"}),
            organize(order),
            sort_by("Count", desc=True),
        ],
    )


def _kind_columns() -> list[Json]:
    alone = links.to_errors(
        pipeline=_PIPELINE,
        environment=_ENVIRONMENT,
        extra="var-error_type=${__data.fields.Error:percentencode}",
        title="These errors alone",
    )
    return [
        by_name("Error", width=160, links=[links.to_execution_now("${__data.fields.execution_id}")]),
        by_name("New", width=45, mappings=look.NEW, cell="color-text"),
        by_name("Count", width=58, cell="color-text", color=look.RED, links=[alone]),
        by_name(
            "Trend #A",
            name="Over time",
            width=90,
            min=0,
            color=look.RED,
            cell={"type": "sparkline", "hideValue": True, "drawStyle": "bars", "fillOpacity": 80},
        ),
        by_name("Runs", width=50),
        by_name("Pipeline", width=200, links=[links.to_pipeline(_PIPELINE, _ENVIRONMENT)]),
        by_name(
            "Stage", width=100, no_value=" ", links=[links.to_stage(links.VALUE, _PIPELINE, _ENVIRONMENT)]
        ),
        tables.ago_column("First seen", width=135),
        tables.ago_column("Last seen", width=135),
        by_name("Last message", min_width=200, inspect=True),
        by_regex("^(execution_id|environment)$", hidden=True),
    ]


def stages() -> Panel:
    """Where it goes wrong most."""
    query = f"""
        SELECT pipeline AS "Pipeline", coalesce(stage, '') AS "Stage", count(*) AS "Errors",
          count(*)::float8 / sum(count(*)) OVER () AS "Share", count(DISTINCT execution_id) AS "Runs",
          environment
        FROM ({chosen_errors()}) x GROUP BY pipeline, stage, environment ORDER BY 3 DESC LIMIT 50
    """
    return table(
        "By stage",
        "Where it goes wrong most: share is of all errors that are shown, runs is how many executions were touched. "
        "Repair the first one first. An empty stage: the execution itself told it.",
        sql(query),
        columns=[
            by_name("Pipeline", min_width=150, links=[links.to_pipeline(links.VALUE, _ENVIRONMENT)]),
            by_name(
                "Stage",
                min_width=90,
                no_value=" ",
                links=[links.to_stage(links.VALUE, _PIPELINE, _ENVIRONMENT)],
            ),
            by_name("Errors", width=60),
            _bar("Share", look.RED, unit="percentunit", max=1, width=95),
            by_name("Runs", width=50),
            by_name("environment", hidden=True),
        ],
        no_value=f"No errors {IN_RANGE}.",
    )


def by_part(column: str) -> Panel:
    """Errors counted by one of their columns: severity or component."""
    title = column.title()
    query = f"""
        SELECT coalesce({column}, 'not told') AS "{title}", count(*) AS "Errors" FROM ({chosen_errors()}) x
        GROUP BY 1 ORDER BY 2 DESC LIMIT 30
    """
    words = {
        "severity": "How bad the sources call them. Critical ones first.",
        "component": "In which system they arose. One that several pipelines share is worth a call to its owners.",
    }
    return table(
        f"By {column}",
        words[column],
        sql(query),
        columns=[
            by_name(title, min_width=80, mappings=look.SEVERITY, cell="color-text")
            if column == "severity"
            else by_name(
                title,
                min_width=80,
                links=[links.to_board(links.ERRORS, "These errors alone", extra=f"var-q={links.VALUE}")],
            ),
            by_name("Errors", width=62) if column == "severity" else _bar("Errors", look.RED, width=95),
        ],
        no_value=f"No errors {IN_RANGE}.",
    )


def latest() -> Panel:
    """Single errors, newest first."""
    query = f"""
        WITH x AS ({chosen_errors()} ORDER BY time DESC LIMIT 200)
        SELECT x.time AS "Time", x.severity AS "Severity", x.pipeline AS "Pipeline", x.stage AS "Stage",
          x.attempt AS "Try", x.category AS "Category", x.type AS "Type", left(x.message, 2000) AS "Message",
          x.environment, x.execution_id, e.from_ms, e.to_ms
        FROM x LEFT JOIN executions e ON e.id = x.execution_id ORDER BY x.time DESC
    """
    return table(
        "Latest errors",
        "The latest 200 errors, newest first. Filter by category, type and text above. Click a time for the execution, "
        "which has the stack trace.",
        sql(query),
        columns=[
            by_name("Time", width=155, links=[links.to_execution()]),
            by_name("Severity", width=72, mappings=look.SEVERITY, cell="color-text"),
            by_name("Pipeline", width=200, links=[links.to_pipeline(links.VALUE, _ENVIRONMENT)]),
            by_name(
                "Stage",
                width=100,
                no_value=" ",
                links=[links.to_stage(links.VALUE, _PIPELINE, _ENVIRONMENT)],
            ),
            by_name("Try", width=42, no_value=" "),
            by_name("Category", width=100),
            by_name(
                "Type",
                width=145,
                links=[
                    links.to_board(links.ERRORS, "These errors alone", extra=f"var-error_type={links.VALUE}")
                ],
            ),
            by_name("Message", min_width=200, inspect=True),
            by_regex("^(environment|execution_id|from_ms|to_ms)$", hidden=True),
        ],
        no_value=f"No errors {IN_RANGE}.",
    )
