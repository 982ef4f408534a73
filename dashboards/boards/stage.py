"""One stage of a pipeline: is it the bottleneck, does it fail, what does it use."""

from __future__ import annotations

from dashboards import charts, links, look, tables
from dashboards.boards import stage_tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import by_name
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, heatmap, stat, timeseries
from dashboards.grafana.targets import prom, sql
from dashboards.grafana.transformations import calculate, join_by_field
from dashboards.scope import ONE_STAGE, WHERE_PIPELINE, WHERE_STAGE, of_stage
from exporter.catalogue.metrics import (
    STAGE_ACTIVE,
    STAGE_BASELINE,
    STAGE_CPU,
    STAGE_DURATION,
    STAGE_EXECUTIONS,
    STAGE_ITEMS,
    STAGE_RETRIES,
)
from exporter.catalogue.promql import gauge, increase, rate, total


def board() -> Dashboard:
    return a_board(
        links.STAGE,
        "Stage",
        "One stage: how its attempts end, how long they take against usual, what they work on and use.",
        [
            *figures(_figures()),
            strip(
                9,
                _outcomes(),
                charts.durations(
                    "p50, p95 and p99 of attempts that ended, by when they were queued, and the usual p95 dashed. Bad: "
                    "p95 well above the dashed line. Diamonds are single executions.",
                    of=("stages", WHERE_STAGE),
                    metric=STAGE_DURATION,
                    usual=STAGE_BASELINE,
                    where=ONE_STAGE,
                ),
            ),
            strip(
                9,
                charts.distribution(
                    "Attempts by duration. A second band above the first is a slow kind of input, or a slow host.",
                    STAGE_DURATION,
                    ONE_STAGE,
                ),
                _items(),
            ),
            strip(9, (14, stage_tables.errors()), (10, stage_tables.instances())),
            strip(11, stage_tables.attempts()),
            section("Resources", strip(9, _cpu(), _memory()), strip(9, _cpu_heat(), _memory_heat())),
            section("Logs", strip(12, stage_tables.logs()), collapsed=True),
        ],
        variables=of_stage(),
        links=links.navigation(links.STAGE, pipeline=True),
    )


def _figures() -> list[Panel]:
    share = f"""
        SELECT sum(duration_seconds) FILTER (WHERE name = ${{stage:sqlstring}}) / nullif(sum(duration_seconds), 0)
        FROM stages WHERE $__timeFilter(queued_at) AND ended_at IS NOT NULL AND {WHERE_PIPELINE}
    """
    return [
        stat(
            "Attempts",
            "Attempts that ended in the time range.",
            sql(_of_ended("count(*)")),
            steps=look.NEUTRAL,
        ),
        stat(
            "Failed",
            "Attempts in the time range that failed, timed out or were lost.",
            sql(_of_ended(f"count(*) FILTER (WHERE status IN {tables.BAD})")),
            steps=look.COUNT_OF_BAD,
            links=[links.to_errors()],
        ),
        stat(
            "Retries",
            "Attempts beyond the first. Many retries hide an error that deserves a fix.",
            sql(_of_ended("count(*) FILTER (WHERE attempt > 1)")),
            steps=look.COUNT_TO_WATCH,
        ),
        stat(
            "Success",
            "Part of the attempts that did not fail.",
            sql(_of_ended(f"1 - avg((status IN {tables.BAD})::int)")),
            steps=look.SUCCESS_RATIO,
            unit="percentunit",
            decimals=1,
            no_value="no attempts",
        ),
        stat(
            "p95",
            "95 % of the attempts in the time range took at most this long.",
            sql(_of_ended(_P95)),
            steps=look.NEUTRAL,
            unit="s",
            decimals=1,
            no_value="no attempts",
        ),
        _against_usual(),
        stat(
            "Share of time",
            "Of all the time that the pipeline's stages took: the largest holds the pipeline back.",
            sql(share),
            steps=((None, look.TEXT), (0.4, look.ORANGE)),
            unit="percentunit",
            decimals=0,
            no_value="no attempts",
        ),
        stat(
            "Active",
            "Attempts that have not ended.",
            prom(f"sum({gauge(STAGE_ACTIVE, where=ONE_STAGE)})", instant=True),
            steps=((None, look.GREY), (0, look.TEXT), (1, look.BLUE)),
            no_value="none yet",
        ),
    ]


_P95 = "percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds)"


def _of_ended(figure: str) -> str:
    """SQL of a figure of the stage's attempts of the time range that have ended, also before Prometheus knew of it."""
    return f"SELECT {figure} FROM stages WHERE $__timeFilter(queued_at) AND ended_at IS NOT NULL AND {WHERE_STAGE}"


def _against_usual() -> Panel:
    usual = gauge(STAGE_BASELINE, by=("stage",), where=ONE_STAGE, quantile="0.95")
    return stat(
        "Against usual",
        "p95 of the time range compared with the p95 of recent successes: 100 % is twice as long.",
        [
            sql(_of_ended(f"${{stage:sqlstring}} AS stage, {_P95} AS now"), ref="A"),
            prom(usual, ref="B", instant=True, format="table"),
        ],
        steps=look.AGAINST_USUAL,
        mappings=look.no_comparison("not known"),
        unit="percentunit",
        decimals=0,
        no_value="not known",
        fields="/^against$/",
        transformations=[
            join_by_field("stage"),
            calculate("now", "-", "Value", name="over"),
            calculate("over", "/", "Value", name="against"),
        ],
    )


def _outcomes() -> Panel:
    return timeseries(
        "Attempts by outcome",
        "Attempts that ended, by status, in the interval in which they were queued, and retries. Anything but green "
        "wants a look.",
        *charts.outcomes_of("stages", WHERE_STAGE, STAGE_EXECUTIONS, ONE_STAGE),
        prom(f"{increase(STAGE_RETRIES, '$__interval', where=ONE_STAGE)} > 0", "retries"),
        unit="short",
        bars=True,
        stacked=True,
        interval="2m",
        decimals=0,
        calcs=("sum",),
        no_value="No attempt ended in this time range.",
        overrides=[
            *charts.STATUS_COLORS,
            by_name(
                "retries",
                color=look.YELLOW,
                drawStyle="line",
                lineWidth=2,
                fillOpacity=0,
                stacking={"mode": "none"},
            ),
        ],
    )


def _items() -> Panel:
    return timeseries(
        "Items a second",
        "What the stage took in and gave out. Bad: out falls while in stays.",
        prom(
            _where_told(
                rate(STAGE_ITEMS, "$__rate_interval", by=("direction",), where=ONE_STAGE),
                total(STAGE_ITEMS, by=("direction",), where=ONE_STAGE),
                "direction",
            ),
            "{{direction}}",
        ),
        unit="cps",
        interval="2m",
        no_value=f"This stage does not say how many items it handles. {look.SOON}",
        overrides=[by_name("in", color=look.BLUE), by_name("out", color=look.GREEN)],
    )


def _where_told(expr: str, counted: str, *by: str) -> str:
    """The query where its counter is above zero: every stage has the counter, told or not."""
    return f"({expr}) and on ({', '.join(by)}) ({counted} > 0)"


def _cpu() -> Panel:
    return timeseries(
        "CPU",
        "Cores that the stage's attempts used at the same time, on average.",
        prom(
            _where_told(
                rate(STAGE_CPU, "$__rate_interval", where=ONE_STAGE), total(STAGE_CPU, where=ONE_STAGE)
            ),
            "cores",
        ),
        unit="short",
        interval="2m",
        no_value="This stage does not say what CPU time it uses.",
    )


def _memory() -> Panel:
    query = f"""
        SELECT coalesce(ended_at, now()) AS time, memory_peak_bytes AS "peak memory", cpu_seconds AS "CPU time"
        FROM stages WHERE $__timeFilter(queued_at) AND {WHERE_STAGE}
          AND (memory_peak_bytes IS NOT NULL OR cpu_seconds IS NOT NULL)
        ORDER BY 1 LIMIT 5000
    """
    return timeseries(
        "Memory and CPU time of each attempt",
        "One point for each attempt, where it ended. Bad: memory that climbs from one to the next.",
        sql(query, format="time_series"),
        unit="bytes",
        points=True,
        fill=0,
        gap_ms=False,
        no_value="This stage does not say what memory it uses.",
        overrides=[
            by_name("peak memory", color=look.PURPLE, lineWidth=0),
            by_name("CPU time", color=look.BLUE, lineWidth=0, unit="s", axisPlacement="right"),
        ],
    )


def _memory_heat() -> Panel:
    query = f"""
        SELECT queued_at AS time, memory_peak_bytes AS value FROM stages
        WHERE $__timeFilter(queued_at) AND {WHERE_STAGE} AND memory_peak_bytes IS NOT NULL
        ORDER BY 1 LIMIT 20000
    """
    return heatmap(
        "Peak memory of attempts",
        "Attempts by the most memory that they held. A band that climbs is a leak or growing input.",
        sql(query, format="time_series"),
        unit="bytes",
        scheme="Purples",
        buckets=16,
        no_value="This stage does not say what memory it uses.",
    )


def _cpu_heat() -> Panel:
    query = f"""
        SELECT queued_at AS time, cpu_seconds / nullif(duration_seconds, 0) AS value FROM stages
        WHERE $__timeFilter(queued_at) AND {WHERE_STAGE} AND cpu_seconds IS NOT NULL AND duration_seconds > 0
        ORDER BY 1 LIMIT 20000
    """
    return heatmap(
        "Cores used by attempts",
        "Attempts by CPU time over duration: 1 is one core all the time; far below, the stage waits for something.",
        sql(query, format="time_series"),
        unit="short",
        scheme="Oranges",
        buckets=16,
        no_value="This stage does not say what CPU time it uses.",
    )
