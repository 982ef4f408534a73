"""A dashboard as Grafana 12 stores it."""

from __future__ import annotations

from collections.abc import Sequence

import attr
from grafanalib import core

from dashboards.grafana.json import SCHEMA_VERSION, Json, plain
from dashboards.grafana.layout import Section, Strip, arranged
from dashboards.grafana.panels import Panel

TAG = "pipeline-exporter"
REFRESH_INTERVALS = ("1s", "5s", "10s", "15s", "30s", "1m", "5m", "15m", "30m", "1h")


@attr.s(auto_attribs=True, kw_only=True)
class Dashboard(core.Dashboard):  # type: ignore[misc]  # grafanalib ships no types
    """A dashboard. `variables`, `links` and `annotation_queries` are JSON from the modules beside this one."""

    uid: str
    title: str
    description: str
    panels: list[Panel]
    variables: list[Json]
    links: list[Json] = attr.Factory(list)
    annotation_queries: list[Json] = attr.Factory(list)
    refresh: str = "10s"
    time_from: str = "now-3h"

    def to_json_data(self) -> Json:
        found: Json = plain(
            {
                "uid": self.uid,
                "title": self.title,
                "description": self.description,
                "tags": [TAG],
                "editable": True,
                "graphTooltip": 1,
                "schemaVersion": SCHEMA_VERSION,
                "version": 0,
                "timezone": "browser",
                "refresh": self.refresh,
                "time": {"from": self.time_from, "to": "now"},
                "timepicker": {"refresh_intervals": list(REFRESH_INTERVALS), "hidden": False},
                "links": self.links,
                "templating": {"list": self.variables},
                "annotations": {"list": self.annotation_queries},
                "panels": self.panels,
            }
        )
        return found


def board(
    uid: str,
    title: str,
    description: str,
    parts: Sequence[Strip | Section],
    *,
    variables: Sequence[Json],
    links: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
    refresh: str = "10s",
    time_from: str = "now-3h",
) -> Dashboard:
    """A dashboard of strips and sections. `refresh` "" leaves it still: refreshing closes opened spans."""
    return Dashboard(
        uid=uid,
        title=f"Pipelines / {title}",
        description=description,
        panels=arranged(parts),
        variables=list(variables),
        links=list(links),
        annotation_queries=list(annotations),
        refresh=refresh,
        time_from=time_from,
    )
