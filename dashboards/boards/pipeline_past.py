"""One pipeline against its own past: is it slower than it was, since when is it known."""

from __future__ import annotations

from dashboards import look, tables
from dashboards.grafana.fields import Steps, by_name
from dashboards.grafana.panels import Panel, bar_gauge, table, timeseries
from dashboards.grafana.targets import prom
from dashboards.scope import ONE_PIPELINE
from exporter.catalogue.metrics import (
    EARLIER_DURATION,
    FIRST_EVENT,
    LAST_DURATION,
    LAST_END,
    LAST_EVENT,
    LAST_START,
    OLDEST_ACTIVE_START,
    RECENT_DURATION,
    STAGE_EARLIER_DURATION,
    STAGE_RECENT_DURATION,
)
from exporter.catalogue.promql import gauge

_SLOWER: Steps = ((None, look.GREEN), (1.25, look.ORANGE), (1.5, look.RED))
_BY = ("environment",)


def executions() -> Panel:
    """The latest successes beside those before."""
    return timeseries(
        "The latest five successes and those before",
        "Median durations. Bad: the latest stay above those before: something changed, and it is slower since then.",
        prom(gauge(RECENT_DURATION, by=_BY, where=ONE_PIPELINE), "latest five {{environment}}"),
        prom(gauge(EARLIER_DURATION, by=_BY, where=ONE_PIPELINE), "before {{environment}}"),
        unit="s",
        fill=0,
        no_value="Known after thirteen successes.",
    )


def stages() -> Panel:
    """The same as a ratio, by stage."""
    recent = gauge(STAGE_RECENT_DURATION, by=("stage",), where=ONE_PIPELINE)
    before = gauge(STAGE_EARLIER_DURATION, by=("stage",), where=ONE_PIPELINE)
    return bar_gauge(
        "Stages: the latest five successes against those before",
        "Median duration of the latest five over the one before: 1.5 is half as long again, and alerts.",
        prom(f"sort_desc({recent} / ({before} > 0))", "{{stage}}", instant=True),
        unit="short",
        decimals=2,
        max=3,
        steps=_SLOWER,
        no_value="Known after thirteen successes of a stage.",
    )


def times() -> Panel:
    """When the pipeline was first and last heard of."""
    figures = {
        "first": f"1000 * {gauge(FIRST_EVENT, by=_BY, where=ONE_PIPELINE)}",
        "event": f"1000 * {gauge(LAST_EVENT, by=_BY, where=ONE_PIPELINE)}",
        "start": f"1000 * {gauge(LAST_START, by=_BY, where=ONE_PIPELINE)}",
        "end": f"1000 * {gauge(LAST_END, by=_BY, where=ONE_PIPELINE)}",
        "took": gauge(LAST_DURATION, by=_BY, where=ONE_PIPELINE),
        "oldest": f"1000 * {gauge(OLDEST_ACTIVE_START, by=_BY, where=ONE_PIPELINE)}",
    }
    titles = {
        "environment": "Environment",
        "Value #first": "First event",
        "Value #event": "Last event",
        "Value #start": "Last start",
        "Value #end": "Last end",
        "Value #took": "It took",
        "Value #oldest": "Oldest still running",
    }
    return table(
        "Since when",
        "First and last signs of the pipeline. Bad: a last event long ago, or one that has been running for days.",
        tables.instant(figures, gauge(FIRST_EVENT, by=_BY, where=ONE_PIPELINE), _BY),
        no_value="Nothing is known of this pipeline.",
        columns=[
            by_name("Environment", min_width=110),
            *(
                tables.ago_column(name, width=160)
                for name in ("First event", "Last event", "Last start", "Last end")
            ),
            tables.seconds_column("It took", width=110),
            tables.ago_column("Oldest still running", width=170, no_value="none runs"),
        ],
        transformations=tables.merged(titles),
    )
