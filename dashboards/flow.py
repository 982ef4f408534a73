"""The flow of a pipeline as Grafana's node graph, fed by Prometheus alone.

The panel takes a frame for nodes or edges by the names of its fields, so each figure is a query of its own whose label
`stat` says which field it is; `joinByLabels` makes one frame out of them. Every stage and edge is filled up with zeros
from the info metrics: an edge whose end is missing would break the whole panel.
"""

from __future__ import annotations

from dashboards import links, look
from dashboards.grafana.fields import by_name
from dashboards.grafana.panels import Panel
from dashboards.grafana.targets import Target, prom
from dashboards.grafana.transformations import join_by_labels, organize, without_rows_where
from dashboards.scope import ONE_PIPELINE
from exporter.catalogue.metric import Metric
from exporter.catalogue.metrics import (
    EDGE_INFO,
    EDGE_ITEMS,
    STAGE_ACTIVE,
    STAGE_BASELINE,
    STAGE_DURATION,
    STAGE_EXECUTIONS,
    STAGE_INFO,
    STAGE_LAYOUT_X,
    STAGE_LAYOUT_Y,
)
from exporter.catalogue.promql import gauge, quantile, rate
from exporter.domain.status import Status

_OF_NO_STAGE = {"arc__idle": 1, "fixedX": 0, "fixedY": 0}
"""Fields of the one grey node that says why there is nothing to draw: the panel itself would not say it."""
_WINDOW = "10m"
"""Over which rates are taken: `$__rate_interval` would make them flicker."""
_ELSE = "$__range"
"""Over which a stage is looked at that ended nothing within the window: hourly jobs are idle most of the time."""
_WIDTH, _HEIGHT = 1150, 380
"""Pixels that a drawing may take at zoom 1: what is larger is drawn closer together, or at last stands out."""
_ACROSS, _DOWN = (0.6, 0.85), (0.71, 1.0)
"""Of the layout's distances, least and most: with the least, nodes do not touch; with the most, nor do their names."""
_LEGEND = {
    "mainstat": "rate",
    "secondarystat": "duration p95",
    "arc__succeeded": "succeeded",
    "arc__failed": "failed",
    "arc__cancelled": "cancelled",
    "arc__idle": "none ended",
}
"""What the legend and the menus call the fields: this panel takes no name by override."""
_NO_EDGE = "no edge"
_NO_STAGE = "no stages told"

_INFO = gauge(STAGE_INFO, by=("stage", "kind"), where=ONE_PIPELINE)
_ZERO = f"0 * {gauge(STAGE_INFO, by=('stage',), where=ONE_PIPELINE)}"
_ENDED, _ENDED_ELSE = (
    rate(STAGE_EXECUTIONS, window, by=("stage",), where=ONE_PIPELINE) for window in (_WINDOW, _ELSE)
)


_USUAL = gauge(STAGE_BASELINE, by=("stage",), where=ONE_PIPELINE, quantile="0.95")
"""Of a stage that ended nothing in the time range, or just once, before Prometheus first saw it."""


def flow(title: str, description: str) -> Panel:
    """Stages with their rate, p95 and a ring of how they ended; arrows with the items that went along."""
    return Panel(
        type="nodeGraph",
        title=title,
        description=description,
        targets=[*_nodes(), *_edges()],
        transformations=[
            join_by_labels("stat", ("id", "title", "subtitle"), r"/^n\d+$/"),
            join_by_labels("stat", ("id", "source", "target"), r"/^e\d+$/"),
            without_rows_where("id", _NO_EDGE),
            organize(rename=_LEGEND),
        ],
        properties={
            "noValue": "No stages known yet: they appear with the first execution, or when declared."
        },
        overrides=[by_name("id", links=[links.to_stage(links.VALUE)])],
        options={
            "nodes": {
                "mainStatUnit": "/min",
                "secondaryStatUnit": "s p95",
                "arcs": [
                    {"field": "arc__succeeded", "color": look.GREEN},
                    {"field": "arc__failed", "color": look.RED},
                    {"field": "arc__cancelled", "color": look.ORANGE},
                    {"field": "arc__idle", "color": "#6e7178"},
                ],
            },
            "edges": {"mainStatUnit": "items/s"},
            "zoomMode": "cooperative",
            "layoutAlgorithm": "layered",
        },
    )


def _nodes() -> list[Target]:
    figures = {
        "mainstat": f"60 * {_ENDED}",
        "secondarystat": f"{_p95(_WINDOW)} or {_p95(_ELSE)} or {_USUAL}",
        "arc__succeeded": _share(Status.SUCCEEDED, Status.SKIPPED),
        "arc__failed": _share(Status.FAILED, Status.TIMED_OUT),
        "arc__cancelled": _share(Status.CANCELLED),
        "arc__idle": f"(({_ENDED} > 0) or {_ENDED_ELSE}) == bool 0",
        "fixedX": _place(STAGE_LAYOUT_X, _WIDTH, _ACROSS),
        "fixedY": _place(STAGE_LAYOUT_Y, _HEIGHT, _DOWN),
        "detail__active": gauge(STAGE_ACTIVE, by=("stage",), fold="sum", where=ONE_PIPELINE),
    }
    return [
        prom(_node(expr, field), ref=f"n{number}", instant=True)
        for number, (field, expr) in enumerate(figures.items(), start=1)
    ]


def _edges() -> list[Target]:
    items = rate(EDGE_ITEMS, _WINDOW, by=("source", "target"), where=ONE_PIPELINE)
    zero = f"0 * {gauge(EDGE_INFO, by=('source', 'target'), where=ONE_PIPELINE)}"
    figures = {"mainstat": items, "thickness": f"clamp_max(1 + 2 * ln(1 + {items}), 10)"}
    # Of nothing, joinByLabels makes a frame without an id, over which the whole panel fails.
    none = _labelled("vector(0)", id=_NO_EDGE, source=_NO_EDGE, target=_NO_EDGE)
    return [
        prom(
            f'label_replace(label_join(({expr}) or on (source, target) ({zero}), "id", "->", "source", "target") '
            f'or {none}, "stat", "{field}", "", "")',
            ref=f"e{number}",
            instant=True,
        )
        for number, (field, expr) in enumerate(figures.items(), start=1)
    ]


def _node(expr: str, field: str) -> str:
    filled = f"((({expr}) or on (stage) ({_ZERO})) * on (stage) group_left (kind) {_INFO})"
    labelled = (
        f'label_replace(label_replace({filled}, "id", "$1", "stage", "(.+)"), "title", "$1", "stage", "(.+)")'
    )
    # A blank where no kind is told: joinByLabels wants the label.
    blank = f'label_replace({labelled}, "subtitle", " ", "", "")'
    node = f'label_replace({blank}, "subtitle", "$1", "kind", "(.+)")'
    if field in _OF_NO_STAGE:
        none = _labelled(
            f"vector({_OF_NO_STAGE[field]})", id=_NO_STAGE, title=_NO_STAGE, subtitle="by its source"
        )
        node = f"({node} or on () {none})"
    return f'label_replace({node}, "stat", "{field}", "", "")'


def _labelled(expr: str, **labels: str) -> str:
    for name, value in labels.items():
        expr = f'label_replace({expr}, "{name}", "{value}", "", "")'
    return expr


def _share(*statuses: Status) -> str:
    part, part_else = (
        rate(STAGE_EXECUTIONS, window, by=("stage",), status=statuses, where=ONE_PIPELINE)
        for window in (_WINDOW, _ELSE)
    )
    return f"{part} / ({_ENDED} > 0) or {part_else} / clamp_min({_ENDED_ELSE}, 1e-9)"


def _p95(window: str) -> str:
    return f"(({quantile(0.95, STAGE_DURATION, window, by=('stage',), where=ONE_PIPELINE)}) >= 0)"


def _place(metric: Metric, room: int, density: tuple[float, float]) -> str:
    """Where a stage stands from the panel's middle, in pixels; nothing fits itself to the panel."""
    places = gauge(metric, by=("stage",), where=ONE_PIPELINE)
    first, last = f"scalar(min({places}))", f"scalar(max({places}))"
    least, most = density
    closeness = f"clamp({room} / clamp_min(vector({last} - {first}), 1), {least}, {most})"
    return f"({places} - ({first} + {last}) / 2) * scalar({closeness})"
