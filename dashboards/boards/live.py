"""Live: this very second. Asks every second, so it keeps to few and cheap questions.

Its charts show the last minutes, whatever time range somebody came with: a day of what is scraped every second, asked
for every second, is too much for any Prometheus.
"""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import by_name
from dashboards.grafana.layout import figures, strip
from dashboards.grafana.panels import Panel, alert_list, bar_gauge, stat, table, timeseries
from dashboards.grafana.targets import prom
from dashboards.grafana.transformations import sort_by
from dashboards.scope import PIPELINES, of_pipelines
from exporter.catalogue.metrics import (
    ERRORS,
    EXECUTION_ETA,
    EXECUTION_PROGRESS,
    EXECUTIONS,
    EXECUTIONS_ACTIVE,
    LAST_EVENT,
    STAGE_ACTIVE,
    STREAM_EVENTS,
    STREAM_LAG,
)
from exporter.catalogue.own import EVENTS
from exporter.catalogue.promql import gauge, rate
from exporter.domain.status import Status

_WINDOW = "1m"
_SHOWN = "5m"
_ORDER = "Order"
_LATER_THAN_ALL = 1e12


def board() -> Dashboard:
    return a_board(
        links.LIVE,
        "Live",
        "What happens this very second: executions and stages under way, events, errors. Refreshes every second; what "
        "it shows is as old as the latest scrape.",
        [
            *figures([_lately(panel) for panel in _figures()]),
            strip(10, (15, _under_way()), (9, _stages())),
            strip(8, _lately(_active()), _lately(_ended())),
            strip(8, _lately(_events()), _lately(_lag())),
            strip(7, _alerts()),
        ],
        variables=of_pipelines(),
        links=links.navigation(links.LIVE),
        refresh="1s",
        time_from=f"now-{_SHOWN}",
    )


def _lately(panel: Panel) -> Panel:
    panel.time_from = _SHOWN
    # Beside a short title of a figure there is no room to say so.
    panel.time_hidden = panel.type == "stat" or None
    return panel


def _figures() -> list[Panel]:
    def active(status: Status) -> str:
        return f"sum({gauge(EXECUTIONS_ACTIVE, status=status, where=PIPELINES)})"

    return [
        stat(
            "Running",
            "Executions that have started and not ended.",
            prom(active(Status.RUNNING)),
            steps=((None, look.GREY), (0, look.TEXT), (1, look.BLUE)),
            graph=True,
            no_value="none yet",
        ),
        stat(
            "Queued",
            "Executions that wait to start.",
            prom(active(Status.QUEUED)),
            steps=((None, look.GREY), (0, look.TEXT), (1, look.PURPLE)),
            graph=True,
            no_value="none yet",
        ),
        stat(
            "Stages",
            "Attempts of stages under way.",
            prom(f"sum({gauge(STAGE_ACTIVE, where=PIPELINES)})"),
            steps=((None, look.GREY), (0, look.TEXT), (1, look.BLUE)),
            graph=True,
            no_value="none yet",
        ),
        stat(
            "Errors",
            "Errors of executions and stages in the last minute. Bad: any that repeats.",
            prom(f"60 * {rate(ERRORS, _WINDOW, where=PIPELINES)}"),
            steps=((None, look.GREY), (0, look.GREEN), (0.1, look.RED)),
            unit="cpm",
            decimals=0,
            graph=True,
            no_value="none yet",
        ),
        stat(
            "Events",
            "Events a second that the exporter took, from all pipelines.",
            prom(rate(EVENTS, _WINDOW, outcome="accepted")),
            steps=look.NEUTRAL,
            unit="cps",
            decimals=1,
            graph=True,
            no_value="none yet",
        ),
        stat(
            "Last event",
            "Time since the latest event of the chosen pipelines. Bad is a time that only grows while something runs.",
            prom(f"time() - max({gauge(LAST_EVENT, where=PIPELINES)})"),
            # Between two nightly runs a day of silence is as it should be.
            steps=((None, look.GREY), (0, look.TEXT)),
            unit="s",
            decimals=0,
            no_value="no events yet",
        ),
    ]


def _under_way() -> Panel:
    by = ("pipeline", "environment", "execution_id")
    titles = {
        "pipeline": "Pipeline",
        "environment": "Environment",
        "Value #progress": "Progress",
        "Value #left": "Left",
        "execution_id": "Execution",
        "Value #order": _ORDER,
    }
    progress = gauge(EXECUTION_PROGRESS, by=by, where=PIPELINES)
    left = f"clamp_min({gauge(EXECUTION_ETA, by=by, where=PIPELINES)} - time(), 0)"
    figures = {
        "progress": progress,
        "left": left,
        # Those of which nobody knows when they end come last: by an empty cell they would be first.
        "order": f"{left} or on ({', '.join(by)}) {progress} * 0 + {_LATER_THAN_ALL}",
    }
    return table(
        "Under way",
        "Executions with progress, those that end next first. The exporter tells the 200 that started last. Click one "
        "to open it.",
        [prom(expr, ref=ref, instant=True, format="table") for ref, expr in figures.items()],
        no_value="Nothing is running.",
        columns=[
            tables.pipeline_column(min_width=170),
            by_name("Environment", width=105),
            tables.progress_column(),
            tables.seconds_column("Left", width=80, decimals=0),
            by_name("Execution", width=150, links=[links.to_execution_now(links.VALUE)]),
            by_name(_ORDER, hidden=True),
        ],
        transformations=[*tables.merged(titles), sort_by(_ORDER)],
    )


def _stages() -> Panel:
    by = ("pipeline", "stage")
    return bar_gauge(
        "Stages under way",
        "Attempts that have not ended, by stage: where the work is.",
        prom(
            f"topk(15, sum by (pipeline, stage) ({gauge(STAGE_ACTIVE, by=(*by, 'environment'), where=PIPELINES)}) > 0)",
            "{{pipeline}} · {{stage}}",
            instant=True,
        ),
        unit="short",
        steps=((None, look.BLUE),),
        no_value="No stage is under way.",
    )


def _active() -> Panel:
    active = gauge(EXECUTIONS_ACTIVE, by=("pipeline", "environment", "status"), where=PIPELINES)
    return timeseries(
        "Executions under way",
        "By status. Bad: queued ones that only grow.",
        prom(f"sum by (status) ({active})", "{{status}}"),
        unit="short",
        stacked=True,
        fill=30,
        decimals=0,
        overrides=[by_name(status.value, color=look.COLOR[status]) for status in Status],
    )


def _ended() -> Panel:
    return timeseries(
        "Executions ended a minute",
        "By outcome, over the last minute.",
        prom(f"60 * {rate(EXECUTIONS, _WINDOW, by=('status',), where=PIPELINES)} > 0", "{{status}}"),
        unit="cpm",
        stacked=True,
        fill=30,
        no_value="No execution ended in this time range.",
        overrides=[by_name(status.value, color=look.COLOR[status]) for status in Status],
    )


def _events() -> Panel:
    by = ("pipeline", "environment", "stream")
    return timeseries(
        "Busiest streams",
        "Events a second that pass through them.",
        prom(
            f"topk(10, {rate(STREAM_EVENTS, _WINDOW, by=by, where=PIPELINES)})",
            "{{pipeline}} · {{environment}} · {{stream}}",
        ),
        unit="cps",
        no_value="No streams here.",
    )


def _lag() -> Panel:
    by = ("pipeline", "environment", "stream", "direction")
    return timeseries(
        "Streams most behind",
        "Their lag. A straight climb is a stream that stands still.",
        prom(
            f"topk(10, {gauge(STREAM_LAG, by=by, where=PIPELINES)})",
            "{{pipeline}} · {{environment}} · {{stream}} {{direction}}",
        ),
        unit="s",
        steps=((None, look.GREEN), (300, look.RED)),
        line_at_steps=True,
        no_value="No streams here.",
    )


def _alerts() -> Panel:
    return alert_list(
        "Alerts",
        "Alerts of these pipelines that fire or are about to.",
        instances='{pipeline=~"${pipeline:pipe}"}',
    )
