"""Home: is anything wrong, where, since when."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.alerts import firing
from dashboards.boards import home_tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import Link
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, alert_list, stat, status_history
from dashboards.grafana.targets import Target, prom, sql
from dashboards.scope import PIPELINES, WHERE_PIPELINES, of_pipelines
from exporter.catalogue.metrics import EXECUTIONS_ACTIVE, SCHEDULE_NEXT, SCHEDULE_PAUSED
from exporter.catalogue.promql import gauge
from exporter.domain.status import Status

_STRIP_ROWS = 15


def board() -> Dashboard:
    return a_board(
        links.HOME,
        "Home",
        "Is anything wrong, where, and since when. Every name leads on: pipeline, stage, execution, error.",
        [
            *figures(_figures()),
            strip(9, (16, home_tables.failing()), (8, _alerts())),
            strip(9, _where_and_since_when()),
            strip(11, home_tables.pipelines()),
            strip(9, home_tables.running(), _failures()),
            section("Where from here", strip(6, home_tables.guide()), collapsed=True),
        ],
        variables=of_pipelines(),
        links=links.navigation(links.HOME),
    )


def _figures() -> list[Panel]:
    return [
        _count(
            "Critical",
            "Alerts that should wake somebody and fire now. Click for all alerts.",
            prom(f"count({firing(severity='critical')}) or vector(0)", instant=True),
            links.to_board(links.ERRORS, "Alerts"),
            background=True,
        ),
        _count(
            "Failing",
            "Pipelines that fail now: their latest execution failed, or at least two and a fifth of the last ten did. "
            "The table below says which.",
            sql(f"SELECT count(*) FROM ({home_tables.FAILING}) f"),
            background=True,
        ),
        _count(
            "Late",
            "Schedules whose next start is overdue and that are not paused. Click to see which.",
            prom(_late(), instant=True),
            links.to_board(links.SCHEDULES, "Schedules"),
            no_value="no schedules",
        ),
        _count(
            "Failed",
            "Executions of the time range that failed, timed out or were lost.",
            sql(_count_where(f"status IN {tables.BAD}")),
            links.to_errors(),
        ),
        stat(
            "Success",
            "Of the executions of the time range that succeeded or failed, the part that succeeded.",
            sql(
                "SELECT avg((status = 'succeeded')::int) FROM executions "
                f"WHERE $__timeFilter(queued_at) AND {tables.JUDGED} AND {WHERE_PIPELINES}"
            ),
            steps=look.SUCCESS_RATIO,
            unit="percentunit",
            decimals=1,
            no_value="no runs",
        ),
        _active("Running", "Executions that have started and not ended.", Status.RUNNING),
        _active("Queued", "Executions that wait to start. Bad is a number that only grows.", Status.QUEUED),
        stat(
            "Executions",
            "Executions that were queued in the time range.",
            sql(_count_where("true")),
            steps=look.NEUTRAL,
        ),
    ]


def _count(
    title: str,
    description: str,
    target: Target,
    link: Link | None = None,
    *,
    background: bool = False,
    no_value: str = "no answer",
) -> Panel:
    return stat(
        title,
        description,
        target,
        steps=look.COUNT_OF_BAD,
        background=background,
        links=[link] if link else [],
        no_value=no_value,
    )


def _active(title: str, description: str, status: Status) -> Panel:
    return stat(
        title,
        description,
        prom(f"sum({gauge(EXECUTIONS_ACTIVE, status=status, where=PIPELINES)})", instant=True),
        steps=((None, look.GREY), (0, look.TEXT), (1, look.COLOR[status])),
        no_value="none yet",
    )


def _count_where(condition: str) -> str:
    return f"SELECT count(*) FROM executions WHERE $__timeFilter(queued_at) AND {condition} AND {WHERE_PIPELINES}"


def _late() -> str:
    due = gauge(SCHEDULE_NEXT, by=("pipeline", "environment"), where=PIPELINES)
    paused = gauge(SCHEDULE_PAUSED, by=("pipeline", "environment"), where=PIPELINES)
    return f"count(({due} < time() - 60) unless ({paused} == 1)) or 0 * count({due})"


def _where_and_since_when() -> Panel:
    query = f"""
        WITH e AS (
          SELECT pipeline, environment, queued_at, status IN {tables.BAD} AS bad
          FROM executions WHERE $__timeFilter(queued_at) AND ended_at IS NOT NULL AND {WHERE_PIPELINES}),
        worst AS (
          SELECT pipeline, environment, sum(bad::int) AS bad, count(*) AS n,
            count(*) OVER (PARTITION BY pipeline) > 1 AS elsewhere
          FROM e GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC, 1, 2 LIMIT {_STRIP_ROWS}),
        ranked AS (
          SELECT pipeline, environment, to_char(row_number() OVER (ORDER BY bad DESC, n DESC), '00') AS place,
            CASE WHEN elsewhere THEN pipeline || ' · ' || environment ELSE pipeline END AS name
          FROM worst)
        SELECT $__timeGroup(queued_at, $__interval, NULL), place, name, pipeline, environment,
          sum(bad::int)::float8 AS value
        FROM e JOIN ranked USING (pipeline, environment) GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2
    """
    return status_history(
        f"Where and since when: failures of the {_STRIP_ROWS} pipelines that fail most",
        "One row for each pipeline, the worst on top, one cell for each interval: green none failed, then the darker "
        "the more failed; empty: nothing ended. A red cell says how many. Click a cell to open the pipeline.",
        sql(query, format="time_series"),
        steps=((None, look.GREEN), (1, look.ORANGE), (3, look.RED), (10, look.DARK_RED)),
        unit="short",
        min=0,
        no_value="No execution ended in this time range.",
        name="${__field.labels.name}",
        links=[links.to_pipeline(links.label("pipeline"), links.label("environment"))],
        max_points=60,
        show_value="never",
    )


def _alerts() -> Panel:
    return alert_list(
        "Alerts",
        "Alerts of these pipelines that fire or are about to. The exporter's own are on its dashboard.",
        instances='{pipeline=~"${pipeline:pipe}"}',
    )


def _failures() -> Panel:
    return tables.executions(
        "Latest failures",
        "Newest first. Click a time to open the execution.",
        f"$__timeFilter(queued_at) AND {WHERE_PIPELINES} AND status IN {tables.BAD}",
        no_value="No failure in this time range.",
        with_pipeline=True,
        brief=True,
        limit=30,
    )
