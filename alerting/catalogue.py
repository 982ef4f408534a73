"""Every alert, once."""

from __future__ import annotations

from alerting import executions, exporter, llm, quality, schedules, stages, streams
from alerting.alert import Alert, AlertGroup

GROUPS: tuple[AlertGroup, ...] = (
    executions.GROUP,
    stages.GROUP,
    schedules.GROUP,
    streams.GROUP,
    quality.GROUP,
    llm.GROUP,
    exporter.GROUP,
)
ALERTS: tuple[Alert, ...] = tuple(alert for group in GROUPS for alert in group.alerts)
