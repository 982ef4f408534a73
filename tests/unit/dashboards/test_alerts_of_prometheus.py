"""Alerts as Prometheus records them: queries like any other, and its series like any other's to promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards import alerts
from exporter.catalogue.metrics import METRIC_OF_NAME
from exporter.catalogue.promql import WrongQuery
from tests.support.boards import promql
from tests.support.tools import tool

RULE = {
    "alert": "PipelineFailed",
    "expr": 'broken{pipeline="nightly"} > 0',
    "labels": {"severity": "warning", "environment": "lab", "owner": "us"},
}
SLOW = {
    "alert": "Slow",
    "for": "10m",
    "expr": 'broken{pipeline="nightly"} > 0',
    "labels": {"severity": "critical"},
}


def test_an_alert_that_fires_is_found_by_the_chosen_pipeline(tmp_path: Path) -> None:
    nightly = {"pipeline": "nightly", "environment": "lab"}
    assert_gives(
        tmp_path,
        promql(alerts.firing(), nightly),
        '{alertname="PipelineFailed",severity="warning",pipeline="nightly",environment="lab",owner="us"}',
        1,
    )
    assert_gives(tmp_path, promql(alerts.firing(), {**nightly, "pipeline": "other"}), None, 0)


def test_alerts_that_name_no_pipeline_belong_to_all() -> None:
    assert promql(alerts.firing(), {}).count('pipeline=~".*"') == 1


def test_since_tells_when_the_condition_began_and_whether_it_has_held_long_enough(tmp_path: Path) -> None:
    labels = 'alertname="PipelineFailed",severity="warning",pipeline="nightly",environment="lab",owner="us"'
    query = promql(alerts.since(), {"pipeline": "nightly", "environment": "lab"})
    assert_gives(tmp_path, query, f'{{{labels},alertstate="firing"}}', 120)
    slow = promql(alerts.since(), {"pipeline": "nightly"}).replace("ALERTS{", 'ALERTS{alertname="Slow",')
    assert_gives(
        tmp_path,
        slow,
        '{alertname="Slow",severity="critical",pipeline="nightly",alertstate="pending"}',
        120,
    )


def test_one_severity_can_be_asked_for() -> None:
    assert 'severity="critical"' in alerts.firing(severity="critical")
    assert "severity=" not in alerts.firing()


def test_a_label_that_alerts_lack_is_refused() -> None:
    with pytest.raises(WrongQuery, match="ALERTS has no label colour"):
        alerts.firing(by=("colour",))


def test_the_series_of_prometheus_are_not_taken_for_the_exporters() -> None:
    assert not {alerts.ALERTS.name, alerts.ALERTS_SINCE.name} & set(METRIC_OF_NAME)


def assert_gives(folder: Path, query: str, labels: str | None, value: float) -> None:
    """The query's answer five minutes after the start; the condition holds from the second minute on."""
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [RULE, SLOW]}]}))
    case = {
        "interval": "1m",
        "input_series": [{"series": 'broken{pipeline="nightly"}', "values": "0 0 1x20"}],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "5m",
                "exp_samples": [] if labels is None else [{"labels": labels, "value": value}],
            }
        ],
    }
    (folder / "case.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]})
    )
    command = [tool("promtool"), "test", "rules", str(folder / "case.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
