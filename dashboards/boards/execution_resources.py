"""What an execution used over time, out of the samples that it sent."""

from __future__ import annotations

from dashboards.boards.execution_scope import OF_EXECUTION
from dashboards.grafana.panels import Panel, timeseries
from dashboards.grafana.targets import Target, sql

_SAMPLES = 5000
_NONE = "This execution sent no samples of its resources."
_WHERE_FROM = "coalesce(stage || coalesce(' [' || index || ']', ''), 'whole run')"


def _sampled(column: str) -> Target:
    """A state over time, one line a stage."""
    return sql(
        f"""
        SELECT time, {_WHERE_FROM} AS metric, {column} AS value FROM resources
        WHERE {OF_EXECUTION} AND {column} IS NOT NULL ORDER BY time LIMIT {_SAMPLES}
        """,
        format="time_series",
    )


def _growth(column: str, suffix: str = "", ref: str = "") -> Target:
    """What a sum since the start grew by each second, between one sample and the next; the first since the start."""
    return sql(
        f"""
        SELECT time, metric, (grown / seconds)::float8 AS value FROM (
          SELECT time, {_WHERE_FROM} || '{suffix}' AS metric,
            {column} - coalesce(lag({column}) OVER samples, 0) AS grown,
            extract(epoch FROM time - coalesce(lag(time) OVER samples, begin)) AS seconds
          FROM (
            SELECT r.*, CASE
                WHEN stage IS NULL THEN (SELECT e.started_at FROM executions e WHERE e.id = r.execution_id)
                ELSE (SELECT min(s.started_at) FROM stages s WHERE s.execution_id = r.execution_id
                  AND s.name = r.stage AND s.index IS NOT DISTINCT FROM r.index AND s.attempt = coalesce(r.attempt, 1))
              END AS begin
            FROM (SELECT * FROM resources WHERE {OF_EXECUTION} AND {column} IS NOT NULL
              ORDER BY time LIMIT {_SAMPLES}) r) r
          WINDOW samples AS (PARTITION BY stage, index, attempt ORDER BY time, id)) x
        WHERE seconds > 0 AND grown >= 0 ORDER BY time
        """,
        format="time_series",
        ref=ref,
    )


def cpu() -> Panel:
    return timeseries(
        "CPU",
        "Processors busy on average between two samples, by stage: 2 is two whole cores. A stage that runs long and "
        "stays near 0 waits for something else.",
        _growth("cpu_seconds"),
        unit="short",
        decimals=2,
        points=True,
        gap_ms=True,
        calcs=("max",),
        no_value=_NONE,
    )


def memory() -> Panel:
    return timeseries(
        "Memory",
        "Memory held, by stage. Bad: it grows until the end, as before a process is killed for want of memory.",
        _sampled("memory_bytes"),
        unit="bytes",
        points=True,
        gap_ms=True,
        calcs=("max",),
        no_value=_NONE,
    )


def accelerators() -> Panel:
    return timeseries(
        "Accelerator memory",
        "Memory held on GPUs and the like, by stage.",
        _sampled("accelerator_memory_bytes"),
        unit="bytes",
        points=True,
        gap_ms=True,
        calcs=("max",),
        no_value="This execution sent no samples of accelerators.",
    )


def traffic() -> Panel:
    return timeseries(
        "Read and written",
        "Bytes a second read and written between two samples, by stage.",
        _growth("io_read_bytes", ", read", "A"),
        _growth("io_written_bytes", ", written", "B"),
        unit="Bps",
        points=True,
        gap_ms=True,
        calcs=("max",),
        no_value=_NONE,
    )
