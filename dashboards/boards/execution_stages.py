"""The stages of an execution: when they ran, and how long they took against usual and against another execution."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.boards.execution_scope import (
    ACTIVE,
    ID,
    ITS_PIPELINE,
    ONE_EXECUTION,
    OTHER,
    as_of_now,
)
from dashboards.grafana.fields import by_name, by_regex, mapping
from dashboards.grafana.json import Json
from dashboards.grafana.panels import Panel, state_timeline, table
from dashboards.grafana.targets import prom, sql
from dashboards.grafana.transformations import (
    calculate,
    join_by_field,
    last_of,
    organize,
    partition,
    rows_by,
    sort_by,
    without_rows_where_null,
)
from exporter.catalogue.metrics import DURATION_BASELINE, STAGE_BASELINE
from exporter.catalogue.promql import gauge

_WHOLE = "whole run"
_ROWS = 25
"""Of the timeline's page: what is readable at its height."""
_BARS = 1500
_INSTANCES = 8
"""So many of a stage's mapped instances are drawn: a stage of a thousand would hide all others."""
_INSTANCE = "coalesce(' [' || index || ']', '')"
_IN_ORDER = f"""
    SELECT *, row_number() OVER (
        ORDER BY outer_first, outer_name, inner_first, inner_path, own_first, path, index, attempt) AS place
    FROM (
      SELECT *, min(queued_at) OVER (PARTITION BY path[1]) AS outer_first, path[1] AS outer_name,
        min(queued_at) OVER (PARTITION BY path[1:2]) AS inner_first, path[1:2] AS inner_path,
        min(queued_at) OVER (PARTITION BY path) AS own_first
      FROM stages JOIN (SELECT id, ended_at AS whole_ended_at FROM executions WHERE {ONE_EXECUTION}) e
        ON e.id = execution_id) s
"""
"""Attempts of stages by their stage's first sign, each stage with what it encloses behind it.

A stage without an end ended with its execution, or else still runs.
"""


def timeline() -> Panel:
    """A row for each stage, a bar for each attempt; on top the execution, its waiting included."""
    query = f"""
        WITH s AS (
          SELECT *, min(CASE WHEN status IN {tables.BAD} THEN 0 WHEN status IN {ACTIVE} THEN 1 ELSE 2 END)
              OVER one AS worst,
            max(coalesce(ended_at, whole_ended_at, now()) - started_at) OVER one AS longest
          FROM ({_IN_ORDER}) s WHERE started_at IS NOT NULL WINDOW one AS (PARTITION BY path, index)),
        i AS (
          SELECT *, dense_rank() OVER (PARTITION BY path ORDER BY worst, longest DESC, index) AS instance,
            count(*) OVER () AS bars FROM s)
        SELECT time, "end", bar, stage, whole, status FROM (
          SELECT 0 AS place, queued_at AS time, coalesce(started_at, ended_at, now()) AS "end", '{_WHOLE}' AS bar,
            'execution' AS stage, '' AS whole,
            CASE WHEN started_at IS NULL AND ended_at IS NOT NULL THEN status ELSE 'queued' END AS status
          FROM executions WHERE {ONE_EXECUTION}
          UNION ALL
          SELECT 0, started_at, coalesce(ended_at, now()), '{_WHOLE}', 'execution', '', status
          FROM executions WHERE {ONE_EXECUTION} AND started_at IS NOT NULL
          UNION ALL
          SELECT 0, $__timeFrom()::timestamptz, $__timeTo()::timestamptz, 'no such execution', 'execution', '',
            'unknown' WHERE NOT EXISTS (SELECT FROM executions WHERE {ONE_EXECUTION})
          UNION ALL
          (SELECT place, started_at, coalesce(ended_at, whole_ended_at, now()),
            repeat('· ', cardinality(path) - 1) || name || {_INSTANCE}, name,
            array_to_string(path, ' / ') || {_INSTANCE}, status
           FROM i WHERE instance <= {_INSTANCES} AND (bars <= {_ROWS} OR worst < 2 OR NOT EXISTS (
             SELECT FROM s WHERE s.path = i.path[1:cardinality(i.path) - 1]))
           ORDER BY 1 LIMIT {_BARS})) bars
        ORDER BY place, time
    """
    return state_timeline(
        "Stages over time",
        "Each stage from start to end, attempts as bars of their own, what runs up to now; above them the execution "
        "with the time it waited. Gaps are waiting for a worker or for a retry. Of a mapped stage: the "
        f"{_INSTANCES} instances that failed, run or took longest. Where there are many, what succeeded within another "
        "stage is left to the waterfall below. Click a bar for the stage's log lines. "
        "Slivers: click Started, above, to set the time range to this execution.",
        sql(query),
        mappings=[*look.STATUS, *mapping([("unknown", "unknown", look.GREY)])],
        no_value="Nothing has started yet.",
        transformations=[partition(("bar", "stage", "whole"))],
        name="${__field.labels.bar}",
        links=[links.to_logs_of_stage(links.label("stage"))],
        row_height=0.75,
        legend_shown=False,
        rows=_ROWS,
    )


def stages() -> Panel:
    """Each stage with its duration against usual."""
    columns = [
        "Stage",
        "Status",
        "Tries",
        "Duration",
        "Usual",
        "Usual p95",
        "Against usual",
        "Waited",
        "In",
        "Out",
    ]
    usual = {"Usual": _usual("0.5"), "Usual p95": _usual("0.95")}
    return table(
        "Stages against usual",
        "Duration of each stage's last attempt beside the median and 95th percentile of its recent successes. Red took "
        "twice as long as usual. Not reached: the pipeline has it, this execution did not come to it. Click a stage "
        "for its history, whole run for the pipeline, a status for the log lines.",
        [
            sql(_stage_rows(), ref="A"),
            *(
                prom(expr, ref=ref, instant=True, format="table")
                for ref, expr in zip("BC", usual.values(), strict=True)
            ),
        ],
        columns=_stage_columns(),
        no_value="No stage has started, or the pipeline reports none.",
        transformations=[
            *(
                step
                for ref, name in zip("BC", usual, strict=True)
                for step in (
                    rows_by(("stage",), (f"Value #{ref}",), ref),
                    organize(rename={last_of(f"Value #{ref}"): name}, ref=ref),
                )
            ),
            join_by_field("stage", mode="outerTabular"),
            without_rows_where_null("Stage"),
            # The join has sorted the rows by the name.
            sort_by("place"),
            calculate("Duration", "-", "Usual", name="over"),
            calculate("over", "/", "Usual", name="Against usual"),
            organize(columns, exclude=("over", "place")),
        ],
    )


def _usual(quantile: str) -> str:
    whole = gauge(DURATION_BASELINE, by=("pipeline",), quantile=quantile, where=ITS_PIPELINE)
    stages = gauge(STAGE_BASELINE, by=("stage",), quantile=quantile, where=ITS_PIPELINE)
    both = f'{stages} or sum by (stage) (label_replace({whole}, "stage", "{_WHOLE}", "", ""))'
    return as_of_now(both)


def _stage_rows() -> str:
    """One row a stage, its instances together; above them the execution as a whole, below what was not reached."""
    return f"""
        WITH s AS ({_IN_ORDER}),
        seen AS (
          SELECT min(place) AS place, name AS stage,
            repeat('· ', cardinality(path) - 1) || name || CASE WHEN count(DISTINCT index) > 1
              THEN ' (' || count(DISTINCT index) || ')' ELSE '' END AS "Stage",
            (array_agg(status ORDER BY CASE WHEN status IN {tables.BAD} THEN 0 WHEN status IN ('running', 'paused')
              THEN 1 WHEN status = 'queued' THEN 2 WHEN status = 'cancelled' THEN 3 WHEN status = 'succeeded' THEN 4
              ELSE 5 END, name) FILTER (WHERE last))[1] AS "Status",
            max(attempt) FILTER (WHERE started_at IS NOT NULL) AS "Tries",
            max(CASE WHEN last AND started_at IS NOT NULL THEN coalesce(duration_seconds,
              extract(epoch FROM coalesce(ended_at, whole_ended_at, now()) - started_at)::float8) END) AS "Duration",
            max(extract(epoch FROM started_at - queued_at)) FILTER (WHERE last)::float8 AS "Waited",
            sum(items_in) FILTER (WHERE last)::float8 AS "In", sum(items_out) FILTER (WHERE last)::float8 AS "Out"
          FROM s GROUP BY path, name),
        this AS (SELECT * FROM executions WHERE {ONE_EXECUTION})
        SELECT stage, "Stage", "Status", "Tries", "Duration", "Waited", "In", "Out",
          row_number() OVER (ORDER BY part, place) AS place, {_board("part = 1")},
          CASE WHEN part = 1 THEN 'execution' ELSE stage END AS told_as
        FROM (
          SELECT 2 AS part, seen.* FROM seen
          UNION ALL
          SELECT 3, row_number() OVER (ORDER BY p.stage), p.stage, p.stage, 'not reached', NULL, NULL, NULL, NULL, NULL
          FROM pipeline_stages p JOIN this ON p.pipeline = this.pipeline AND p.environment = this.environment
          WHERE this.status NOT IN ('succeeded', 'skipped') AND NOT EXISTS (
            SELECT FROM seen WHERE seen.stage = p.stage)
          UNION ALL
          SELECT 1, 0, '{_WHOLE}', '{_WHOLE}', status, NULL,
            coalesce(duration_seconds, extract(epoch FROM now() - started_at)), queue_duration_seconds,
            NULL, NULL
          FROM this) x
        ORDER BY place LIMIT 500
    """


def _board(whole: str) -> str:
    """SQL of the dashboard that a row leads to: the execution as a whole is no stage."""
    return f"CASE WHEN {whole} THEN '{links.PIPELINE}' ELSE '{links.STAGE}' END AS board"


def _stage_columns() -> list[Json]:
    return [
        by_name("Stage", min_width=120, links=[links.to_board_of_row("board", "stage")]),
        by_name(
            "Status",
            mappings=look.STATUS,
            cell="color-text",
            color=look.GREY,
            width=94,
            links=[links.to_logs_of_stage(links.field("told_as"))],
        ),
        by_name(
            "Tries", width=52, no_value=" ", cell="color-text", steps=((None, look.TEXT), (2, look.ORANGE))
        ),
        by_regex("^(Duration|Usual|Waited)$", unit="s", decimals=1, width=80, no_value=" "),
        by_name("Usual p95", unit="s", decimals=1, width=90, no_value=" "),
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
        by_regex("^(In|Out)$", unit="short", decimals=0, width=58, no_value=" "),
        *_hidden("stage", "board", "told_as"),
    ]


def _hidden(*names: str) -> list[Json]:
    return [by_name(name, hidden=True) for name in names]


def compared() -> Panel:
    """The stages of this execution beside those of the one chosen to compare with."""
    query = f"""
        WITH both_of_them AS (
          SELECT name, execution_id, sum(duration_seconds) AS took, max(attempt) AS tries, min(queued_at) AS first
          FROM stages WHERE execution_id IN ({ID}, {OTHER}) GROUP BY 1, 2
          UNION ALL
          SELECT '{_WHOLE}', id, duration_seconds, NULL, 'infinity' FROM executions WHERE id IN ({ID}, {OTHER}))
        SELECT coalesce(a.name, b.name) AS "Stage", a.took AS "This one", b.took AS "The other",
          a.took - b.took AS "Difference", a.took / nullif(b.took, 0) - 1 AS "Relative", a.tries AS "Tries",
          b.tries AS "Other's tries", coalesce(a.name, b.name) AS stage,
          {_board(f"coalesce(a.name, b.name) = '{_WHOLE}'")}
        FROM (SELECT * FROM both_of_them WHERE execution_id = {ID}) a
        FULL JOIN (SELECT * FROM both_of_them WHERE execution_id = {OTHER}) b USING (name)
        ORDER BY coalesce(a.first, b.first), 1 LIMIT 500
    """
    return table(
        "Compared with ${other:text}",
        "Stages of this execution beside those of the one chosen above as Compare with: by default the latest success "
        "before it. All attempts of a stage together. Red took twice as long here.",
        sql(query),
        columns=[
            by_name("Stage", min_width=140, links=[links.to_board_of_row("board", "stage")]),
            by_regex("^(This one|The other|Difference)$", unit="s", decimals=1, width=110, no_value=" "),
            by_name(
                "Relative",
                unit="percentunit",
                decimals=0,
                width=110,
                cell="color-text",
                steps=look.AGAINST_USUAL,
                no_value=" ",
            ),
            by_regex("tries$|^Tries$", width=112, no_value=" "),
            *_hidden("stage", "board"),
        ],
        no_value="Nothing to compare with: choose an execution above.",
    )
