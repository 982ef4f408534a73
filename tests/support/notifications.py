"""An exporter, Prometheus with the rules of the stack, Alertmanager with its configuration, and who is notified."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from alerting.alertmanager.__main__ import main
from tests.support.exporter import Exporter
from tests.support.load import cloud_event
from tests.support.paths import REPOSITORY
from tests.support.program import wait_for
from tests.support.prometheus import Alertmanager, Prometheus, StartPrometheus
from tests.support.receivers import Json, Mailbox, WebRecorder
from tests.support.tools import tool

RULES = REPOSITORY / "prometheus" / "rules"
StartAlertmanager = Callable[[Mapping[str, object]], Alertmanager]
# The first version that has msteamsv2_configs, and url_file of webhooks without a crash.
FIRST_FOR_THE_STACK = (0, 28)


def alertmanager_version() -> tuple[int, ...]:
    """Of the Alertmanager installed here: Debian 12 has 0.25."""
    command = [tool("amtool"), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    number = (said.stdout + said.stderr).split("version ")[1].split()[0]
    return tuple(int(part) for part in number.split("+")[0].split(".")[:2])


def rendered(folder: Path, **variables: str) -> Json:
    """What the renderer makes of PIPELINE_ALERTS_ variables."""
    environment = {f"PIPELINE_ALERTS_{name}": value for name, value in variables.items()}
    assert (
        main([str(folder), "--secrets", str(folder / "none"), "--routes", str(folder / "none")], environment)
        == 0
    )
    configuration: Json = yaml.safe_load((folder / "alertmanager.yml").read_text())
    return configuration


def as_installed(configuration: Json) -> Json:
    """The same for the Alertmanager installed here: before 0.28 without Teams, and webhooks' URLs written out."""
    if alertmanager_version() >= FIRST_FOR_THE_STACK:
        return configuration
    receivers = []
    for receiver in configuration["receivers"]:
        older = {key: value for key, value in receiver.items() if key != "msteamsv2_configs"}
        for webhook in older.get("webhook_configs", ()):
            webhook["url"] = Path(webhook.pop("url_file")).read_text()
        receivers.append(older)
    return configuration | {"receivers": receivers}


def hasty_rules(folder: Path) -> Path:
    """The rules of the stack, evaluated each second, with seconds for minutes; conditions, labels, texts as they are.

    What waits in the stack waits here too: an alert that another one explains must not overtake it.
    """
    groups: list[Json] = []
    for file in sorted(RULES.glob("*.yml")):
        groups += yaml.safe_load(file.read_text())["groups"]
    for group in groups:
        group["interval"] = "1s"
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "3s"
            if "keep_firing_for" in rule:
                rule["keep_firing_for"] = "5s"
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    return path


@dataclass(frozen=True)
class Stack:
    """All that stands between an event and a message."""

    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    web: WebRecorder
    mailbox: Mailbox

    def webhook(self, pipeline: str, path: str = "/webhook") -> list[Json]:
        """Messages to the webhook about a pipeline; about none: pipeline=""."""
        return [body for body in self.web.at(path) if body["commonLabels"].get("pipeline", "") == pipeline]

    def held(self, **labels: str) -> list[Json]:
        """Alerts with these labels that Alertmanager holds, silenced or not."""
        return [alert for alert in self.alertmanager.alerts() if labels.items() <= alert["labels"].items()]

    def wait_for_message(self, pipeline: str, status: str, path: str = "/webhook") -> Json:
        """The last message about a pipeline that says it fires, or it is over."""

        def last() -> Json | None:
            bodies = [body for body in self.webhook(pipeline, path) if body["status"] == status]
            return bodies[-1] if bodies else None

        message = wait_for(last, f"{status} at {path} for {pipeline!r}", seconds=60)
        assert message is not None
        return message


def prometheus_of(
    start: StartPrometheus, folder: Path, exporter: Exporter, alertmanager: Alertmanager
) -> Prometheus:
    """As the stack's, but each second."""
    return start(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(hasty_rules(folder))],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}
                ]
            },
            "scrape_configs": [
                {
                    "job_name": "pipeline-exporter",
                    "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}],
                }
            ],
        }
    )


def run(pipeline: str, name: str, status: str, stages: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Events of a run, the attempts of whose stages ended so."""
    names = {"pipeline": pipeline, "execution": name, "environment": "production"}
    events = [cloud_event("pipeline.execution.started", f"{pipeline}/{name}/started", **names)]
    for stage, outcomes in stages.items():
        for attempt, ended in enumerate(outcomes, start=1):
            place = f"{pipeline}/{name}/{stage}/{attempt}"
            which = {**names, "stage": stage, "attempt": attempt}
            again = attempt < len(outcomes)
            events.append(cloud_event("pipeline.stage.started", f"{place}/started", **which))
            events.append(
                cloud_event(
                    "pipeline.stage.finished", f"{place}/finished", **which, status=ended, retry=again
                )
            )
    events.append(
        cloud_event("pipeline.execution.finished", f"{pipeline}/{name}/finished", **names, status=status)
    )
    return events


def declared(pipeline: str, owner: str, **more: Any) -> dict[str, Any]:
    """The event that names a pipeline's owner."""
    return cloud_event(
        "pipeline.declared",
        f"{pipeline}/declared",
        pipeline=pipeline,
        environment="production",
        owner=owner,
        **more,
    )
