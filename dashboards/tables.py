"""Tables that several dashboards have: executions, with links to each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dashboards import links, look
from dashboards.grafana.fields import by_name, by_regex
from dashboards.grafana.json import Json
from dashboards.grafana.panels import Panel, table
from dashboards.grafana.targets import Target, prom, sql
from dashboards.grafana.transformations import last_of, merge, organize, rows_by, series_table
from exporter.domain.status import FAILING

BAD = "(" + ", ".join(f"'{status}'" for status in sorted(FAILING)) + ")"
"""Final statuses after which somebody has to look, for `status IN …`."""

JUDGED = f"(status = 'succeeded' OR status IN {BAD})"
"""What says whether a pipeline works; cancelled and skipped executions say nothing of it."""

TOLD_ONCE = (
    "(e.stage IS NOT NULL OR NOT EXISTS (SELECT FROM errors s WHERE s.execution_id = e.execution_id "
    "AND s.stage IS NOT NULL AND (s.type = e.type "
    "OR e.type IN ('task_failure', 'unknown', 'Failure', 'DagRunFailed'))))"
)
"""Of `errors e`: without those by which an execution only says again what one of its stages did, or just that."""

FAILED_STAGE = f"""
    coalesce(error_stage, (
      SELECT s.name FROM stages s WHERE s.execution_id = e.id AND s.last AND s.status IN {BAD}
      ORDER BY s.started_at LIMIT 1))
"""
"""Where an execution `e` failed: as its error says, or else the first of its stages that did."""

HIDDEN = by_regex("^(execution_id|from_ms|to_ms)$", hidden=True)
"""Columns that only links read."""


def instant(figures: Mapping[str, str], rows: str, by: Iterable[str]) -> list[Target]:
    """Queries of a table by refId, each with a value for every row of the query `rows`: NaN where it has
    none of its own.

    Grafana merges tables by the columns that all of them have, and an empty answer has none.
    """
    keys = ", ".join(by)
    return [
        prom(f"({expr}) or on ({keys}) ({rows}) * NaN", ref=ref, instant=True, format="table")
        for ref, expr in figures.items()
    ]


def merged(titles: Mapping[str, str], *, trend: str | None = None) -> list[Json]:
    """Transformations that make one table of `instant` queries: columns in the order of `titles`, under these names.

    `trend`: the figure (`lastNotNull`, `sum`) of the query of that refId, which becomes a sparkline.
    """
    first = [series_table({"trend": trend})] if trend else []
    values = [name for name in titles if name.split(" ")[0] in ("Value", "Trend")]
    keys = [name for name in titles if name not in values]
    names = {last_of(name) if name in values else name: title for name, title in titles.items()}
    return [*first, merge(), rows_by(keys, values), organize(list(names), rename=names)]


def shortened(text: str, length: int) -> str:
    """SQL of a text that is cut off, and says so."""
    return f"CASE WHEN length({text}) > {length} THEN left({text}, {length}) || '…' ELSE {text} END"


def known(expr: str) -> str:
    """A query without the NaN that a quantile of nothing is: its cell stays empty."""
    return f"({expr}) >= 0"


def pipeline_column(**properties: Any) -> Json:
    """The name of a pipeline, which leads to it; the row has its environment, too."""
    link = links.to_pipeline(links.field("Pipeline"), links.field("Environment"))
    return by_name("Pipeline", links=[link], **properties)


def status_column(name: str = "Status", width: int = 110) -> Json:
    """A status as a pill."""
    return by_name(name, mappings=look.STATUS, cell="pill", width=width)


def ago_column(name: str, *, width: int = 140, no_value: str = "never", **properties: Any) -> Json:
    """A time, said as how long ago."""
    return by_name(name, unit="dateTimeFromNow", width=width, no_value=no_value, **properties)


def seconds_column(name: str, *, width: int = 95, decimals: int = 1, **properties: Any) -> Json:
    """A duration."""
    return by_name(name, unit="s", decimals=decimals, width=width, no_value=" ", **properties)


def progress_column(name: str = "Progress", *, width: int | None = None) -> Json:
    """A part of one as a bar."""
    return by_name(
        name,
        unit="percentunit",
        decimals=0,
        min=0,
        max=1,
        cell={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        color=look.BLUE,
        width=width,
        min_width=None if width else 95,
    )


def success_column(name: str = "Success", *, width: int = 140) -> Json:
    """A ratio of successes as a coloured bar."""
    return by_name(
        name,
        unit="percentunit",
        decimals=1,
        min=0,
        max=1,
        cell={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        steps=look.SUCCESS_RATIO,
        width=width,
        no_value=" ",
    )


def executions(
    title: str,
    description: str,
    where: str,
    *,
    no_value: str,
    with_pipeline: bool,
    brief: bool = False,
    limit: int = 100,
) -> Panel:
    """The latest executions for which `where` holds, newest first. `brief`: less, for a narrow panel."""
    pipeline = 'pipeline AS "Pipeline", environment AS "Environment",' if with_pipeline else ""
    error = shortened("concat_ws(': ', error_type, error_message)", 120 if brief else 300)
    query = f"""
        SELECT queued_at AS "Queued", {pipeline} status AS "Status",
          coalesce(duration_seconds, extract(epoch FROM now() - started_at)::float8) AS "Duration",
          CASE WHEN status IN {BAD} THEN {FAILED_STAGE} END AS "Stage",
          CASE WHEN error_message IS NOT NULL THEN {error} END AS "Error",
          trigger AS "Trigger", external_id AS "Run", id AS execution_id, from_ms, to_ms
        FROM executions e WHERE {where} ORDER BY queued_at DESC LIMIT {limit}
    """
    columns = [
        ago_column("Queued", width=140, links=[links.to_execution()])
        if brief
        else by_name("Queued", width=160, links=[links.to_execution()]),
        pipeline_column(width=190),
        by_name("Environment", width=110),
        status_column(width=95),
        seconds_column("Duration"),
        by_name("Stage", width=100, no_value=" "),
        by_name("Error", min_width=140, inspect=True),
        by_name("Trigger", width=90, no_value=" "),
        by_name("Run", width=220, links=[links.to_execution()]),
        HIDDEN,
    ]
    left_out = {
        *(() if with_pipeline else ("Pipeline", "Environment")),
        *(("Environment", "Status", "Duration", "Trigger", "Run") if brief else ()),
    }
    shown = [column for column in columns if column["matcher"]["options"] not in left_out]
    hidden = [by_regex(f"^({'|'.join(sorted(left_out))})$", hidden=True)] if brief else []
    return table(title, description, sql(query), columns=[*shown, *hidden], no_value=no_value)
