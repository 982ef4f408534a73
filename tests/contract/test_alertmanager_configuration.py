"""amtool reads what the renderer writes, and sends each alert where the documentation says."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerting.alertmanager.__main__ import main
from alerting.alertmanager.document import document
from tests.support.notifications import as_installed, rendered
from tests.support.paths import REPOSITORY
from tests.support.tools import tool

KEY = "0123456789abcdef0123456789abcdef"
SWITCHES = (
    {"EMAIL_TO": "a@example.org", "SMTP_HOST": "mail:587", "SMTP_FROM": "b@example.org"},
    {"SLACK_WEBHOOK_URL": "https://slack/x", "SLACK_CHANNEL": "#alerts"},
    {"TEAMS_WEBHOOK_URL": "https://teams/x"},
    {"PAGERDUTY_ROUTING_KEY": KEY},
    {"WEBHOOK_URL": "https://hook/x", "WEBHOOK_TOKEN": "t"},
)
COMBINATIONS = [
    combination for size in range(len(SWITCHES) + 1) for combination in itertools.combinations(SWITCHES, size)
]


def amtool(*arguments: str) -> str:
    done = subprocess.run([tool("amtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed_file(configuration: Any, folder: Path) -> Path:
    """The configuration, as the Alertmanager that is installed here can read it."""
    path = folder / "installed.yml"
    path.write_text(yaml.safe_dump(as_installed(configuration)))
    return path


@pytest.mark.parametrize(
    "combination", COMBINATIONS, ids=lambda chosen: "+".join(next(iter(c)) for c in chosen) or "none"
)
def test_every_combination_of_receivers_is_a_configuration(
    tmp_path: Path, combination: tuple[dict[str, str], ...]
) -> None:
    variables = {name: value for switch in combination for name, value in switch.items()}
    teams = {f"{name}_SALES": "off" for name in variables if name.endswith(("_URL", "_KEY", "_TO"))}
    path = installed_file(
        rendered(tmp_path, **variables, **teams, EMAIL_SEVERITIES_LAKE="critical"), tmp_path
    )
    assert "SUCCESS" in amtool("check-config", str(path))


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with teams and routes."""
    folder = tmp_path_factory.mktemp("routed")
    (folder / "routes.yml").write_text("""
routes:
  - {environment: dev, to: nobody}
  - {pipeline: ["billing-*", "ledger (old)"], severity: critical, to: [payments, default]}
  - {pipeline: 'odd"name\\', to: payments}
""")
    variables = {
        "WEBHOOK_URL": "https://all",
        "WEBHOOK_URL_PAYMENTS": "https://p",
        "WEBHOOK_URL_DATA_LAKE": "https://l",
    }
    environment = {f"PIPELINE_ALERTS_{name}": value for name, value in variables.items()}
    options = ["--secrets", str(folder / "none"), "--routes", str(folder / "routes.yml")]
    assert main([str(folder), *options], environment) == 0
    return installed_file(yaml.safe_load((folder / "alertmanager.yml").read_text()), folder)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "critical"}, "default: critical"),
        ({"severity": "warning"}, "default: warning"),
        ({"severity": "info"}, "nobody"),
        ({"severity": "page", "alertname": "OfSomebodyElse"}, "default: warning"),
        ({"severity": "warning", "owner": "Data Lake"}, "data_lake: warning"),
        ({"severity": "critical", "owner": "data-lake"}, "data_lake: critical"),
        ({"severity": "critical", "owner": "data-lakes"}, "default: critical"),
        ({"severity": "critical", "owner": "data-lake", "environment": "dev"}, "nobody"),
        ({"severity": "critical", "pipeline": "billing-export"}, "payments: critical,default: critical"),
        ({"severity": "warning", "pipeline": "billing-export"}, "default: warning"),
        ({"severity": "critical", "pipeline": "ledger (old)"}, "payments: critical,default: critical"),
        ({"severity": "warning", "pipeline": 'odd"name\\'}, "payments: warning"),
    ],
)
def test_an_alert_goes_to(routed: Path, labels: dict[str, str], receivers: str) -> None:
    given = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
    assert amtool("config", "routes", "test", f"--config.file={routed}", *given).strip() == receivers


def test_the_routes_file_of_the_repository_is_read(tmp_path: Path) -> None:
    options = ["--secrets", str(tmp_path / "none"), "--routes", str(REPOSITORY / "alerting" / "routes.yml")]
    assert main([str(tmp_path), *options], {}) == 0


def test_the_documented_variables_are_those_that_are_read() -> None:
    text = (REPOSITORY / "docs" / "notifications.md").read_text()
    assert text == document(text)
