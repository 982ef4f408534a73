"""What an execution said: its errors whole, and all its lines."""

from __future__ import annotations

from dashboards import tables
from dashboards.boards.execution_scope import ID, OF_EXECUTION, ONE_EXECUTION
from dashboards.grafana.panels import Panel, logs
from dashboards.grafana.targets import sql

LEVELS = ("critical", "error", "warning", "info", "debug")
_LINES = 2000
_KNOWN = ", ".join(f"'{level}'" for level in LEVELS)
_HEAD = 400
"""Most characters of a message in a headline."""
_WHERE = """
    concat_ws(chr(10),
      concat_ws(' · ', type, category, component, stage || coalesce(' [' || index || ']', ''),
        'attempt ' || attempt)"""
_CONTEXT = "CASE WHEN context IS NOT NULL AND context <> '{}' THEN 'context: ' || context::text END"
_ERROR_TEXT = f"""{_WHERE},
      CASE WHEN stacktrace IS NULL OR position(message IN stacktrace) = 0 THEN message END,
      stacktrace,
      {_CONTEXT})
"""


_HEADLINE = f"{_WHERE}, {tables.shortened('message', _HEAD)})"
_DETAILS = f"""
    concat_ws(chr(10),
      CASE WHEN length(message) > {_HEAD} AND coalesce(position(message IN stacktrace), 0) = 0 THEN message END,
      stacktrace,
      {_CONTEXT})
"""


def what_went_wrong() -> Panel:
    """Errors with their stack traces; of an execution without any, what it did last.

    Headlines are lines of their own, and short: of a first line that is higher than the panel Grafana shows the end.
    """
    query = f"""
        WITH this AS (SELECT * FROM executions WHERE {ONE_EXECUTION}),
        wrong AS (SELECT * FROM errors e WHERE {OF_EXECUTION} AND {tables.TOLD_ONCE} ORDER BY time DESC LIMIT 30),
        fine AS (SELECT 1 WHERE NOT EXISTS (SELECT FROM wrong)),
        said AS (
          SELECT time, {_HEADLINE} AS headline, {_DETAILS} AS details,
            CASE WHEN severity IN ({_KNOWN}) THEN severity ELSE 'error' END AS level, id FROM wrong)
        SELECT time, headline AS body, level, id FROM said
        UNION ALL
        SELECT time, details, level, id || '-details' FROM said WHERE details <> ''
        UNION ALL
        SELECT coalesce(ended_at, now()), concat_ws(': ', replace(status, '_', ' '), CASE status
            WHEN 'lost' THEN 'no sign of life for longer than its patience. Ask whoever runs it.'
            ELSE coalesce(error_message, 'its source gave no reason. Look at its stages and log lines below.') END),
          'error', 'told-without-error'
        FROM this, fine WHERE status IN {tables.BAD}
        UNION ALL
        (SELECT coalesce(s.ended_at, s.started_at, s.queued_at), concat_ws(' ', s.name || coalesce(
            ' [' || s.index || ']', ''), replace(s.status, '_', ' '),
            'after ' || round(s.duration_seconds::numeric, 1) || ' s', CASE WHEN s.attempt > 1 THEN
            '(attempt ' || s.attempt || ')' END), 'info', 'stage-' || row_number() OVER ()
         FROM stages s, fine WHERE {OF_EXECUTION} ORDER BY 1 DESC LIMIT 12)
        UNION ALL
        (SELECT time, message, CASE WHEN level IN ({_KNOWN}) THEN level ELSE 'info' END, 'log-' || id
         FROM logs, fine WHERE {OF_EXECUTION} ORDER BY time DESC LIMIT 12)
        UNION ALL
        SELECT queued_at, CASE WHEN status = 'queued' THEN 'queued, and waits for its start'
          ELSE 'queued' END || coalesce(' by ' || trigger, ''), 'info', 'queued' FROM this, fine
        UNION ALL
        SELECT now(), CASE WHEN EXISTS (SELECT FROM executions)
          THEN concat('No execution has the id ', {ID}, '. It may have been deleted by retention.')
          ELSE 'There is no execution yet: the first one appears here once its pipeline sends events.' END, 'warning',
          'unknown' WHERE NOT EXISTS (SELECT FROM this)
        ORDER BY time DESC, id
    """
    return logs(
        "What went wrong, or else what it did last",
        "Every error of the execution and of its stages with type, category, component, stage and attempt, message, "
        "whole stack trace and context, the latest first. Without an error: what its stages did last.",
        sql(query),
        newest_first=True,
    )


def logs_of_execution() -> Panel:
    """Log lines, warnings and errors in one, filtered by the variables."""
    query = f"""
        WITH l AS MATERIALIZED (
          SELECT time, level, message, coalesce(stage, 'execution') AS stage, fields, id FROM logs
          WHERE {OF_EXECUTION} ORDER BY time DESC LIMIT {_LINES}),
        said AS (
          SELECT time, CASE WHEN level IN ({_KNOWN}) THEN level ELSE 'info' END AS level, message AS body, stage,
            fields::text AS fields, id FROM l
          UNION ALL
          SELECT time, 'warning', concat_ws(': ', code, message), coalesce(stage, 'execution'), NULL, 'warning-' || id
          FROM warnings WHERE {OF_EXECUTION}
          UNION ALL
          SELECT time, CASE WHEN severity IN ({_KNOWN}) THEN severity ELSE 'error' END, {_ERROR_TEXT},
            coalesce(stage, 'execution'), context::text, 'error-' || id
          FROM errors e WHERE {OF_EXECUTION} AND {tables.TOLD_ONCE} AND NOT EXISTS (
            SELECT FROM l WHERE l.level IN ('error', 'critical') AND l.stage = coalesce(e.stage, 'execution')
              AND abs(extract(epoch FROM l.time - e.time)) < 1 AND position(e.message IN l.message) > 0)),
        shown AS (
          SELECT time, body, level, stage, fields, id FROM said
          WHERE stage IN (${{stage:sqlstring}}) AND level IN (${{level:sqlstring}})
            AND (${{q:sqlstring}} = '' OR position(lower(${{q:sqlstring}}) IN lower(body)) > 0)
          ORDER BY time, id LIMIT {_LINES})
        SELECT * FROM shown
        UNION ALL
        SELECT now(), CASE WHEN EXISTS (SELECT FROM said) THEN 'No line passes the filters above: stage, level, text.'
          ELSE 'This execution sent no log lines, warnings or errors.' END, 'info', 'execution', NULL, 'none'
        WHERE NOT EXISTS (SELECT FROM shown)
        ORDER BY time, id
    """
    return logs(
        "Logs",
        f"Log lines, warnings and errors with their stack traces, the latest {_LINES}. Filter by stage, level and text "
        "above; open a line for its fields.",
        sql(query),
    )
