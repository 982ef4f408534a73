"""One execution: how it ended and why, what its stages took against usual, waterfall, logs, resources, neighbours."""

from __future__ import annotations

from dashboards import links
from dashboards.boards.execution_figures import facts, figures
from dashboards.boards.execution_logs import LEVELS, logs_of_execution, what_went_wrong
from dashboards.boards.execution_resources import accelerators, cpu, memory, traffic
from dashboards.boards.execution_scope import ACTIVE, ID, ONE_EXECUTION, OTHER
from dashboards.boards.execution_stages import compared, stages, timeline
from dashboards.boards.execution_tables import (
    around,
    artifacts,
    llm_calls,
    parameters,
    related,
    warnings,
)
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.json import Json
from dashboards.grafana.layout import section, strip
from dashboards.grafana.panels import Panel, traces
from dashboards.grafana.targets import trace
from dashboards.grafana.variables import choices, sql_values, text_box
from dashboards.scope import DATASOURCES

_RECENT = 200
_NOBODY = "0" * 32
"""Chosen while there is no execution: over an empty id the waterfall fails."""


def board() -> Dashboard:
    return a_board(
        links.EXECUTION,
        "Execution",
        "One execution: how it ended and why, its stages against usual, waterfall, logs, resources, neighbours. It "
        "stands still, as refreshing closes opened spans: reload it by the button while the execution runs.",
        [
            strip(4, *figures()),
            strip(3, *facts()),
            strip(9, what_went_wrong()),
            strip(13, timeline()),
            strip(13, stages()),
            strip(15, _waterfall()),
            strip(13, logs_of_execution()),
            strip(9, around()),
            strip(9, compared()),
            section("Resources", strip(7, cpu(), memory()), strip(7, accelerators(), traffic())),
            section("Artifacts and warnings", strip(7, artifacts()), strip(6, warnings()), collapsed=True),
            section("Language models", strip(9, llm_calls()), collapsed=True),
            section(
                "Parameters, labels, parent and children", strip(8, parameters(), related()), collapsed=True
            ),
        ],
        variables=_variables(),
        links=links.navigation(links.EXECUTION, pipeline=True, short=True),
        refresh="",
    )


def _waterfall() -> Panel:
    return traces(
        "Waterfall",
        "Each stage, attempt and call as a span; what failed is red. Open a span for its tags, log lines and stack "
        "trace. A red mark: no execution has this id, or the datasource Traces does not answer.",
        trace("$execution_id"),
    )


def _variables() -> list[Json]:
    # The chosen ids stand in their own lists, or Grafana would drop one that a link brought but the list lacks.
    executions = f"""
        SELECT __text, __value FROM (
          SELECT concat_ws(' · ', pipeline, to_char(queued_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS'), status,
            external_id) AS __text, id AS __value, queued_at
          FROM (
            SELECT * FROM (SELECT * FROM executions ORDER BY queued_at DESC LIMIT {_RECENT}) recent
            UNION SELECT * FROM executions WHERE id = {ID}) x
          UNION ALL SELECT 'none yet', '{_NOBODY}', NULL WHERE NOT EXISTS (SELECT FROM executions)) y
        ORDER BY queued_at DESC
    """
    stage = f"""
        SELECT 'execution' AS __text UNION SELECT name FROM stages WHERE execution_id = {ID}
        UNION SELECT stage FROM errors WHERE execution_id = {ID} AND stage IS NOT NULL
        UNION SELECT stage FROM logs WHERE execution_id = {ID} AND stage IS NOT NULL ORDER BY 1 LIMIT 1000
    """
    others = f"""
        WITH this AS (SELECT pipeline, environment, queued_at FROM executions WHERE {ONE_EXECUTION}),
        x AS (
          (SELECT e.id, e.queued_at, e.status, e.duration_seconds FROM executions e, this
           WHERE e.pipeline = this.pipeline AND e.environment = this.environment AND e.status = 'succeeded'
             AND e.queued_at < this.queued_at AND e.queued_at > this.queued_at - interval '7 days'
           ORDER BY e.queued_at DESC LIMIT 20)
          UNION
          SELECT e.id, e.queued_at, e.status, e.duration_seconds FROM executions e, this
          WHERE e.id = {OTHER} AND e.id <> {ID} AND e.pipeline = this.pipeline)
        SELECT __text, __value FROM (
          SELECT concat_ws(' · ', to_char(queued_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS'), status,
            round(duration_seconds::numeric, 1) || ' s') AS __text, id AS __value, status <> 'succeeded' AS bad,
            queued_at FROM x
          UNION ALL SELECT 'none before it', 'none', true, NULL WHERE NOT EXISTS (SELECT FROM x)) y
        ORDER BY bad, queued_at DESC
    """
    return [
        *DATASOURCES,
        sql_values("execution_id", "Execution", executions),
        _fact("pipeline", "coalesce(max(pipeline), 'unknown')"),
        _fact("environment", "coalesce(max(environment), 'unknown')"),
        _fact("quoted_pipeline", "to_json(coalesce(max(pipeline), 'unknown'))::text"),
        _fact("quoted_environment", "to_json(coalesce(max(environment), 'unknown'))::text"),
        # Metrics of an execution linger for minutes after its end, so they are asked for only while it is active.
        _fact("running_id", f"coalesce(max(id) FILTER (WHERE status IN {ACTIVE}), 'none')"),
        sql_values("stage", "Stage", stage, multi=True),
        choices("level", "Level", LEVELS),
        text_box("q", "Search logs"),
        sql_values("other", "Compare with", others),
        sql_values("asked_at", "Asked at", "SELECT extract(epoch FROM now())::bigint", hide=2),
    ]


def _fact(name: str, expression: str) -> Json:
    """A hidden variable that follows the execution: links to other dashboards and metrics need it."""
    return sql_values(
        name, name.title(), f"SELECT {expression} FROM executions WHERE {ONE_EXECUTION}", hide=2
    )
