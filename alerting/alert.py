"""What an alert is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.catalogue.thresholds import Threshold


class Severity(StrEnum):
    """Whom an alert reaches."""

    CRITICAL = "critical"
    """wakes somebody"""
    WARNING = "warning"
    """is looked at within the day"""
    INFO = "info"
    """is shown, and sent to nobody"""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Where to look: uid and slug of a dashboard, and its variables by the labels that fill them."""

    uid: str
    slug: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def url(self, grafana: str) -> str:
        """Template of a link with the alert's own labels as variables."""
        asked = [f"var-{name}={{{{ $labels.{label} | urlquery }}}}" for name, label in self.variables.items()]
        return f"{grafana}/d/{self.uid}/{self.slug}?{'&'.join([*asked, 'from=now-6h', 'to=now'])}"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule.

    `expr`: PromQL; what it yields fires once it has done so for the time `for_`. `meaning`: for the list of alerts.
    `summary` and `description` are templates of Prometheus. `thresholds`: those that its owner may set.
    """

    name: str
    expr: str
    severity: Severity
    meaning: str
    summary: str
    description: str
    dashboard: Dashboard
    for_: str = "0s"
    thresholds: tuple[Threshold, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts about one subject: a file of rules, and one of runbooks."""

    name: str
    title: str
    alerts: tuple[Alert, ...]

    def runbook(self, alert: Alert) -> str:
        """Where the alert's runbook is, below the folder of runbooks."""
        return f"{self.name}.md#{alert.name.lower()}"


def _of(uid: str, *labels: str) -> Dashboard:
    return Dashboard(uid, uid.removeprefix("pipelines-"), {label: label for label in labels})


ON_PIPELINE = _of("pipelines-pipeline", "environment", "pipeline")
ON_STAGE = _of("pipelines-stage", "environment", "pipeline", "stage")
ON_ERRORS = _of("pipelines-errors", "environment", "pipeline")
ON_STREAMS = _of("pipelines-streams", "environment", "pipeline")
ON_QUALITY = _of("pipelines-quality", "environment", "pipeline")
ON_LLM = _of("pipelines-llm", "environment", "pipeline")
ON_SCHEDULES = _of("pipelines-schedules", "environment", "pipeline")
ON_EXPORTER = _of("pipelines-exporter")
