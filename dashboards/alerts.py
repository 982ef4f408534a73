"""Alerts as Prometheus itself records them, in the series that it writes for every rule."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.scope import PIPELINES
from exporter.catalogue.metric import Kind, Metric, Scope
from exporter.catalogue.promql import Wanted, gauge

LABELS = ("alertname", "severity", "pipeline", "environment", "stage", "stream", "owner")
"""By which one alert differs from the next, as far as people are told."""
_OWN = ("alertname", "severity", "stage", "stream", "owner")

ALERTS = Metric(
    "ALERTS",
    Kind.GAUGE,
    "1 while an alert is pending or firing. Written by Prometheus, so not in the catalogue.",
    Scope.PIPELINE,
    extra=(*_OWN, "alertstate"),
)
ALERTS_SINCE = Metric(
    "ALERTS_FOR_STATE",
    Kind.GAUGE,
    "Since when an alert's condition has held. Written by Prometheus, so not in the catalogue.",
    Scope.PIPELINE,
    extra=_OWN,
    unit="seconds",
)


def firing(by: Iterable[str] = LABELS, *, severity: str | None = None) -> str:
    """1 for each alert of the chosen pipelines that fires, of one severity or of any."""
    wanted: dict[str, Wanted] = {} if severity is None else {"severity": severity}
    return gauge(ALERTS, by=by, where={**PIPELINES, "alertstate": "firing", **wanted})


def since() -> str:
    """Seconds since 1970 from which on each firing or pending alert's condition has held, with its `alertstate`."""
    state = gauge(ALERTS, by=(*LABELS, "alertstate"), where=PIPELINES)
    held = gauge(ALERTS_SINCE, by=LABELS, where=PIPELINES)
    return f"{state} * on ({', '.join(LABELS)}) group_left () {held}"
