"""Metrics of Prometheus and Alertmanager about themselves, as far as rules ask for them."""

from __future__ import annotations

from exporter.catalogue.metric import Kind, Metric, Scope


def _foreign(name: str, kind: Kind, help_: str, *extra: str) -> Metric:
    return Metric(name, kind, help_, Scope.EXPORTER, extra=extra)


UP = _foreign("up", Kind.GAUGE, "1 if the latest scrape of a target succeeded.")
RULE_FAILURES = _foreign(
    "prometheus_rule_evaluation_failures_total",
    Kind.COUNTER,
    "Rules that could not be evaluated.",
    "rule_group",
)
RULE_MISSES = _foreign(
    "prometheus_rule_group_iterations_missed_total",
    Kind.COUNTER,
    "Evaluations left out for want of time.",
    "rule_group",
)
NOTIFICATIONS_DROPPED = _foreign(
    "prometheus_notifications_dropped_total", Kind.COUNTER, "Alerts that did not reach Alertmanager."
)
ALERTMANAGERS = _foreign(
    "prometheus_notifications_alertmanagers_discovered", Kind.GAUGE, "Alertmanagers that Prometheus knows."
)
NOTIFICATIONS_FAILED = _foreign(
    "alertmanager_notifications_failed_total", Kind.COUNTER, "Notifications not delivered.", "integration"
)

FOREIGN: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
