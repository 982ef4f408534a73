"""Tables of the home dashboard."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.grafana.fields import by_name
from dashboards.grafana.panels import Panel, markdown, table
from dashboards.grafana.targets import sql
from dashboards.grafana.transformations import convert, organize, series_table, sort_by
from dashboards.scope import WHERE_PIPELINES

FAILING = f"""
    SELECT p.pipeline, p.environment, p.last_success_at, ten.since, ten.bad, ten.n, last.*
    FROM pipelines p
    CROSS JOIN LATERAL (
      SELECT count(*) AS n, count(*) FILTER (WHERE status IN {tables.BAD}) AS bad,
        min(ended_at) FILTER (WHERE status IN {tables.BAD}) AS since, (array_agg(status))[1] AS latest
      FROM (
        SELECT status, ended_at FROM executions e
        WHERE e.pipeline = p.pipeline AND e.environment = p.environment AND e.ended_at IS NOT NULL
          AND e.status <> 'skipped'
        ORDER BY e.queued_at DESC LIMIT 10) x) ten
    CROSS JOIN LATERAL (
      SELECT id AS execution_id, {tables.FAILED_STAGE} AS error_stage, error_type,
        error_message, from_ms, to_ms FROM executions e
      WHERE e.pipeline = p.pipeline AND e.environment = p.environment AND e.status IN {tables.BAD}
      ORDER BY e.queued_at DESC LIMIT 1) last
    WHERE p.recent_statuses && ARRAY['failed', 'timed_out', 'lost']
      AND (ten.latest IN {tables.BAD} OR (ten.bad >= 2 AND ten.bad >= .2 * ten.n))
      AND {WHERE_PIPELINES.replace("pipeline =", "p.pipeline =").replace("environment =", "p.environment =")}
"""
"""Pipelines that fail now. `recent_statuses` leaves out the many that do not, before their executions are read."""


def failing() -> Panel:
    """Which pipelines fail now, since when, where, with what."""
    error = tables.shortened("concat_ws(': ', error_type, error_message)", 120)
    query = f"""
        SELECT pipeline AS "Pipeline", environment AS "Environment", bad || ' of last ' || n AS "Failed",
          {error} AS "Last error", since AS "Since", error_stage AS "Stage", last_success_at AS "Last success",
          execution_id, from_ms, to_ms
        FROM ({FAILING}) f ORDER BY bad::float8 / n DESC, since LIMIT 100
    """
    return table(
        "Failing now",
        "Pipelines whose latest execution failed, or of whose last ten at least two and a fifth did; those that fail "
        "most first. Click the error to open its execution. No row is good.",
        sql(query),
        no_value="Nothing is failing. With a red mark beside the title: no answer.",
        columns=[
            tables.pipeline_column(min_width=150),
            by_name("Environment", width=105),
            by_name("Failed", width=86, cell="color-text", color=look.RED),
            by_name(
                "Last error",
                min_width=160,
                no_value="no error was told",
                inspect=True,
                links=[links.to_execution()],
            ),
            tables.ago_column("Since", width=138, cell="color-text", color=look.RED),
            by_name("Stage", width=86, no_value=" "),
            tables.ago_column("Last success", width=140),
            tables.HIDDEN,
        ],
    )


def _figure(expression: str) -> str:
    """SQL of a figure as a text that becomes a number again: of a null, and of an empty text, Grafana makes a zero."""
    return f"coalesce(({expression})::text, 'NaN')"


def pipelines() -> Panel:
    """All pipelines with what they did."""
    query = f"""
        WITH e AS (
          SELECT pipeline, environment, status, queued_at, ended_at, duration_seconds
          FROM executions WHERE $__timeFilter(queued_at) AND {WHERE_PIPELINES}),
        g AS (
          SELECT pipeline, environment, count(*) FILTER (WHERE ended_at IS NOT NULL) AS n,
            count(*) FILTER (WHERE status IN {tables.BAD}) AS bad,
            avg((status = 'succeeded')::int) FILTER (WHERE {tables.JUDGED}) AS ok,
            percentile_cont(.95) WITHIN GROUP (ORDER BY duration_seconds) FILTER (WHERE ended_at IS NOT NULL) AS p95,
            count(*) FILTER (WHERE status = 'running') AS running, max(ended_at) AS last_end,
            (array_agg(status ORDER BY queued_at DESC) FILTER (WHERE ended_at IS NOT NULL))[1] AS result
          FROM e GROUP BY 1, 2),
        runs AS (
          SELECT date_bin('$__interval', queued_at, 'epoch') AS time, pipeline, environment, count(*) AS n
          FROM e GROUP BY 1, 2, 3)
        SELECT $__timeGroup(r.time, $__interval, 0), g.pipeline AS "Pipeline", g.environment AS "Environment",
          g.result AS "Last result", g.running::text AS "Running", g.n::text AS "Ended", g.bad::text AS "Failed",
          {_figure("round(g.ok, 4)")} AS "Success", {_figure("round(g.p95::numeric, 3)")} AS "p95",
          {_figure("(extract(epoch FROM g.last_end) * 1000)::bigint")} AS "Last end", r.n AS value
        FROM runs r JOIN g USING (pipeline, environment) ORDER BY 1
    """
    numbers = ("Running", "Ended", "Failed", "Success", "p95", "Last end")
    order = ["Pipeline", "Environment", "Last result", *numbers[:-1], "Trend #A", "Last end"]
    return table(
        "Pipelines",
        "What ran in the time range, those that failed most first. Click a name to open the pipeline.",
        sql(query, format="time_series"),
        no_value="No executions in this time range: choose a longer one, or send events to the exporter.",
        max_points=30,
        filterable=True,
        columns=[
            tables.pipeline_column(min_width=200),
            by_name("Environment", width=128),
            tables.status_column("Last result", width=105),
            by_name("Running", width=100, align="center"),
            by_name("Ended", width=88),
            by_name(
                "Failed",
                width=88,
                cell="color-text",
                steps=((None, look.TEXT), (1, look.RED)),
            ),
            tables.success_column(),
            tables.seconds_column("p95", width=84),
            by_name(
                "Runs",
                min_width=90,
                min=0,
                color=look.BLUE,
                cell={
                    "type": "sparkline",
                    "hideValue": True,
                    "drawStyle": "bars",
                    "fillOpacity": 70,
                    "lineWidth": 1,
                },
            ),
            tables.ago_column("Last end", width=140, no_value="still running"),
        ],
        transformations=[
            series_table({"A": "sum"}),
            convert(dict.fromkeys(numbers, "number")),
            organize(order, rename={"Trend #A": "Runs"}),
            sort_by("Failed", desc=True),
        ],
    )


def running() -> Panel:
    """What runs and waits, with progress."""
    query = f"""
        SELECT pipeline AS "Pipeline", environment AS "Environment", status AS "Status", progress AS "Progress",
          CASE WHEN status = 'queued' THEN NULL
            WHEN cardinality(current_stages) > 1
              THEN current_stages[1] || ' and ' || cardinality(current_stages) - 1 || ' more'
            ELSE current_stages[1] END AS "Stage",
          extract(epoch FROM now() - coalesce(started_at, queued_at)) AS "For",
          id AS execution_id, from_ms, to_ms
        FROM executions WHERE status IN ('running', 'queued', 'paused') AND {WHERE_PIPELINES}
        ORDER BY kind IS NOT DISTINCT FROM 'streaming', queued_at LIMIT 100
    """
    return table(
        "Running now",
        "Oldest first, those that stream for ever last, whatever time range is chosen; 100 at most. Click a name to "
        "open the execution. Bad is a run far older than its kind: see the alerts.",
        sql(query),
        no_value="Nothing is running.",
        columns=[
            by_name("Pipeline", min_width=150, links=[links.to_execution()]),
            by_name("Environment", width=105),
            tables.status_column(width=92),
            tables.progress_column(),
            by_name("Stage", min_width=100, no_value=" "),
            tables.seconds_column("For", width=78, decimals=0),
            tables.HIDDEN,
        ],
    )


def guide() -> Panel:
    """Where to look for what."""
    rows = [
        ("One pipeline: flow, stages, last executions", "click its name above"),
        ("One execution: timeline, waterfall, logs", "click its time above"),
        ("Errors by kind; alerts and since when", f"[Errors](/d/{links.ERRORS})"),
        ("What is late or was missed; service levels", f"[Schedules](/d/{links.SCHEDULES})"),
        ("Streams: rates, lag, buffers, dead letters", f"[Streams](/d/{links.STREAMS})"),
        ("Data quality", f"[Quality](/d/{links.QUALITY})"),
        ("Language models: tokens, cost, latency", f"[LLM](/d/{links.LLM})"),
        ("This very second", f"[Live](/d/{links.LIVE})"),
        ("The exporter itself: is what I see true", f"[Exporter](/d/{links.EXPORTER})"),
    ]
    body = "\n".join(f"| {what} | {where} |" for what, where in rows)
    return markdown(
        "Where from here", "Dashboards by question.", f"| Question | Dashboard |\n| --- | --- |\n{body}"
    )
