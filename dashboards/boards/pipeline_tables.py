"""Tables of the dashboard of one pipeline."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.grafana.fields import by_name, by_regex
from dashboards.grafana.json import Json
from dashboards.grafana.panels import Panel, table
from dashboards.grafana.targets import prom, sql
from dashboards.grafana.transformations import calculate, convert, organize, series_table, sort_by
from dashboards.scope import ONE_PIPELINE, WHERE_PIPELINE
from exporter.catalogue.metrics import (
    STAGE_BASELINE,
    STAGE_DURATION,
    STAGE_INFO,
    STAGE_MEMORY_PEAK,
)
from exporter.catalogue.promql import gauge, mean

_DAYS = 7


_OF_STAGES = f"""
    SELECT name AS stage, count(*) AS "Value #attempts",
      count(*) FILTER (WHERE status IN {tables.BAD}) AS "Value #failed",
      count(*) FILTER (WHERE attempt > 1) AS "Value #retries",
      1 - avg((status IN {tables.BAD})::int)::float8 AS "Value #success",
      percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS "Value #p50",
      percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS "Value #p95",
      sum(duration_seconds) / nullif(sum(sum(duration_seconds)) OVER (), 0) AS "Value #share"
    FROM stages WHERE $__timeFilter(queued_at) AND ended_at IS NOT NULL AND {WHERE_PIPELINE}
    GROUP BY name ORDER BY 8 DESC NULLS LAST LIMIT 1000
"""
"""Out of the history, for Prometheus knows nothing of what ended before it first saw the pipeline. Columns are named as
those of its queries are."""


def stages() -> Panel:
    """The stages with what they took, as a table with a trend."""
    figures = {
        "usual": gauge(STAGE_BASELINE, by=("stage",), quantile="0.95", where=ONE_PIPELINE),
        "memory": gauge(STAGE_MEMORY_PEAK, by=("stage",), where=ONE_PIPELINE),
    }
    trend = mean(STAGE_DURATION, "$__rate_interval", by=("stage",), where=ONE_PIPELINE)
    titles = {
        "stage": "Stage",
        "Value #attempts": "Attempts",
        "Value #failed": "Failed",
        "Value #retries": "Retries",
        "Value #success": "Success",
        "Value #p50": "p50",
        "Value #p95": "p95",
        "Value #usual": "Usual p95",
        "Trend #trend": "Mean duration",
        "Value #memory": "Memory",
        "Value #share": "Share of time",
    }
    columns = list(titles.values())
    columns.insert(columns.index("Usual p95") + 1, "Against usual")
    return table(
        "Stages",
        "Attempts of each stage in the time range. Share of time: of all the time that stages took, so the largest "
        "holds the pipeline back. Against usual: p95 now compared with the p95 of recent successes; red is twice as "
        "long. Memory: the latest attempt's peak. Click a stage to open it.",
        [
            sql(_OF_STAGES, ref="past"),
            *tables.instant(figures, gauge(STAGE_INFO, by=("stage",), where=ONE_PIPELINE), ("stage",)),
            prom(trend, "{{stage}}", ref="trend"),
        ],
        columns=_stage_columns(),
        no_value="No stage ended in this time range.",
        max_points=60,
        transformations=[
            *tables.merged(titles, trend="lastNotNull"),
            calculate("p95", "-", "Usual p95", name="over"),
            calculate("over", "/", "Usual p95", name="Against usual"),
            organize(columns, exclude=("over",)),
        ],
        sort=(("Share of time", True),),
    )


def _stage_columns() -> list[Json]:
    return [
        by_name("Stage", min_width=180, links=[links.to_stage(links.VALUE)]),
        by_regex("^(Attempts|Retries)$", width=82, decimals=0),
        by_name(
            "Failed",
            width=70,
            decimals=0,
            cell="color-text",
            steps=((None, look.TEXT), (1, look.ORANGE), (10, look.RED)),
        ),
        tables.success_column(width=130),
        by_regex("^(p50|p95|Usual p95)$", unit="s", decimals=1, width=84, no_value=" "),
        by_name(
            "Against usual",
            unit="percentunit",
            decimals=0,
            width=112,
            cell="color-text",
            steps=look.AGAINST_USUAL,
            mappings=look.no_comparison(),
            no_value=" ",
        ),
        by_name("Memory", unit="bytes", decimals=0, width=90, no_value=" "),
        by_name(
            "Mean duration",
            min_width=110,
            min=0,
            unit="s",
            color=look.BLUE,
            cell={
                "type": "sparkline",
                "hideValue": True,
                "drawStyle": "line",
                "fillOpacity": 20,
                "lineWidth": 1,
                "spanNulls": True,
            },
        ),
        by_name(
            "Share of time",
            unit="percentunit",
            decimals=0,
            min=0,
            max=1,
            width=130,
            color=look.BLUE,
            cell={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        ),
    ]


def error_kinds() -> Panel:
    """Which errors, how often, since when, with the last message."""
    query = f"""
        WITH e AS (SELECT * FROM errors e WHERE $__timeFilter(time) AND {WHERE_PIPELINE} AND {tables.TOLD_ONCE}),
        g AS (
          SELECT type, coalesce(stage, '') AS place, count(*) AS n, min(time) AS first, max(time) AS last,
            (array_agg(execution_id ORDER BY time DESC))[1] AS execution_id,
            (array_agg(message ORDER BY time DESC))[1] AS message
          FROM e GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 12)
        SELECT $__timeGroup(e.time, $__interval, 0), g.type AS "Error", g.n::text AS "Count", g.place AS "Stage",
          (extract(epoch FROM g.first) * 1000)::bigint::text AS "First seen",
          (extract(epoch FROM g.last) * 1000)::bigint::text AS "Last seen",
          left(g.message, 300) AS "Last message", g.execution_id, count(*) AS value
        FROM e JOIN g ON g.type = e.type AND g.place = coalesce(e.stage, '')
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1
    """
    order = ["Error", "Count", "Stage", "Trend #A", "First seen", "Last seen", "Last message", "execution_id"]
    return table(
        "Errors by kind",
        "The most frequent errors in the time range. Click one to open its last example. Empty is good.",
        sql(query, format="time_series"),
        no_value="No errors in this time range.",
        max_points=40,
        columns=[
            by_name("Error", width=145, links=[links.to_execution_now("${__data.fields.execution_id}")]),
            by_name("Count", width=60, cell="color-text", color=look.RED),
            by_name("Stage", width=105, no_value=" "),
            by_name(
                "Over time",
                width=110,
                min=0,
                color=look.RED,
                cell={"type": "sparkline", "hideValue": True, "drawStyle": "bars", "fillOpacity": 80},
            ),
            tables.ago_column("First seen", width=135),
            tables.ago_column("Last seen", width=135),
            by_name("Last message", min_width=160, inspect=True),
            by_name("execution_id", hidden=True),
        ],
        transformations=[
            series_table({"A": "sum"}),
            convert({"Count": "number", "First seen": "number", "Last seen": "number"}),
            organize(order, rename={"Trend #A": "Over time"}),
            sort_by("Count", desc=True),
        ],
    )


def busy_hours() -> Panel:
    """Executions by weekday and hour."""
    hours = ", ".join(
        f"count(*) FILTER (WHERE extract(hour FROM queued_at AT TIME ZONE 'UTC') = {hour}) AS \"{hour:02d}\""
        for hour in range(24)
    )
    query = f"""
        SELECT to_char(min(queued_at AT TIME ZONE 'UTC'), 'Dy') AS "Day", {hours}
        FROM executions WHERE queued_at > now() - interval '{_DAYS} days' AND {WHERE_PIPELINE}
        GROUP BY extract(isodow FROM queued_at AT TIME ZONE 'UTC')
        ORDER BY extract(isodow FROM queued_at AT TIME ZONE 'UTC')
    """
    return table(
        f"Busy hours: executions of the last {_DAYS} days, UTC",
        "Executions by weekday and hour, whatever time range is chosen: when to plan maintenance.",
        sql(query),
        no_value="No executions yet.",
        columns=[by_name("Day", width=55, cell="auto")],
        unit="short",
        decimals=0,
        min=0,
        color_mode="continuous-blues",
        cell={"type": "color-background", "mode": "basic"},
        min_width=20,
    )
