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


class Kind(StrEnum):
    """What is wrong. Alertmanager tells by it and by the scope what another alert explains: docs/notifications.md."""

    FAILURE = "failure"
    STALENESS = "staleness"
    """nothing is heard, or nothing succeeds"""
    LATENCY = "latency"
    QUALITY = "quality"
    COST = "cost"
    SPACE = "space"
    DOWN = "down"


SCOPES = {
    "executions": "execution",
    "stages": "stage",
    "schedules": "schedule",
    "streams": "stream",
    "quality": "quality",
    "llm": "llm",
    "exporter": "exporter",
}
"""What the alerts of a group speak of, by the group's name."""


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
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts about one subject: a file of rules, and one of runbooks."""

    name: str
    title: str
    alerts: tuple[Alert, ...]

    @property
    def scope(self) -> str:
        """What its alerts speak of."""
        return SCOPES[self.name]

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
