"""Rules of Prometheus, as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from alerting.alert import Alert, AlertGroup
from alerting.catalogue import GROUPS
from exporter.catalogue import recorded

RECORDING = "recording.yml"
_HEAD = "# Written by `python -m alerting` from alerting/ and exporter/catalogue/recorded.py. Changes here are lost.\n"
KEEP_FIRING = "3m"
"""How long an alert outlives its condition. When no exporter answers, all conditions end, and it takes a minute until
PipelineExporterDown fires and keeps Alertmanager from telling that all is well."""
_WIDTH = 1000
"""No line is broken: that would change what stands in a template."""


@dataclass(frozen=True, slots=True)
class Options:
    """What differs between installations: where runbooks and Grafana are, and labels that every alert has besides."""

    runbooks_url: str = "http://localhost:9877/runbooks"
    grafana_url: str = "http://localhost:3000"
    labels: Mapping[str, str] = field(default_factory=dict)


def files(options: Options) -> dict[str, str]:
    """Texts of all files of rules, by name."""
    groups = {RECORDING: [_recording(group) for group in recorded.GROUPS]}
    groups |= {f"{group.name}.yml": [_alerting(group, options)] for group in GROUPS}
    return {name: _HEAD + _text({"groups": found}) for name, found in groups.items()}


def _recording(group: recorded.RecordingGroup) -> dict[str, Any]:
    rules = [
        {"record": rule.record, "expr": rule.expr} | ({"labels": dict(rule.labels)} if rule.labels else {})
        for rule in group.rules
    ]
    return {"name": group.name, "interval": group.interval, "rules": rules}


def _alerting(group: AlertGroup, options: Options) -> dict[str, Any]:
    return {
        "name": f"pipelines {group.name}",
        "rules": [_alert(group, alert, options) for alert in group.alerts],
    }


def _alert(group: AlertGroup, alert: Alert, options: Options) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expr}
    if alert.for_ != "0s":
        rule["for"] = alert.for_
    if group.scope != "exporter":
        rule["keep_firing_for"] = KEEP_FIRING
    kind = {"kind": alert.kind.value} if alert.kind else {}
    return rule | {
        "labels": {
            "severity": alert.severity.value,
            "scope": group.scope,
            **kind,
            **alert.labels,
            **options.labels,
        },
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{options.runbooks_url}/{group.runbook(alert)}",
            "dashboard_url": alert.dashboard.url(options.grafana_url),
        },
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represented)


def _text(content: Mapping[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
