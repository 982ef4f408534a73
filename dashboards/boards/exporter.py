"""The exporter itself: is what the other dashboards show true and whole."""

from __future__ import annotations

from dashboards import charts, links, look, tables
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.dashboard import board as a_board
from dashboards.grafana.fields import by_name
from dashboards.grafana.layout import figures, section, strip
from dashboards.grafana.panels import Panel, alert_list, stat, table, timeseries
from dashboards.grafana.targets import prom
from dashboards.scope import DATASOURCES
from exporter.catalogue.own import (
    BUILD_INFO,
    COMMIT_FAILURES,
    COMMIT_SECONDS,
    CORRECTIONS,
    DATABASE_FREE,
    DATABASE_UP,
    DATABASE_VOLUME,
    EVENTS,
    LABEL_OVERFLOW,
    QUEUE_DEPTH,
    QUEUE_LIMIT,
    READER_ENDED,
    REFUSALS,
    RETENTION_ROWS,
    SCRAPE_SECONDS,
    SERIES,
    SERIES_LIMIT,
    SOURCE_DONE,
    SOURCE_ERRORS,
    SOURCE_LAST_EVENT,
    SOURCE_LAST_READ,
    SOURCE_ROWS,
    SOURCE_UP,
    UNMAPPED,
    UPKEEP_FAILURES,
)
from exporter.catalogue.promql import gauge, increase, quantile, rate, select

_HERE = f"on (job, instance) group_left () {select(BUILD_INFO)}"
"""Only targets that are exporters of pipelines: other processes have metrics of the same names."""


def board() -> Dashboard:
    return a_board(
        links.EXPORTER,
        "Exporter",
        "The exporter itself: is it up, does it take what is sent, does it keep up, is anything left out of the "
        "metrics.",
        [
            *figures(_figures()),
            strip(8, (14, _sources()), (10, _alerts())),
            strip(9, _events(), _refused()),
            strip(9, _queue(), _commits()),
            strip(9, _scrapes(), _series()),
            section(
                "Process and housekeeping",
                strip(8, _memory(), _cpu(), _room()),
                strip(8, _left_out(), _retention()),
            ),
            section(
                "Sources that the exporter reads by itself", strip(8, (14, _read_sources()), (10, _unread()))
            ),
        ],
        variables=list(DATASOURCES),
        links=links.navigation(links.EXPORTER),
    )


def _figures() -> list[Panel]:
    own = f"(up * {_HERE})"
    return [
        stat(
            "Up",
            "Exporters that answer Prometheus. Red: none does, and all other dashboards show the past.",
            prom(f"count({own} == 1) or vector(0)", instant=True),
            steps=((None, look.RED), (1, look.GREEN)),
            background=True,
        ),
        stat(
            "Database",
            "Whether each exporter reaches its database. Down: events wait at their senders until it is back.",
            prom(f"min({select(DATABASE_UP)})", instant=True),
            steps=((None, look.GREY), (0, look.RED), (1, look.GREEN)),
            mappings=look.UP_DOWN,
        ),
        stat(
            "Events",
            "Events a second that were accepted, over five minutes.",
            prom(rate(EVENTS, "5m", outcome="accepted"), instant=True),
            steps=look.NEUTRAL,
            unit="cps",
            decimals=1,
            no_value="none yet",
        ),
        stat(
            "Refused",
            "Requests of the time range whose events were not taken. Their senders were told why; the log has one line "
            "for each.",
            prom(f"round({increase(REFUSALS, '$__range')})", instant=True),
            steps=look.COUNT_TO_WATCH,
            no_value="none yet",
        ),
        stat(
            "Queue",
            "How full the fullest queue of events is. At 100 % senders are asked to come back later.",
            prom(f"max({select(QUEUE_DEPTH)} / {select(QUEUE_LIMIT)})", instant=True),
            steps=((None, look.GREY), (0, look.GREEN), (0.5, look.ORANGE), (0.9, look.RED)),
            unit="percentunit",
            decimals=0,
        ),
        stat(
            "Commit p95",
            "95 % of the groups of events were durable within this time.",
            prom(quantile(0.95, COMMIT_SECONDS, "$__range"), instant=True),
            steps=((None, look.GREY), (0, look.GREEN), (0.5, look.ORANGE), (2, look.RED)),
            unit="s",
            no_value="no commits",
        ),
        stat(
            "Series",
            "How much of the limit of series is used. At 100 % new pipelines share the name __other__.",
            prom(f"max({gauge(SERIES)} / {gauge(SERIES_LIMIT)})", instant=True),
            steps=((None, look.GREY), (0, look.GREEN), (0.8, look.ORANGE), (1, look.RED)),
            unit="percentunit",
            decimals=0,
        ),
        stat(
            "Unknown words",
            "Status words of the time range that stand for no status known here. Which ones: the metric "
            "pipeline_exporter_unmapped_statuses_total.",
            prom(f"round({increase(UNMAPPED, '$__range')})", instant=True),
            steps=look.COUNT_TO_WATCH,
            no_value="none yet",
        ),
    ]


def _sources() -> Panel:
    figures = {
        "last": f"1000 * {gauge(SOURCE_LAST_EVENT, by=('source',))}",
        "rate": rate(EVENTS, "5m", by=("source",), outcome="accepted"),
        "accepted": f"round({increase(EVENTS, '$__range', by=('source',), outcome='accepted')})",
        "duplicate": f"round({increase(EVENTS, '$__range', by=('source',), outcome='duplicate')})",
        "refused": f"round({increase(REFUSALS, '$__range', by=('source',))})",
    }
    titles = {
        "source": "Way in",
        "Value #last": "Last event",
        "Value #rate": "Rate",
        "Value #accepted": "Accepted",
        "Value #duplicate": "Repeats",
        "Value #refused": "Refused",
    }
    return table(
        "Ways in",
        "Where events come from. Bad: a last event long ago from a source that is never silent, or any refused. "
        "Repeats are harmless: they were counted once.",
        tables.instant(figures, gauge(SOURCE_LAST_EVENT, by=("source",)), ("source",)),
        no_value="No event has come yet.",
        columns=[
            by_name("Way in", min_width=140),
            tables.ago_column("Last event", width=150),
            by_name("Rate", width=95, unit="cps", decimals=1),
            by_name("Accepted", width=95, unit="short"),
            by_name("Repeats", width=90, unit="short", no_value="0"),
            by_name(
                "Refused",
                width=90,
                unit="short",
                cell="color-text",
                steps=((None, look.TEXT), (1, look.RED)),
                no_value="0",
            ),
        ],
        transformations=tables.merged(titles),
    )


def _read_sources() -> Panel:
    figures = {
        "up": f"min by (source) ({select(SOURCE_UP)})",
        "last": f"1000 * max by (source) ({select(SOURCE_LAST_READ)})",
        "rows": rate(SOURCE_ROWS, "5m", by=("source",)),
        "done": f"min by (source) ({select(SOURCE_DONE)})",
    }
    titles = {
        "source": "Source",
        "Value #up": "Up",
        "Value #last": "Last read",
        "Value #rows": "Rows",
        "Value #done": "Read so far",
    }
    return table(
        "Sources",
        "State databases, APIs and folders of the configuration. Down: it cannot be read, and what is shown of its "
        "runs is the past.",
        [prom(expr, ref=ref, instant=True, format="table") for ref, expr in figures.items()],
        no_value="No sources are configured.",
        columns=[
            by_name("Source", min_width=140),
            by_name(
                "Up",
                width=80,
                mappings=look.UP_DOWN,
                cell="color-text",
                steps=((None, look.RED), (1, look.GREEN)),
            ),
            tables.ago_column("Last read", width=150),
            by_name("Rows", width=95, unit="cps", decimals=1),
            by_name("Read so far", width=110, unit="percentunit", decimals=0),
        ],
        transformations=tables.merged(titles),
    )


def _unread() -> Panel:
    return timeseries(
        "Trouble with sources",
        "Away: it could not be read. Row: one did not fit the mapping and was left out. Defect: a mistake of the "
        "exporter.",
        prom(
            f"{increase(SOURCE_ERRORS, '$__interval', by=('source', 'reason'))} > 0", "{{source}} {{reason}}"
        ),
        unit="short",
        bars=True,
        stacked=True,
        interval="1m",
        calcs=("sum",),
        no_value="All sources were read in this time range.",
    )


def _alerts() -> Panel:
    return alert_list(
        "Alerts",
        "Alerts on the exporter and what carries it. None is good.",
        instances='{scope="exporter"}',
    )


def _events() -> Panel:
    return timeseries(
        "Events a second",
        "By way in and what became of them.",
        prom(rate(EVENTS, "$__rate_interval", by=("source", "outcome")), "{{source}} {{outcome}}"),
        unit="cps",
        stacked=True,
        fill=30,
        no_value="No event has come yet.",
    )


def _refused() -> Panel:
    return timeseries(
        "Refused and failed",
        "Requests refused, by way in and HTTP status: 4xx is a mistake of the sender, 503 a full queue or a lost "
        "database. Failures of the exporter's own: commits by reason, and rounds of upkeep by task.",
        prom(f"{increase(REFUSALS, '$__interval', by=('source', 'status'))} > 0", "{{source}} {{status}}"),
        prom(f"{increase(COMMIT_FAILURES, '$__interval', by=('reason',))} > 0", "commit failed: {{reason}}"),
        prom(f"{increase(UPKEEP_FAILURES, '$__interval', by=('task',))} > 0", "upkeep failed: {{task}}"),
        unit="short",
        bars=True,
        stacked=True,
        interval="1m",
        calcs=("sum",),
        no_value="Nothing was refused, and nothing failed, in this time range.",
    )


def _queue() -> Panel:
    return timeseries(
        "Events that wait for a commit",
        "By exporter, and the limit dashed. Bad: a line near the limit, from which on senders have to wait.",
        prom(select(QUEUE_DEPTH), "{{instance}}"),
        prom(f"min({select(QUEUE_LIMIT)})", "limit"),
        unit="short",
        log=True,
        overrides=[
            by_name("limit", color=look.RED, lineStyle={"fill": "dash", "dash": [8, 8]}, fillOpacity=0)
        ],
    )


def _commits() -> Panel:
    return timeseries(
        "Time to make a group of events durable",
        "p50, p95 and p99. Bad: p99 of seconds: the database's disk is slow, or somebody holds a lock.",
        *charts.quantiles(COMMIT_SECONDS, {}),
        unit="s",
        overrides=[by_name(name, color=color) for name, color in look.QUANTILE_COLOR.items()],
    )


def _scrapes() -> Panel:
    return timeseries(
        "Time to answer a scrape",
        "p50 and p95 as the exporter measures it, and what Prometheus saw. Bad: near the scrape's time-out.",
        prom(tables.known(quantile(0.5, SCRAPE_SECONDS, "$__rate_interval")), "p50"),
        prom(tables.known(quantile(0.95, SCRAPE_SECONDS, "$__rate_interval")), "p95"),
        prom(f"max(scrape_duration_seconds * {_HERE})", "seen by Prometheus"),
        unit="s",
        overrides=[
            *(by_name(name, color=color) for name, color in look.QUANTILE_COLOR.items()),
            by_name("seen by Prometheus", color=look.PURPLE),
        ],
    )


def _series() -> Panel:
    return timeseries(
        "Series",
        "Series exposed for pipelines, and their limit dashed.",
        prom(f"max({gauge(SERIES)})", "series"),
        prom(f"max({gauge(SERIES_LIMIT)})", "limit"),
        unit="short",
        log=True,
        overrides=[
            by_name("limit", color=look.RED, lineStyle={"fill": "dash", "dash": [8, 8]}, fillOpacity=0)
        ],
    )


def _memory() -> Panel:
    return timeseries(
        "Memory",
        "Resident memory of each exporter.",
        prom(f"process_resident_memory_bytes * {_HERE}", "{{instance}}"),
        unit="bytes",
    )


def _cpu() -> Panel:
    return timeseries(
        "CPU",
        "Cores that each exporter uses.",
        prom(f"rate(process_cpu_seconds_total[$__rate_interval]) * {_HERE}", "{{instance}}"),
        unit="short",
        decimals=2,
    )


def _room() -> Panel:
    return timeseries(
        "Room for the database",
        "Free part of the volume that a SQLite database is on. Bad: below 10 %, as on a full disk nothing is accepted. "
        "PostgreSQL's own disk is not known here.",
        prom(f"{select(DATABASE_FREE)} / {select(DATABASE_VOLUME)}", "{{instance}}"),
        unit="percentunit",
        max=1,
        decimals=0,
        steps=((None, look.RED), (0.1, look.GREEN)),
        no_value="The database is PostgreSQL: its disk is not known here.",
    )


def _left_out() -> Panel:
    return timeseries(
        "Left out and put right",
        "Label values shown as __other__, words that stand for no status, ends that changed after they were counted, "
        "queries of panels over PostgreSQL that lasted too long.",
        prom(f"{increase(LABEL_OVERFLOW, '$__interval', by=('label',))} > 0", "__other__: {{label}}"),
        prom(f"{increase(UNMAPPED, '$__interval', by=('word',))} > 0", "unknown word: {{word}}"),
        prom(f"{increase(CORRECTIONS, '$__interval', by=('what',))} > 0", "corrected: {{what}}"),
        prom(f"{increase(READER_ENDED, '$__interval')} > 0", "panels' queries ended"),
        unit="short",
        bars=True,
        stacked=True,
        interval="1m",
        calcs=("sum",),
        no_value="Nothing was left out or put right in this time range.",
    )


def _retention() -> Panel:
    return timeseries(
        "Rows deleted by retention",
        "In each interval, by table. Totals stay.",
        prom(f"{increase(RETENTION_ROWS, '$__interval', by=('table',))} > 0", "{{table}}"),
        unit="short",
        bars=True,
        stacked=True,
        interval="5m",
        calcs=("sum",),
        no_value="Nothing was old enough to be deleted in this time range.",
    )
