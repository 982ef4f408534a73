"""The figures on top of an execution."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.boards.execution_scope import ACTIVE, ITS_PIPELINE, OF_EXECUTION, ONE_EXECUTION, as_of_now
from dashboards.grafana.fields import by_name
from dashboards.grafana.panels import Panel, stat
from dashboards.grafana.targets import prom, sql
from exporter.catalogue.metrics import DURATION_BASELINE, EXECUTION_ETA, EXECUTION_PROGRESS
from exporter.catalogue.promql import gauge

_GREY_UNTIL_TOLD: tuple[tuple[float | None, str], ...] = ((None, look.GREY), (0, look.BLUE))
_GREY: tuple[tuple[float | None, str], ...] = ((None, look.GREY),)
_PROGRESS = [
    {
        "type": "regex",
        "options": {"pattern": pattern, "result": {"color": color, "text": "$1", "index": index}},
    }
    for index, (pattern, color) in enumerate(
        (
            ("^(.*)\\|(?:failed|timed_out|lost)$", look.RED),
            ("^(.*)\\|cancelled$", look.ORANGE),
            ("^(.*)\\|succeeded$", look.GREEN),
            ("^(.*)\\|.*$", look.GREY),
        )
    )
]
"""Text of how far it came, coloured by the status behind the bar."""


def figures() -> list[tuple[int, Panel]]:
    """Status, what it is, when, how long."""
    return [(4, _status()), (8, _identity()), (5, _started()), (7, _duration())]


def facts() -> list[tuple[int, Panel]]:
    """Waiting, progress, retries, errors."""
    return [
        (4, _waited()),
        (4, _progress()),
        (4, _expected_end()),
        (4, _retries()),
        (4, _errors()),
        (4, _origin()),
    ]


def _status() -> Panel:
    return stat(
        "Status",
        "How the execution stands. Red: look at what went wrong, below. Dark orange, lost: no sign of life for too "
        "long; whoever runs it knows more.",
        sql(f"SELECT status FROM executions WHERE {ONE_EXECUTION}"),
        steps=_GREY,
        mappings=look.STATUS,
        background=True,
        fields="/.*/",
        no_value="no such execution",
        size=17,
    )


def _identity() -> Panel:
    around = "from=${__data.fields.before_ms}&to=${__data.fields.after_ms}"
    query = f"""
        SELECT pipeline AS "Pipeline", external_id AS "Run",
          (extract(epoch FROM queued_at - interval '3 hours') * 1000)::bigint::text AS before_ms,
          CASE WHEN status IN {ACTIVE} THEN 'now' ELSE
            (extract(epoch FROM least(now(), coalesce(ended_at, queued_at) + interval '1 hour')) * 1000)::bigint::text
          END AS after_ms
        FROM executions WHERE {ONE_EXECUTION}
    """
    return stat(
        "Execution",
        "Pipeline, and the run's id as its source calls it. Click the pipeline to see the hours around this run.",
        sql(query),
        steps=look.NEUTRAL,
        fields="/^(Pipeline|Run)$/",
        orientation="horizontal",
        no_value="no such execution",
        size=17,
        overrides=[
            by_name(
                "Pipeline", links=[links.to_pipeline("${__data.fields.Pipeline:percentencode}", time=around)]
            )
        ],
    )


def _started() -> Panel:
    query = f"""
        SELECT started_at AS "Started",
          (extract(epoch FROM queued_at - room) * 1000)::bigint::text AS begin_ms,
          CASE WHEN status IN {ACTIVE} THEN 'now'
            ELSE (extract(epoch FROM coalesce(ended_at, queued_at) + room) * 1000)::bigint::text END AS end_ms
        FROM (SELECT *, greatest(interval '1 second', 0.03 * (coalesce(ended_at, now()) - queued_at)) AS room
          FROM executions WHERE {ONE_EXECUTION}) x
    """
    return stat(
        "Started",
        "Start of the execution. Click to set the time range to just this execution.",
        sql(query),
        steps=look.NEUTRAL,
        unit="dateTimeAsIso",
        fields="/^Started$/",
        no_value="not yet",
        size=19,
        links=[links.to_this_execution(begin="${__data.fields.begin_ms}", end="${__data.fields.end_ms}")],
    )


def _duration() -> Panel:
    took = f"""
        SELECT coalesce(duration_seconds, extract(epoch FROM now() - started_at)) AS "took"
        FROM executions WHERE {ONE_EXECUTION} AND started_at IS NOT NULL
    """
    usual = {
        name: as_of_now(gauge(DURATION_BASELINE, by=("pipeline",), quantile=quantile, where=ITS_PIPELINE))
        for name, quantile in (("usual", "0.5"), ("usual p95", "0.95"))
    }
    return stat(
        "Duration",
        "How long it took, or has been running, beside the median and 95th percentile of recent successes. Bad is "
        "longer than the usual p95: the stages below say which.",
        [
            sql(took, ref="A"),
            *(
                prom(expr, name, instant=True, ref=ref)
                for ref, (name, expr) in zip("BC", usual.items(), strict=True)
            ),
        ],
        steps=look.NEUTRAL,
        unit="s",
        decimals=1,
        text="value_and_name",
        no_value="not started",
        orientation="vertical",
        size=20,
        overrides=[by_name(name, color=look.GREY) for name in usual],
    )


def _waited() -> Panel:
    return stat(
        "Wait",
        "Time from being queued to the start; while it waits, up to now. Bad is much longer than others of this "
        "pipeline: its workers are busy or away.",
        sql(
            "SELECT CASE WHEN started_at IS NULL AND ended_at IS NULL THEN extract(epoch FROM now() - queued_at) "
            f"ELSE queue_duration_seconds END FROM executions WHERE {ONE_EXECUTION}"
        ),
        steps=look.NEUTRAL,
        unit="s",
        decimals=1,
        no_value="not told",
        size=20,
    )


def _progress() -> Panel:
    reached = f"""
        SELECT CASE
            WHEN status = 'queued' THEN 'waiting'
            WHEN status = 'succeeded' THEN '100 %'
            WHEN progress IS NOT NULL THEN 'reached ' || round(100 * progress)::text || ' %'
            WHEN stages_total > 0 THEN stages_total - (SELECT count(DISTINCT path) FROM stages s
              WHERE s.execution_id = e.id AND s.last AND s.status <> 'succeeded') || ' of ' || stages_total || ' stages'
            ELSE 'not told' END || '|' || status AS "Reached"
        FROM executions e WHERE {ONE_EXECUTION} AND status NOT IN ('running', 'paused')
    """
    return stat(
        "Done",
        "How far it is while it runs: as its source says, or by its stages and their usual durations. Of one that "
        "ended, how far it came, in the colour of its status.",
        [
            prom(
                gauge(EXECUTION_PROGRESS, by=("execution_id",), execution_id="$running_id"),
                "progress",
                instant=True,
                ref="A",
            ),
            sql(reached, ref="B"),
        ],
        steps=_GREY_UNTIL_TOLD,
        unit="percentunit",
        decimals=0,
        fields="/^(progress|Reached)$/",
        mappings=_PROGRESS,
        no_value="no forecast",
        size=20,
    )


def _expected_end() -> Panel:
    eta = gauge(EXECUTION_ETA, by=("execution_id",), execution_id="$running_id")
    return stat(
        "Ends",
        "When it should end, while it runs: forecast out of the usual durations of the stages that are left. "
        "A time that has passed means: slower than usual.",
        prom(f"1000 * ({eta})", instant=True),
        steps=_GREY_UNTIL_TOLD,
        unit="dateTimeFromNow",
        no_value="no forecast",
        size=16,
    )


def _retries() -> Panel:
    return stat(
        "Retry",
        "Attempts of stages beyond the first. Retries that succeed still cost time: errors below say why.",
        sql(_count("attempt > 1", "stages")),
        steps=((None, look.GREY), (0, look.TEXT), (1, look.ORANGE)),
        no_value="not known",
        size=20,
    )


def _errors() -> Panel:
    return stat(
        "Errors",
        "Errors of this execution and of all attempts of its stages. Click for the pipeline's errors.",
        sql(_count(tables.TOLD_ONCE, "errors e")),
        steps=look.COUNT_OF_BAD,
        no_value="not known",
        links=[links.to_errors()],
        size=20,
    )


def _count(condition: str, rows: str) -> str:
    """SQL of how many rows of the execution there are; no answer where there is no execution."""
    return (
        f"SELECT count(*) FROM {rows} WHERE {OF_EXECUTION} AND {condition} "
        f"HAVING EXISTS (SELECT FROM executions WHERE {ONE_EXECUTION})"
    )


def _origin() -> Panel:
    return stat(
        "Origin",
        "What started it, what kind of pipeline it is, and where.",
        sql(
            "SELECT concat_ws(' · ', trigger, kind, environment) AS origin "
            f"FROM executions WHERE {ONE_EXECUTION}"
        ),
        steps=look.NEUTRAL,
        fields="/.*/",
        no_value="not told",
        size=14,
    )
