"""One pipeline: how its stages flow, which of its last executions failed where, how long it takes."""

from __future__ import annotations

from dashboards import charts, links, look, tables
from dashboards.boards import pipeline_past as past
from dashboards.boards.pipeline_tables import busy_hours, error_kinds, stages
from dashboards.flow import flow
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import by_name, by_regex
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import (
    Panel,
    alert_list,
    bar_chart,
    stat,
    status_history,
    timeseries,
)
from dashboards.grafana.targets import prom, sql
from dashboards.grafana.transformations import convert, grouping_to_matrix, join_by_field, organize
from dashboards.grafana.variables import choices, text_box
from dashboards.scope import ONE_PIPELINE, WHERE_PIPELINE, of_pipeline
from exporter.catalogue.metrics import (
    CONSECUTIVE_FAILURES,
    DURATION_BASELINE,
    EXECUTION_DURATION,
    EXECUTIONS,
    EXECUTIONS_ACTIVE,
    LAST_STATUS,
    LAST_SUCCESS,
)
from exporter.catalogue.promql import gauge
from exporter.domain.status import FINAL, Status

_GRID_RUNS = 40
_WHOLE = "whole run"
_NO_RUN = "No execution in this time range."
"""The one row of a grid that has nothing to show: without any it would complain of its fields."""


def board() -> Dashboard:
    return a_board(
        links.PIPELINE,
        "Pipeline",
        "One pipeline: its flow, its last executions by stage, how long it takes against usual, what went wrong.",
        [
            *figures(_figures()),
            strip(
                14,
                flow(
                    "Flow of $pipeline",
                    "Each stage: executions a minute, p95 duration; its ring: how the last ten minutes' attempts "
                    "ended, or those of the time range where none did so lately (green succeeded, red failed, orange "
                    "cancelled, grey none); where none did, the usual p95. Arrows are as wide as the items that went "
                    "along. Click a stage to open it. Zoom out by the buttons where not all is in sight.",
                ),
            ),
            strip(10, (15, _grid()), (9, _bars())),
            strip(13, stages()),
            strip(9, (16, error_kinds()), (8, _alerts())),
            strip(
                9,
                charts.durations(
                    "p50, p95 and p99 of executions that ended, by when they were queued, and the usual p95 dashed. "
                    "Diamonds are single executions: click one to open it. Bad: p95 well above the dashed line.",
                    of=("executions", WHERE_PIPELINE),
                    metric=EXECUTION_DURATION,
                    usual=DURATION_BASELINE,
                    where=ONE_PIPELINE,
                ),
                _outcomes(),
            ),
            strip(
                12,
                tables.executions(
                    "Last executions",
                    "Newest first. Click a time to open the execution. The search above looks in run and error.",
                    f"$__timeFilter(queued_at) AND {WHERE_PIPELINE} AND {_STATUS} AND {_SEARCH}",
                    no_value="No execution matches the filters in this time range.",
                    with_pipeline=False,
                ),
            ),
            section(
                "Against its own past",
                strip(9, past.executions(), past.stages()),
                strip(5, past.times()),
                collapsed=True,
            ),
            section(
                "Distribution and busy hours",
                strip(
                    9,
                    charts.distribution(
                        "Executions by duration: a second band above the first is a slow kind of run. Dots are single "
                        "executions.",
                        EXECUTION_DURATION,
                        ONE_PIPELINE,
                    ),
                ),
                strip(10, busy_hours()),
                collapsed=True,
            ),
        ],
        variables=[
            *of_pipeline(),
            choices("status", "Status", [status.value for status in Status]),
            text_box("q", "Search"),
        ],
        links=links.navigation(links.PIPELINE),
    )


_STATUS = "status IN (${status:sqlstring})"
_SEARCH = (
    "(${q:sqlstring} = '' OR id = ${q:sqlstring} OR "
    "concat_ws(' ', external_id, error_stage, error_type, error_message) ILIKE '%' || ${q:sqlstring} || '%')"
)


def _figures() -> list[Panel]:
    last = " or ".join(
        f"(max({gauge(LAST_STATUS, status=status, where=ONE_PIPELINE)} == 1) * {look.STATUS_NUMBER[status]})"
        for status in Status
        if status in FINAL
    )
    usual = gauge(DURATION_BASELINE, quantile="0.95", where=ONE_PIPELINE)
    return [
        stat(
            "Last result",
            "How the latest execution ended, the worst where several environments are chosen.",
            prom(last, instant=True),
            steps=((None, look.GREY),),
            mappings=look.STATUS_OF_NUMBER,
            background=True,
            no_value="no runs yet",
            size=26,
        ),
        stat(
            "Since success",
            "Time since the latest success. Bad is longer than twice the pipeline's usual pause: see Schedules.",
            prom(f"time() - min({gauge(LAST_SUCCESS, where=ONE_PIPELINE)})", instant=True),
            steps=look.NEUTRAL,
            unit="s",
            no_value="never",
            links=[links.to_board(links.SCHEDULES, "Schedules")],
        ),
        stat(
            "In a row",
            "Failures since the latest success. From three on somebody is alerted, unless declared otherwise.",
            prom(f"max({gauge(CONSECUTIVE_FAILURES, where=ONE_PIPELINE)})", instant=True),
            steps=((None, look.GREY), (0, look.GREEN), (1, look.ORANGE), (3, look.RED)),
            no_value="no runs yet",
        ),
        stat(
            "Success",
            "Of the executions of the time range that succeeded or failed, the part that succeeded.",
            sql(_of_ended(f"avg((status = 'succeeded')::int) FILTER (WHERE {tables.JUDGED})")),
            steps=look.SUCCESS_RATIO,
            unit="percentunit",
            decimals=1,
            no_value="no runs",
        ),
        stat(
            "Failed",
            "Executions of the time range that failed, timed out or were lost. Click for their errors.",
            sql(_of_ended(f"count(*) FILTER (WHERE status IN {tables.BAD})")),
            steps=look.COUNT_OF_BAD,
            links=[links.to_errors()],
        ),
        stat(
            "Running",
            "Executions that have started and not ended.",
            prom(
                f"sum({gauge(EXECUTIONS_ACTIVE, status=Status.RUNNING, where=ONE_PIPELINE)})",
                instant=True,
            ),
            steps=((None, look.GREY), (0, look.TEXT), (1, look.BLUE)),
            no_value="no runs yet",
        ),
        stat(
            "Usual p95",
            "95 % of the recent successes took at most this long.",
            prom(f"max({usual})", instant=True),
            steps=look.NEUTRAL,
            unit="s",
            decimals=1,
            no_value="no success yet",
        ),
        stat(
            "p95 now",
            "95 % of the executions of the time range took at most this long.",
            sql(_of_ended("percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds)")),
            steps=look.NEUTRAL,
            unit="s",
            decimals=1,
            no_value="no runs",
        ),
    ]


def _of_ended(figure: str) -> str:
    """SQL of a figure of the executions of the time range that have ended.

    Out of the history, for Prometheus knows nothing of what ended before it first saw the pipeline.
    """
    return (
        f"SELECT {figure} FROM executions WHERE $__timeFilter(queued_at) AND ended_at IS NOT NULL "
        f"AND {WHERE_PIPELINE}"
    )


_RANK = "dense_rank() OVER (ORDER BY queued_at DESC, id)"
_COLUMN_TIME = f"date_trunc('minute', $__timeTo()::timestamptz) - interval '1 minute' * ({_RANK} - 1)"
_LATEST = (
    f"SELECT * FROM executions WHERE {WHERE_PIPELINE} AND $__timeFilter(queued_at) "
    f"ORDER BY queued_at DESC, id LIMIT {_GRID_RUNS}"
)


def _grid() -> Panel:
    cells = f"""
        WITH e AS ({_LATEST}),
        s AS (
          SELECT s.execution_id, s.name, CASE
              WHEN bool_or(s.status IN ('failed', 'timed_out', 'lost')) THEN max(s.status)
                FILTER (WHERE s.status IN ('failed', 'timed_out', 'lost'))
              WHEN bool_or(s.status = 'running') THEN 'running'
              WHEN max(s.attempt) > 1 AND bool_and(s.status = 'succeeded') THEN 'retried'
              ELSE max(s.status) END AS status,
            min(s.started_at - e.queued_at) AS begin
          FROM stages s JOIN e ON e.id = s.execution_id WHERE s.last GROUP BY 1, 2),
        places AS (SELECT name, avg(begin) AS place FROM s GROUP BY 1),
        c AS (
          SELECT id, queued_at, '{_WHOLE}' AS stage, status, NULL::interval AS place FROM e
          UNION ALL
          SELECT e.id, e.queued_at, s.name, s.status, p.place
          FROM s JOIN e ON e.id = s.execution_id JOIN places p USING (name)
          UNION ALL
          SELECT NULL, now(), '{_NO_RUN}', NULL, NULL WHERE NOT EXISTS (SELECT FROM e))
        SELECT {_COLUMN_TIME} AS time, stage, status FROM c
        ORDER BY stage <> '{_WHOLE}', place NULLS LAST, stage, queued_at
    """
    whose = f"SELECT {_COLUMN_TIME} AS time, id AS execution_id, from_ms, to_ms FROM ({_LATEST}) e ORDER BY 1"
    return status_history(
        f"Stages of the last {_GRID_RUNS} executions",
        "One column for each execution, newest on the right. A sign says what "
        "the colour says: ✗ failed, ⧖ timed out, ↻ succeeded after a retry, – skipped, ▸ running, ? lost. "
        "Click a cell to open that execution.",
        sql(cells, ref="A"),
        sql(whose, ref="B"),
        mappings=look.STATUS_SIGN,
        no_value="No execution in this time range.",
        show_value="always",
        links=[links.to_execution()],
        transformations=[
            grouping_to_matrix("stage", "time", "status", ref="A"),
            # The matrix has no refId any more.
            organize(rename={"time\\stage": "time"}),
            convert({"time": "time"}),
            join_by_field("time"),
        ],
        overrides=[
            # A column's time only keeps its place: it says nothing.
            by_name("time", unit="time:[ ]", axisPlacement="hidden"),
            by_regex(
                "^(execution_id|from_ms|to_ms)$", hideFrom={"viz": True, "legend": True, "tooltip": True}
            ),
        ],
    )


def _bars() -> Panel:
    query = f"""
        SELECT * FROM (
          SELECT queued_at AS "Queued", status AS "Status",
            coalesce(duration_seconds, extract(epoch FROM now() - started_at)) AS "Duration",
            external_id AS "Run", error_type AS "Error", id AS execution_id, from_ms, to_ms
          FROM executions WHERE {WHERE_PIPELINE} AND $__timeFilter(queued_at) AND started_at IS NOT NULL
          ORDER BY queued_at DESC LIMIT {_GRID_RUNS}) x ORDER BY 1
    """
    unseen = {"viz": True, "legend": True, "tooltip": True}
    return bar_chart(
        "Duration of the last executions",
        "One bar for each execution, newest on the right: its height is the duration, its colour the status. "
        "Click a bar to open the execution.",
        sql(query),
        x="Queued",
        color_by="Status",
        no_value="No execution in this time range.",
        links=[links.to_execution()],
        overrides=[
            by_name("Duration", unit="s"),
            # Grafana writes every bar's time, one upon the other.
            by_name("Queued", axisPlacement="hidden"),
            by_name("Status", mappings=look.STATUS, hideFrom={"viz": True, "legend": True, "tooltip": False}),
            by_regex("^(execution_id|from_ms|to_ms)$", hideFrom=unseen),
        ],
    )


def _outcomes() -> Panel:
    return timeseries(
        "Executions by outcome",
        "Executions that ended, by status, in the interval in which they were queued. Anything but green wants a look.",
        *charts.outcomes_of("executions", WHERE_PIPELINE, EXECUTIONS, ONE_PIPELINE),
        unit="short",
        bars=True,
        stacked=True,
        interval="2m",
        decimals=0,
        calcs=("sum",),
        no_value="No execution ended in this time range.",
        overrides=charts.STATUS_COLORS,
    )


def _alerts() -> Panel:
    return alert_list(
        "Alerts",
        "Alerts on this pipeline that fire or are about to. None is good.",
        instances='{pipeline="$pipeline"}',
    )
