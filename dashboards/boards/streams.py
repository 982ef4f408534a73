"""Streams: how much passes, how far behind, what waits, what was set aside."""

from __future__ import annotations

from dashboards import charts, links, look, tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import by_name, by_regex, mapping
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, heatmap, stat, state_timeline, table, timeseries
from dashboards.grafana.targets import prom
from dashboards.grafana.variables import label_values
from dashboards.ranked import highest, largest, over_range
from dashboards.scope import PIPELINES, of_pipelines
from exporter.catalogue.metric import Metric
from exporter.catalogue.metrics import (
    STREAM_BUFFER,
    STREAM_EVENTS,
    STREAM_LAG,
    STREAM_LAST_EVENT,
    STREAM_LATENCY,
    STREAM_PHASE,
    STREAM_TARGET_RATE,
)
from exporter.catalogue.promql import Regex, count, gauge, heat, increase, quantile, rate, select
from exporter.catalogue.recorded import STREAM_BUFFER as BUFFER_RECORDED
from exporter.catalogue.recorded import STREAM_LAG as LAG_RECORDED
from exporter.catalogue.summed import BYTES, COMMITS, FILES, OFTEN, OPERATIONS, SELDOM
from exporter.catalogue.summed import DEAD_LETTERS as DEAD_LETTERS_TOTAL
from exporter.catalogue.summed import STREAM_EVENTS as EVENTS_TOTAL
from exporter.catalogue.summed import STREAM_LATENCY as LATENCY

STREAMS = {**PIPELINES, "stream": Regex("$stream")}
_EACH = ("pipeline", "environment", "stream", "direction")
_NONE = f"No streams here: they appear when a pipeline reports pipeline.stream.measured. {look.SOON}"
_NAME = "{{pipeline}} · {{stream}} {{direction}}"
_LAG_STEPS = ((None, look.GREY), (0, look.GREEN), (60, look.ORANGE), (300, look.RED))


def board() -> Dashboard:
    return a_board(
        links.STREAMS,
        "Streams",
        "Streams: events a second in and out, lag, latency, what waits in buffers, what was set aside, each table or "
        "topic by itself.",
        [
            *figures(_figures()),
            strip(11, _streams()),
            strip(9, _lag(), _rates()),
            strip(9, _buffers(), _dead_letters()),
            strip(9, _latency(), _latency_heat()),
            strip(9, _operations(), _written()),
            section("Traffic patterns", strip(9, _target(), _phases())),
        ],
        variables=[
            *of_pipelines(),
            label_values(
                "stream", "Stream", select(STREAM_LAST_EVENT, where=PIPELINES), "stream", multi=True
            ),
        ],
        links=links.navigation(links.STREAMS),
    )


def _figures() -> list[Panel]:
    lag = gauge(STREAM_LAG, where=STREAMS)
    return [
        stat(
            "Streams",
            "Streams that the chosen pipelines have reported.",
            prom(count(STREAM_LAST_EVENT, where=STREAMS), instant=True),
            steps=look.NEUTRAL,
            no_value="none",
        ),
        stat(
            "Behind by",
            "Largest lag of a stream: now minus the time up to which it has been processed. It grows while a stream "
            "stands still.",
            prom(f"max({lag})", instant=True),
            steps=_LAG_STEPS,
            unit="s",
            decimals=0,
            no_value="no lag told",
        ),
        stat(
            "Behind",
            "Streams more than five minutes behind. Which ones: the table below, by lag.",
            prom(f"count({lag} > 300) or 0 * count({lag})", instant=True),
            steps=look.COUNT_OF_BAD,
            no_value="no lag told",
            background=True,
        ),
        stat(
            "In",
            "Events consumed a second.",
            prom(rate(STREAM_EVENTS, "5m", where=STREAMS, direction="in"), instant=True),
            steps=look.NEUTRAL,
            unit="cps",
            no_value="none",
        ),
        stat(
            "Out",
            "Events produced a second.",
            prom(rate(STREAM_EVENTS, "5m", where=STREAMS, direction="out"), instant=True),
            steps=look.NEUTRAL,
            unit="cps",
            no_value="none",
        ),
        stat(
            "Waiting",
            "Events in buffers. Bad is a number that only grows.",
            prom(f"sum({gauge(STREAM_BUFFER, where=STREAMS)})", instant=True),
            steps=((None, look.TEXT), (10_000, look.ORANGE)),
            no_value="none told",
        ),
        stat(
            "Dead letters",
            "Events set aside in the time range because they could not be processed. Look at them before they expire.",
            prom(f"round({increase(DEAD_LETTERS_TOTAL, '$__range', where=STREAMS)})", instant=True),
            steps=look.COUNT_OF_BAD,
            no_value="none told",
        ),
        stat(
            "Latency p95",
            "95 % of the events of the last five minutes were processed within this time.",
            prom(quantile(0.95, STREAM_LATENCY, "5m", where=STREAMS), instant=True),
            steps=look.NEUTRAL,
            unit="s",
            no_value="none told",
        ),
    ]


def _streams() -> Panel:
    figures = {
        "rate": rate(STREAM_EVENTS, "5m", by=_EACH, where=STREAMS),
        "events": f"round({increase(EVENTS_TOTAL, '$__range', by=_EACH, where=STREAMS)})",
        "lag": gauge(STREAM_LAG, by=_EACH, where=STREAMS),
        "p95": tables.known(quantile(0.95, LATENCY, "$__range", by=_EACH, where=STREAMS)),
        "buffer": gauge(STREAM_BUFFER, by=_EACH, where=STREAMS),
        "dead": f"round({increase(DEAD_LETTERS_TOTAL, '$__range', by=_EACH, where=STREAMS)})",
        "last": f"1000 * {gauge(STREAM_LAST_EVENT, by=_EACH, where=STREAMS)}",
    }
    titles = {
        "pipeline": "Pipeline",
        "environment": "Environment",
        "stream": "Stream",
        "direction": "Way",
        "Value #lag": "Lag",
        "Value #rate": "Rate",
        "Trend #trend": "Trend",
        "Value #events": "Events",
        "Value #p95": "Latency p95",
        "Value #buffer": "Waiting",
        "Value #dead": "Dead letters",
        "Value #last": "Last event",
    }
    return table(
        "Streams",
        "Each table, topic or queue, the most lagging first. Bad: red lag, dead letters, a last event long ago.",
        [
            *tables.instant(figures, gauge(STREAM_LAST_EVENT, by=_EACH, where=STREAMS), _EACH),
            prom(
                rate(EVENTS_TOTAL, "$__rate_interval", by=_EACH, where=STREAMS),
                "{{stream}}",
                ref="trend",
                interval=OFTEN,
            ),
        ],
        no_value=_NONE,
        max_points=60,
        filterable=True,
        columns=[
            tables.pipeline_column(min_width=140),
            by_name("Environment", width=125),
            by_name("Stream", min_width=120),
            by_name("Way", width=70),
            by_name("Lag", width=85, unit="s", decimals=0, cell="color-text", steps=_LAG_STEPS, no_value=" "),
            by_name("Rate", width=85, unit="cps", decimals=1),
            by_name(
                "Trend",
                min_width=80,
                min=0,
                color=look.BLUE,
                cell={"type": "sparkline", "hideValue": True, "drawStyle": "line", "fillOpacity": 20},
            ),
            by_name("Events", width=95, unit="short", no_value=" "),
            tables.seconds_column("Latency p95", width=130, decimals=2),
            by_name("Waiting", width=100, unit="short", no_value=" "),
            by_name(
                "Dead letters",
                width=130,
                cell="color-text",
                steps=((None, look.TEXT), (1, look.RED)),
                no_value=" ",
            ),
            tables.ago_column("Last event", width=135),
        ],
        transformations=tables.merged(titles, trend="lastNotNull"),
        sort=(("Lag", True),),
    )


def _lag() -> Panel:
    return timeseries(
        "Lag",
        "Now minus the time up to which each stream has been processed. A straight climb is a stream that stands "
        "still; a slow one, a consumer that is too slow. The ten largest.",
        prom(highest(10, LAG_RECORDED, _EACH, STREAMS), _NAME, interval=OFTEN),
        unit="s",
        no_value=_NONE,
        steps=((None, look.GREEN), (300, look.RED)),
        line_at_steps=True,
        color_mode="palette-classic",
        max_points=look.SOME_POINTS,
    )


def _rates() -> Panel:
    return timeseries(
        "Events a second, consumed and produced",
        "Consumed below, produced above the line. Bad: one falls while the other stays.",
        *(
            prom(
                rate(EVENTS_TOTAL, "$__rate_interval", where=STREAMS, direction=direction),
                name,
                interval=OFTEN,
            )
            for direction, name in (("out", "produced"), ("in", "consumed"))
        ),
        unit="cps",
        no_value=_NONE,
        max_points=look.SOME_POINTS,
        min=None,
        overrides=[
            by_name("produced", color=look.GREEN),
            by_name("consumed", color=look.BLUE, transform="negative-Y"),
        ],
    )


def _buffers() -> Panel:
    return timeseries(
        "Waiting in buffers",
        "Events that wait to be processed, in the ten fullest. Bad is a line that climbs for minutes.",
        prom(highest(10, BUFFER_RECORDED, _EACH, STREAMS), _NAME, interval=OFTEN),
        unit="short",
        no_value="No stream here tells its buffer's depth.",
        max_points=look.SOME_POINTS,
    )


def _dead_letters() -> Panel:
    each = f"{increase(DEAD_LETTERS_TOTAL, '$__interval', by=_EACH, where=STREAMS)} > 0"
    most = increase(DEAD_LETTERS_TOTAL, "$__range", by=_EACH, where=STREAMS, at_end=True)
    return timeseries(
        "Dead letters",
        "Events set aside in each interval, of the ten streams with most. Any is worth a look.",
        prom(largest(10, each, _EACH, most), _NAME),
        unit="short",
        bars=True,
        stacked=True,
        # Totals are recorded once a minute: a bar of less than five would be missing some.
        interval="5m",
        max_points=look.SOME_POINTS,
        calcs=("sum",),
        no_value=f"No dead letters in this time range. {look.SOON}",
    )


def _latency() -> Panel:
    return timeseries(
        "End-to-end latency",
        "From an event's origin to its being processed. Bad: p99 that leaves the others.",
        *charts.quantiles(LATENCY, STREAMS, interval=SELDOM),
        unit="s",
        no_value=f"No stream here tells its latency. {look.SOON}",
        max_points=look.FEW_POINTS,
        overrides=[by_name(name, color=color) for name, color in look.QUANTILE_COLOR.items()],
    )


def _latency_heat() -> Panel:
    return heatmap(
        "Distribution of latency",
        "Events by latency. A second band is a second kind of event, or a partition that lags.",
        prom(heat(LATENCY, "$__rate_interval", where=STREAMS), "{{le}}", format="heatmap", interval=SELDOM),
        unit="s",
        max_points=look.FEW_POINTS,
        no_value=f"No stream here tells its latency. {look.SOON}",
    )


def _operations() -> Panel:
    return timeseries(
        "Events by operation",
        "Inserts, updates, deletes and whatever else the sources call them. Bad: deletes in a table that only grows.",
        prom(
            rate(OPERATIONS, "$__rate_interval", by=("operation",), where=STREAMS),
            "{{operation}}",
            interval=OFTEN,
        ),
        unit="cps",
        stacked=True,
        fill=30,
        no_value=_NONE,
        max_points=look.SOME_POINTS,
    )


def _written() -> Panel:
    def written(metric: Metric) -> str:
        return rate(metric, "$__rate_interval", where=STREAMS)

    return timeseries(
        "Written to the target",
        "Bytes a second on the right, commits and files a minute on the left. Bad: files climb while bytes do not "
        "(many small files).",
        prom(written(BYTES), "bytes", interval=OFTEN),
        prom(f"60 * {written(COMMITS)}", "commits", interval=OFTEN),
        prom(f"60 * {written(FILES)}", "files", interval=OFTEN),
        unit="cpm",
        no_value=f"No stream here writes commits, files or bytes. {look.SOON}",
        max_points=look.SOME_POINTS,
        overrides=[by_name("bytes", unit="Bps", axisPlacement="right", color=look.PURPLE)],
    )


def _target() -> Panel:
    by = ("pipeline", "environment", "stream")
    passing = rate(EVENTS_TOTAL, "$__rate_interval", by=by, where=STREAMS)
    wanted = f"sum by ({', '.join(by)}) ({gauge(STREAM_TARGET_RATE, by=_EACH, where=STREAMS)})"
    most = over_range("max", STREAM_TARGET_RATE, by, STREAMS)
    return timeseries(
        "Rate against target",
        "What a traffic pattern asks for, dashed, and what passes, of the five that ask for most. Bad: the line stays "
        "below the dashed one.",
        prom(largest(5, passing, by, most), "{{pipeline}} · {{stream}}", interval=OFTEN),
        prom(largest(5, wanted, by, most), "{{pipeline}} · {{stream}} target"),
        unit="cps",
        no_value="No traffic pattern is running here.",
        max_points=look.SOME_POINTS,
        overrides=[
            by_regex(" target$", lineStyle={"fill": "dash", "dash": [8, 8]}, fillOpacity=0, color=look.ORANGE)
        ],
    )


def _phases() -> Panel:
    by = ("pipeline", "environment", "stream", "phase")
    return state_timeline(
        "Phases of traffic patterns",
        "Which phase each pattern is in; 20 rows at most.",
        prom(
            highest(20, STREAM_PHASE, by, STREAMS),
            "{{pipeline}} · {{stream}}: {{phase}}",
        ),
        mappings=mapping([("1", "in this phase", look.BLUE)]),
        no_value="No traffic pattern is running here.",
        legend_shown=False,
        max_points=look.SOME_POINTS,
    )
