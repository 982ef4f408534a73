"""Panels. Every one has a description: what it shows, what is bad, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import attr
from grafanalib import core

from dashboards.grafana.fields import Link, Steps, by_regex, defaults, style
from dashboards.grafana.json import GRAFANA_VERSION, Json
from dashboards.grafana.targets import MIXED, PROMETHEUS, Target
from dashboards.grafana.transformations import with_fields


@attr.s(auto_attribs=True, kw_only=True)
class Panel(core.Panel):  # type: ignore[misc]  # grafanalib ships no types
    """A panel of any type. `properties` and `overrides` come from `fields`."""

    type: str
    title: str
    description: str
    targets: list[Target] = attr.Factory(list)
    options: Json = attr.Factory(dict)
    properties: Json = attr.Factory(dict)
    overrides: list[Json] = attr.Factory(list)
    transformations: list[Json] = attr.Factory(list)
    links: list[Link] = attr.Factory(list)
    interval: str | None = None
    max_points: int | None = None
    gridPos: Json | None = None  # noqa: N815  # grafanalib's name
    panels: list[Panel] = attr.Factory(list)
    collapsed: bool | None = None
    time_from: str | None = None
    time_hidden: bool | None = None

    def to_json_data(self) -> Json:
        for letter, target in zip(ascii_uppercase, self.targets, strict=False):
            target.refId = target.refId or letter
        row = self.type == "row"
        return {
            "id": self.id,
            "type": self.type,
            "title": self.title,
            "description": self.description or None,
            "gridPos": self.gridPos,
            "datasource": None if row else self._datasource(),
            "fieldConfig": None
            if row
            else {"defaults": defaults(self.properties), "overrides": self.overrides},
            "options": None if row else self.options,
            "targets": None if row else self.targets,
            "transformations": self.transformations or None,
            "links": [{"targetBlank": False, "title": link.title, "url": link.url} for link in self.links]
            or None,
            "interval": self.interval,
            "maxDataPoints": self.max_points,
            "timeFrom": self.time_from,
            "hideTimeOverride": self.time_hidden,
            "pluginVersion": None if row else GRAFANA_VERSION,
            "collapsed": self.collapsed,
            "panels": self.panels if row else None,
        }

    def _datasource(self) -> Json:
        """The targets' datasource, or the one that asks several."""
        asked = [target.datasource for target in self.targets]
        if not asked:
            return PROMETHEUS
        return MIXED if any(each != asked[0] for each in asked) else asked[0]


def legend(*calcs: str, place: str = "bottom", table: bool = False, shown: bool = True) -> Json:
    """A chart's legend, with the figures named in `calcs` (lastNotNull, max, mean, sum)."""
    return {
        "showLegend": shown,
        "displayMode": "table" if table else "list",
        "placement": place,
        "calcs": list(calcs),
    }


_NO_LEGEND = legend(shown=False)

_ROWS = 20
"""Rows of states to a page, as in Grafana."""

NOTHING: list[Json] = [{"type": "special", "options": {"match": "nan", "result": {"text": " ", "index": 0}}}]
"""NaN as an empty cell: `tables.instant` puts it where a query answers nothing for a row that others have."""


def stat(
    title: str,
    description: str,
    target: Target | Sequence[Target],
    *,
    steps: Steps,
    unit: str = "short",
    no_value: str = "no answer",
    background: bool = False,
    links: Sequence[Link] = (),
    mappings: list[Json] | None = None,
    decimals: int | None = None,
    fields: str = "",
    graph: bool = False,
    size: int | None = None,
    text: str = "value",
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    orientation: str = "auto",
) -> Panel:
    """One figure, or a few side by side. Keep a step below zero grey: no data must not look like a good zero."""
    return Panel(
        type="stat",
        title=title,
        description=description,
        targets=[target] if isinstance(target, Target) else list(target),
        properties=style(
            unit=unit, no_value=no_value, steps=steps, links=links, mappings=mappings, decimals=decimals
        ),
        overrides=list(overrides),
        transformations=list(transformations),
        options={
            "colorMode": "background_solid" if background else "value",
            "graphMode": "area" if graph else "none",
            "justifyMode": "center",
            "textMode": text,
            "orientation": orientation,
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": fields, "values": False},
            "wideLayout": True,
            "showPercentChange": False,
            "text": {"valueSize": size} if size else None,
        },
    )


def table(
    title: str,
    description: str,
    targets: Target | Sequence[Target],
    *,
    columns: Sequence[Json] = (),
    no_value: str,
    transformations: Sequence[Json] = (),
    sort: Sequence[tuple[str, bool]] = (),
    filterable: bool = False,
    max_points: int | None = None,
    paging: bool = False,
    cell_height: str = "sm",
    **properties: Any,
) -> Panel:
    """Rows. `columns` are overrides; `sort` names columns and whether the largest comes first."""
    return Panel(
        type="table",
        title=title,
        description=description,
        targets=[targets] if isinstance(targets, Target) else list(targets),
        properties=style(no_value=no_value, align="auto", filterable=filterable, **properties),
        # `no_value` is for a table without rows; a cell without a value is empty, unless its column says more.
        overrides=[by_regex(".*", no_value=" ", mappings=NOTHING), *columns],
        transformations=list(transformations),
        max_points=max_points,
        options={
            "showHeader": True,
            "cellHeight": cell_height,
            "enablePagination": paging,
            "sortBy": [{"displayName": name, "desc": desc} for name, desc in sort],
        },
    )


def timeseries(
    title: str,
    description: str,
    *targets: Target,
    unit: str,
    no_value: str = "nothing in this time range",
    overrides: Sequence[Json] = (),
    steps: Steps | None = None,
    line_at_steps: bool = False,
    stacked: bool = False,
    bars: bool = False,
    points: bool = False,
    fill: int = 10,
    calcs: Sequence[str] = ("lastNotNull",),
    legend_table: bool = False,
    legend_place: str = "bottom",
    links: Sequence[Link] = (),
    min: float | None = 0,
    max: float | None = None,
    decimals: int | None = None,
    interval: str | None = None,
    gap_ms: int | bool = 120_000,
    log: bool = False,
    max_points: int | None = None,
    transformations: Sequence[Json] = (),
    color_mode: str | None = "palette-classic",
) -> Panel:
    """Lines over time. `gap_ms`: a pause up to this long is bridged. `line_at_steps` draws the thresholds."""
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 70 if bars else fill,
        "lineWidth": 0 if bars else 2,
        "showPoints": "always" if points else "never",
        "spanNulls": False if bars else gap_ms,
    }
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    if line_at_steps:
        custom["thresholdsStyle"] = {"mode": "dashed"}
    if log:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    return Panel(
        type="timeseries",
        title=title,
        description=description,
        targets=list(targets),
        interval=interval,
        max_points=max_points,
        transformations=list(transformations),
        properties=style(
            unit=unit,
            no_value=no_value,
            steps=steps,
            links=links,
            min=None if log else min,
            max=max,
            decimals=decimals,
            color_mode=color_mode,
            **custom,
        ),
        overrides=list(overrides),
        options={
            "legend": legend(*calcs, table=legend_table, place=legend_place),
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def heatmap(
    title: str,
    description: str,
    target: Target,
    *,
    unit: str,
    scheme: str = "Blues",
    interval: str | None = None,
    cell_unit: str = "short",
    no_value: str = "nothing in this time range",
    buckets: int | None = None,
    links: Sequence[Link] = (),
    max_points: int | None = None,
) -> Panel:
    """Counts by value over time.

    The target answers a classic histogram's buckets (`format="heatmap"`); dots are exemplars. With `buckets` it answers
    single values, and Grafana sorts them into so many. Without an interval of the target or this one, cells are a
    minute wide at least.
    """
    calculation = {
        "xBuckets": {"mode": "count", "value": "60"},
        "yBuckets": {"mode": "count", "value": str(buckets), "scale": {"type": "linear"}},
    }
    return Panel(
        type="heatmap",
        title=title,
        description=description,
        targets=[target],
        interval=interval or (None if target.fields.get("interval") else "1m"),
        max_points=max_points,
        properties=style(no_value=no_value, links=links, scaleDistribution={"type": "linear"}),
        options={
            "calculate": buckets is not None,
            "calculation": calculation if buckets else None,
            "yAxis": {"unit": unit, "axisPlacement": "left"},
            "rowsFrame": {"layout": "auto"},
            "cellGap": 1,
            "color": {
                "mode": "scheme",
                "scheme": scheme,
                "fill": "dark-orange",
                "scale": "exponential",
                "exponent": 0.5,
                "steps": 64,
                "reverse": False,
            },
            "filterValues": {"le": 1e-9},
            "exemplars": {"color": "rgba(255, 120, 0, 0.4)"},
            "legend": {"show": True},
            "showValue": "never",
            "tooltip": {"mode": "multi", "yHistogram": True, "showColorScale": True},
            "cellValues": {"unit": cell_unit},
        },
    )


def state_timeline(
    title: str,
    description: str,
    *targets: Target,
    mappings: list[Json],
    no_value: str,
    transformations: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    links: Sequence[Link] = (),
    name: str | None = None,
    merge: bool = False,
    row_height: float = 0.8,
    show_value: str = "never",
    legend_shown: bool = True,
    max_points: int | None = None,
    rows: int = _ROWS,
) -> Panel:
    """Bars of states from start to end. More rows than `rows` come in pages."""
    return Panel(
        type="state-timeline",
        title=title,
        description=description,
        targets=list(targets),
        transformations=[*transformations, with_fields()],
        max_points=max_points,
        properties=style(
            mappings=mappings, no_value=no_value, links=links, name=name, fillOpacity=85, lineWidth=0
        ),
        overrides=list(overrides),
        options={
            "mergeValues": merge,
            "showValue": show_value,
            "rowHeight": row_height,
            "perPage": rows,
            "legend": legend(shown=legend_shown),
            "tooltip": {"mode": "single"},
        },
    )


def status_history(
    title: str,
    description: str,
    *targets: Target,
    no_value: str,
    mappings: list[Json] | None = None,
    steps: Steps | None = None,
    unit: str | None = None,
    transformations: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    links: Sequence[Link] = (),
    name: str | None = None,
    show_value: str = "never",
    max_points: int | None = None,
    min: float | None = None,
    max: float | None = None,
    legend_shown: bool = False,
    row_height: float = 0.88,
    interval: str | None = None,
    rows: int = _ROWS,
) -> Panel:
    """A grid of states: one cell for each sample. More rows than `rows` come in pages."""
    return Panel(
        type="status-history",
        title=title,
        description=description,
        targets=list(targets),
        transformations=[*transformations, with_fields()],
        max_points=max_points,
        interval=interval,
        properties=style(
            mappings=mappings,
            steps=steps,
            unit=unit,
            no_value=no_value,
            links=links,
            name=name,
            min=min,
            max=max,
            fillOpacity=85,
            lineWidth=0,
        ),
        overrides=list(overrides),
        options={
            "showValue": show_value,
            "rowHeight": row_height,
            "colWidth": 0.9,
            "perPage": rows,
            "legend": legend(shown=legend_shown),
            "tooltip": {"mode": "single"},
        },
    )


def bar_chart(
    title: str,
    description: str,
    target: Target,
    *,
    x: str,
    color_by: str | None,
    no_value: str,
    overrides: Sequence[Json] = (),
    links: Sequence[Link] = (),
    orientation: str = "vertical",
    stacking: str = "none",
    legend_shown: bool = False,
    transformations: Sequence[Json] = (),
    unit: str | None = None,
) -> Panel:
    """Bars by a text or time field. The unit of the values goes on them by override, or times would take it too."""
    return Panel(
        type="barchart",
        title=title,
        description=description,
        targets=[target],
        transformations=list(transformations),
        properties=style(
            min=0,
            no_value=no_value,
            links=links,
            unit=unit,
            fillOpacity=85,
            lineWidth=0,
            axisPlacement="auto",
        ),
        overrides=list(overrides),
        options={
            "xField": x,
            "colorByField": color_by,
            "orientation": orientation,
            "barWidth": 0.85,
            "groupWidth": 0.9,
            "barRadius": 0.1,
            "showValue": "never",
            "xTickLabelRotation": 0,
            "xTickLabelSpacing": 80,
            "stacking": stacking,
            "fullHighlight": True,
            "legend": legend(shown=legend_shown),
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    )


def bar_gauge(
    title: str,
    description: str,
    *targets: Target,
    unit: str,
    steps: Steps,
    no_value: str,
    min: float | None = 0,
    max: float | None = None,
    decimals: int | None = None,
    links: Sequence[Link] = (),
    name: str | None = None,
    transformations: Sequence[Json] = (),
) -> Panel:
    """One horizontal bar for each series."""
    return Panel(
        type="bargauge",
        title=title,
        description=description,
        targets=list(targets),
        transformations=list(transformations),
        properties=style(
            unit=unit,
            steps=steps,
            no_value=no_value,
            min=min,
            max=max,
            decimals=decimals,
            links=links,
            name=name,
        ),
        options={
            "orientation": "horizontal",
            "displayMode": "basic",
            "valueMode": "text",
            "showUnfilled": True,
            "sizing": "manual",
            "minVizWidth": 8,
            "minVizHeight": 16,
            "maxVizHeight": 44,
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "legend": _NO_LEGEND,
        },
    )


def gauge(
    title: str,
    description: str,
    target: Target,
    *,
    unit: str,
    steps: Steps,
    no_value: str,
    min: float = 0,
    max: float = 1,
    decimals: int | None = None,
    fields: str = "",
) -> Panel:
    """One figure on an arc between `min` and `max`."""
    return Panel(
        type="gauge",
        title=title,
        description=description,
        targets=[target],
        properties=style(unit=unit, steps=steps, no_value=no_value, min=min, max=max, decimals=decimals),
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": fields, "values": False},
            "showThresholdLabels": False,
            "showThresholdMarkers": False,
        },
    )


def logs(title: str, description: str, target: Target, *, newest_first: bool = False) -> Panel:
    """Lines with a level; the query names `time`, `body`, `level` and a stable `id`, in this order.

    Grafana shows the first text column as the line. Where there is none the query answers one that says why: this
    panel knows no words of its own for that.
    """
    return Panel(
        type="logs",
        title=title,
        description=description,
        targets=[target],
        options={
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            "wrapLogMessage": True,
            "enableLogDetails": True,
            "prettifyLogMessage": False,
            "dedupStrategy": "none",
            "enableInfiniteScrolling": False,
            "showLogContextToggle": False,
            "syntaxHighlighting": True,
            "fontSize": "small",
            "sortOrder": "Descending" if newest_first else "Ascending",
        },
    )


def traces(title: str, description: str, target: Target) -> Panel:
    """The waterfall of one trace."""
    return Panel(type="traces", title=title, description=description, targets=[target])


def alert_list(title: str, description: str, *, instances: str, limit: int = 20) -> Panel:
    """Alerts that fire or are about to. `instances` filters them by label: `{pipeline=~"${pipeline:pipe}"}`."""
    return Panel(
        type="alertlist",
        title=title,
        description=description,
        options={
            "viewMode": "list",
            "groupMode": "default",
            "maxItems": limit,
            "sortOrder": 3,
            "showInstances": False,
            "alertInstanceLabelFilter": instances,
            "alertName": "",
            "dashboardAlerts": False,
            "stateFilter": {
                "firing": True,
                "pending": True,
                "normal": False,
                "noData": False,
                "error": True,
                "recovering": True,
            },
        },
    )


def markdown(title: str, description: str, content: str) -> Panel:
    """Words."""
    return Panel(
        type="text", title=title, description=description, options={"mode": "markdown", "content": content}
    )
