"""The generated parts of docs/alerts.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from alerting.alert import Alert, AlertGroup
from alerting.catalogue import GROUPS
from exporter.catalogue.markdown import table
from exporter.catalogue.recorded import RECORDED
from exporter.catalogue.thresholds import PREFIX, THRESHOLDS, Threshold

DOCUMENT = "docs/alerts.md"


def alerts() -> str:
    """Every alert, by subject."""
    return "\n".join(_group(group) for group in GROUPS)


def _group(group: AlertGroup) -> str:
    rows = [_alert(group, alert) for alert in group.alerts]
    heads = ("alert", "severity", "for", "fires when", "thresholds")
    return f"### {group.title}\n\n{table(heads, rows)}"


def _alert(group: AlertGroup, alert: Alert) -> tuple[str, ...]:
    lasting = "" if alert.for_ == "0s" else alert.for_
    thresholds = ", ".join(f"`{each.name}`" for each in alert.thresholds)
    return (
        f"[{alert.name}](runbooks/{group.runbook(alert)})",
        alert.severity.value,
        lasting,
        _prose(alert.meaning),
        thresholds,
    )


def thresholds() -> str:
    """Every threshold with its default."""
    rows = [
        (f"`{PREFIX}{each.name}`", _default(each), each.unit, _values(each), each.meaning)
        for each in THRESHOLDS
    ]
    return table(("label", "default", "in", "values", "meaning"), rows)


def _default(threshold: Threshold) -> str:
    return "none" if threshold.default is None else f"{threshold.default:g}"


def _values(threshold: Threshold) -> str:
    if threshold.choices:
        return ", ".join(f"{choice:g}" for choice in threshold.choices)
    return (
        f"{threshold.least:g} or more"
        if threshold.most >= 1e12
        else f"{threshold.least:g} to {threshold.most:g}"
    )


def recorded() -> str:
    """Every recorded metric."""
    rows = [
        (f"`{metric.name}`", ", ".join(f"`{label}`" for label in metric.labels[2:]), _prose(metric.help))
        for metric in RECORDED
    ]
    return table(("metric", "labels besides `job`, `pipeline`, `environment`", "meaning"), rows)


def _prose(text: str) -> str:
    return text.replace("__other__", "`__other__`").replace("|", r"\|")


PARTS: Mapping[str, Callable[[], str]] = {"alerts": alerts, "thresholds": thresholds, "recorded": recorded}
