"""Queries of panels, by datasource. Each datasource is a variable, so that one file serves provisioning and import."""

from __future__ import annotations

import attr
from grafanalib import core

from dashboards.grafana.json import Json

PROMETHEUS: Json = {"type": "prometheus", "uid": "${datasource}"}
SQL: Json = {"type": "grafana-postgresql-datasource", "uid": "${sql}"}
MIXED: Json = {"type": "datasource", "uid": "-- Mixed --"}
"""Grafana's own, for a panel whose queries go to several."""
TRACES: Json = {"type": "jaeger", "uid": "${traces}"}


@attr.s(auto_attribs=True, kw_only=True)
class Target(core.Target):  # type: ignore[misc]  # grafanalib ships no types
    """A query; `fields` are those that only its datasource knows."""

    datasource: Json
    fields: Json
    refId: str = ""  # noqa: N815  # grafanalib's name

    def to_json_data(self) -> Json:
        return {"refId": self.refId, "datasource": self.datasource, **self.fields}


def stand_in(target: Target) -> Target:
    """A query that Grafana does not ask: an export without another query's datasource has this one instead."""
    return attr.evolve(target, fields={**target.fields, "hide": True})


def prom(
    expr: str,
    legend: str = "__auto",
    *,
    instant: bool = False,
    format: str = "time_series",
    exemplar: bool = False,
    ref: str = "",
    interval: str | None = None,
) -> Target:
    """A PromQL query.

    `format`: time_series, table or heatmap. `instant`: one value each, as of the range's end. `interval`: how often its
    series are sampled, if not as often as Prometheus scrapes; the least step of the query, whatever its panel says.
    """
    return Target(
        datasource=PROMETHEUS,
        refId=ref,
        fields={
            "expr": expr,
            "editorMode": "code",
            "format": format,
            "instant": instant,
            "range": not instant,
            "exemplar": exemplar,
            "legendFormat": legend,
            "interval": interval,
        },
    )


def sql(query: str, *, format: str = "table", ref: str = "") -> Target:
    """A query of the SQL views. `format`: table or time_series."""
    return Target(
        datasource=SQL,
        refId=ref,
        fields={
            "rawQuery": True,
            "editorMode": "code",
            "format": format,
            "rawSql": " ".join(query.split()),
        },
    )


def trace(trace_id: str, *, ref: str = "") -> Target:
    """One execution as a trace."""
    return Target(datasource=TRACES, refId=ref, fields={"query": trace_id})
