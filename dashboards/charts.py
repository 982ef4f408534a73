"""Charts that several dashboards have."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards import look
from dashboards.grafana.fields import by_name
from dashboards.grafana.json import Json
from dashboards.grafana.panels import Panel, heatmap, timeseries
from dashboards.grafana.targets import Target, prom, sql, stand_in
from dashboards.tables import known
from exporter.catalogue.metric import Metric
from exporter.catalogue.promql import Wanted, gauge, heat, increase, quantile
from exporter.domain.status import Status

_QUANTILES = (0.5, 0.95, 0.99)
STATUS_COLORS: list[Json] = [by_name(status.value, color=look.COLOR[status]) for status in Status]
"""Of lines that are named by statuses."""


def outcomes_of(view: str, where: str, metric: Metric, where_metric: Mapping[str, Wanted]) -> list[Target]:
    """How many ended how, by status.

    Out of the history, for Prometheus counts nothing of what ended before it first saw the pipeline, and all at once
    what ended while it did not look. It stands in where there is no SQL.
    """
    query = f"""
        SELECT $__timeGroup(queued_at, $__interval, NULL), status AS metric, count(*)::float8 AS value
        FROM {view} WHERE $__timeFilter(queued_at) AND ended_at IS NOT NULL AND {where} GROUP BY 1, 2 ORDER BY 1
    """
    counted = f"{increase(metric, '$__interval', by=('status',), where=where_metric)} > 0"
    return [sql(query, format="time_series"), stand_in(prom(counted, "{{status}}"))]


def quantiles(metric: Metric, where: Mapping[str, Wanted], *, interval: str | None = None) -> list[Target]:
    """p50, p95 and p99 of a histogram, for `look.QUANTILE_COLOR`."""
    return [
        prom(
            known(quantile(q, metric, "$__rate_interval", where=where)),
            f"p{q * 100:.0f}",
            interval=interval,
        )
        for q in _QUANTILES
    ]


def durations(
    description: str, *, of: tuple[str, str], metric: Metric, usual: Metric, where: Mapping[str, Wanted]
) -> Panel:
    """How long something takes, with the usual p95 dashed. `of`: a view of the history, and a condition on its rows.

    Exact, out of the history: what a histogram makes of a bucket's ten seconds would stand far above the dashed line.
    It stands in where there is no SQL.
    """
    view, chosen = of
    figures = ", ".join(
        f"percentile_cont({q}) WITHIN GROUP (ORDER BY duration_seconds) AS p{q * 100:.0f}" for q in _QUANTILES
    )
    query = f"""
        SELECT $__timeGroup(queued_at, $__interval, NULL), {figures}
        FROM {view} WHERE $__timeFilter(queued_at) AND ended_at IS NOT NULL AND {chosen} GROUP BY 1 ORDER BY 1
    """
    usually = f"max({gauge(usual, quantile='0.95', where=where)})"
    # Never so, but a query has the exemplars of all that it names.
    dots = f"{quantile(_QUANTILES[-1], metric, '$__rate_interval', where=where)} < 0"
    return timeseries(
        "Duration",
        description,
        sql(query, format="time_series"),
        *(stand_in(target) for target in quantiles(metric, where)),
        prom(f"{usually} or {dots}", "usual p95", exemplar=True),
        unit="s",
        interval="2m",
        gap_ms=1_800_000,
        no_value="Nothing ended in this time range.",
        overrides=[
            *(by_name(name, color=color) for name, color in look.QUANTILE_COLOR.items()),
            by_name("usual p95", color=look.GREY, lineStyle={"fill": "dash", "dash": [8, 8]}, fillOpacity=0),
        ],
    )


def distribution(description: str, metric: Metric, where: Mapping[str, Wanted]) -> Panel:
    """Durations as a heatmap, with single executions as dots."""
    return heatmap(
        "Distribution of durations",
        description,
        prom(heat(metric, "$__rate_interval", where=where), "{{le}}", format="heatmap", exemplar=True),
        unit="s",
        interval="2m",
    )
