"""Alertmanager's whole configuration, and the folder that it reads it from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from alerting.alertmanager.receivers import Config, Team, receiver, secrets, told
from alerting.alertmanager.routing import Route, inhibition, route_tree
from alerting.alertmanager.settings import DEFAULT_TEAM, NOBODY, VARIABLES, Settings
from alerting.alertmanager.values import Severity

TEMPLATES = Path(__file__).parent / "templates"
# Stand in the templates for what they cannot read from the environment.
GRAFANA, RUNBOOKS = "__GRAFANA_URL__", "__RUNBOOKS_URL__"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is in alertmanager.yml, in which secret file what, what stands in the templates for which
    address, and one line for each team on who is told.
    """

    content: Config
    secrets: dict[str, str]
    addresses: dict[str, str]
    summary: tuple[str, ...]


def configuration(settings: Settings, routes: tuple[Route, ...], folder: Path) -> Configuration:
    """The configuration, to be put into `folder`. Raises BadSetting."""
    teams = [Team(name, settings, folder / "secrets") for name in (DEFAULT_TEAM, *sorted(settings.teams))]
    receivers: list[Config] = [{"name": NOBODY}]
    names: dict[tuple[str, Severity], str] = {}
    for team in teams:
        for severity in Severity:
            made = receiver(f"{team.name}: {severity}", team, severity)
            names[team.name, severity] = made["name"] if made else NOBODY
            receivers += [made] if made else []
    content: Config = {
        "templates": [str(folder / "templates" / "*.tmpl")],
        "route": route_tree(settings, routes, names),
        "inhibit_rules": inhibition(),
        "receivers": receivers,
    }
    addresses = {GRAFANA: settings.of("GRAFANA_URL"), RUNBOOKS: settings.of("RUNBOOKS_URL")}
    summary = tuple(f"{team.name}: {_who(team)}" for team in teams)
    return Configuration(content, secrets(settings, VARIABLES), addresses, summary)


def _who(team: Team) -> str:
    """Who is told of a team's alerts: `e-mail (critical, warning), PagerDuty (critical)`."""
    parts = (
        f"{kind.title} ({', '.join(severity for severity in Severity if severity in severities)})"
        for kind, severities in told(team).items()
        if severities
    )
    return ", ".join(parts) or "nobody is told"


def write(made: Configuration, folder: Path) -> None:
    """Puts configuration, templates and secrets into a folder, over older ones. Only the owner may read them."""
    for name in ("templates", "secrets"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in (folder / "secrets").iterdir():
        if old.name not in made.secrets:
            old.unlink()
    for name, text in made.secrets.items():
        _put(folder / "secrets" / name, text)
    for template in TEMPLATES.glob("*.tmpl"):
        text = template.read_text(encoding="utf-8")
        for placeholder, url in made.addresses.items():
            text = text.replace(placeholder, _in_template(url))
        _put(folder / "templates" / template.name, text)
    # Last, so that a configuration never names a file that is not there yet.
    _put(folder / "alertmanager.yml", yaml.safe_dump(made.content, sort_keys=False, allow_unicode=True))


def _in_template(url: str) -> str:
    """A URL as the replacement in a template's reReplaceAll, between double quotes."""
    return url.replace("\\", "%5C").replace('"', "%22").replace("$", "$$")


def _put(path: Path, text: str) -> None:
    """Writes a file at once: who reads it sees the old text or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
