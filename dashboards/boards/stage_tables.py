"""Tables and logs of the dashboard of one stage."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.grafana.fields import by_name
from dashboards.grafana.panels import Panel, table
from dashboards.grafana.panels import logs as logs_panel
from dashboards.grafana.targets import sql
from dashboards.scope import WHERE_PIPELINE, WHERE_STAGE

_OF_STAGE = f"{WHERE_PIPELINE} AND stage = ${{stage:sqlstring}}"


def attempts() -> Panel:
    """The latest attempts, each with its execution."""
    query = f"""
        SELECT s.queued_at AS "Queued", s.status AS "Status", s.index AS "Instance", s.attempt AS "Attempt",
          s.duration_seconds AS "Duration", s.items_in AS "In", s.items_out AS "Out", s.cpu_seconds AS "CPU",
          s.memory_peak_bytes AS "Memory",
          CASE WHEN s.error_message IS NOT NULL THEN left(concat_ws(': ', s.error_type, s.error_message), 300) END
            AS "Error",
          e.external_id AS "Run", e.id AS execution_id, e.from_ms, e.to_ms
        FROM (SELECT * FROM stages WHERE $__timeFilter(queued_at) AND {WHERE_STAGE}
              ORDER BY queued_at DESC LIMIT 100) s
        JOIN executions e ON e.id = s.execution_id ORDER BY s.queued_at DESC
    """
    return table(
        "Last attempts",
        "Newest first. Click a time to open the execution.",
        sql(query),
        no_value="No attempt in this time range.",
        columns=[
            by_name("Queued", width=165, links=[links.to_execution()]),
            tables.status_column(width=105),
            by_name("Instance", width=85, no_value=" "),
            by_name("Attempt", width=75, align="center"),
            tables.seconds_column("Duration", width=88),
            by_name("In", width=70, unit="short", no_value=" "),
            by_name("Out", width=70, unit="short", no_value=" "),
            tables.seconds_column("CPU", width=75),
            by_name("Memory", width=90, unit="bytes", decimals=0, no_value=" "),
            by_name("Error", min_width=160, no_value=" ", inspect=True),
            by_name("Run", width=190, links=[links.to_execution()]),
            tables.HIDDEN,
        ],
    )


def errors() -> Panel:
    """Which errors the stage had."""
    query = f"""
        SELECT type AS "Error", category AS "Category", count(*) AS "Count",
          count(DISTINCT execution_id) AS "Executions", min(time) AS "First seen", max(time) AS "Last seen",
          left((array_agg(message ORDER BY time DESC))[1], 300) AS "Last message",
          (array_agg(execution_id ORDER BY time DESC))[1] AS execution_id
        FROM errors WHERE $__timeFilter(time) AND {_OF_STAGE}
        GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20
    """
    return table(
        "Errors by kind",
        "The stage's errors in the time range, the most frequent first. Click one to open its last example.",
        sql(query),
        no_value="No errors in this time range.",
        columns=[
            by_name("Error", width=130, links=[links.to_execution_now("${__data.fields.execution_id}")]),
            by_name("Category", width=80),
            by_name("Count", width=60, cell="color-text", color=look.RED),
            by_name("Executions", width=88),
            tables.ago_column("First seen", width=135),
            tables.ago_column("Last seen", width=135),
            by_name("Last message", min_width=130, inspect=True),
            by_name("execution_id", hidden=True),
        ],
    )


def instances() -> Panel:
    """Mapped instances that take longest."""
    query = f"""
        SELECT index AS "Instance", count(*) AS "Attempts", count(*) FILTER (WHERE status IN {tables.BAD}) AS "Failed",
          avg(duration_seconds) AS "Mean", max(duration_seconds) AS "Longest"
        FROM stages WHERE $__timeFilter(queued_at) AND {WHERE_STAGE} AND index IS NOT NULL
        GROUP BY 1 ORDER BY 5 DESC NULLS LAST LIMIT 30
    """
    return table(
        "Mapped instances",
        "Instances of the stage by their longest attempt. Bad: one that is always longest, or always fails.",
        sql(query),
        no_value="This stage is not mapped: it runs once in an execution.",
        columns=[
            by_name("Instance", min_width=90),
            by_name("Attempts", width=80),
            by_name("Failed", width=70, cell="color-text", steps=((None, look.TEXT), (1, look.RED))),
            tables.seconds_column("Mean", width=80),
            tables.seconds_column("Longest", width=80),
        ],
    )


def logs() -> Panel:
    """What the stage said last."""
    query = f"""
        WITH l AS (
          SELECT time, message AS body, level, execution_id, id::text AS id FROM logs
          WHERE $__timeFilter(time) AND {_OF_STAGE} ORDER BY time DESC LIMIT 500)
        SELECT * FROM l
        UNION ALL
        SELECT now(), 'This stage sent no log lines in this time range.', 'info', NULL, 'none'
        WHERE NOT EXISTS (SELECT FROM l)
        ORDER BY time DESC
    """
    return logs_panel(
        "Logs of this stage",
        "Newest first, of all executions in the time range.",
        sql(query),
        newest_first=True,
    )
