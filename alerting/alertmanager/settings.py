"""The variables that switch receivers on: one table, read from the environment and from secret files alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerting.alertmanager import values

PREFIX = "PIPELINE_ALERTS_"
OFF = "off"
DEFAULT_TEAM = "default"
NOBODY = "nobody"


class BadSetting(ValueError):
    """A variable, secret file or route that cannot be right; the message is one line that names it."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting: `name` without the prefix, what a value means, its default, and one line of help.

    secret: it goes into a file of its own, and may come from one. of_team: with `_TEAM` behind its name it
    is that of one team; `off` then takes away what all others have.
    """

    name: str
    parse: Callable[[str], Any]
    help: str
    default: str = ""
    secret: bool = False
    of_team: bool = False

    @property
    def file(self) -> str:
        """Name of its secret file."""
        return self.name.lower()


ALL_BUT_INFO = "critical,warning"
VARIABLES: tuple[Variable, ...] = (
    Variable("EMAIL_TO", values.mail_addresses, "who gets mail; several with commas", of_team=True),
    Variable("EMAIL_SEVERITIES", values.severities, "what is mailed", ALL_BUT_INFO, of_team=True),
    Variable("SMTP_HOST", values.host, "mail server, HOST:PORT"),
    Variable("SMTP_FROM", values.mail_address, "sender; without it SMTP_USERNAME, if that is an address"),
    Variable("SMTP_USERNAME", values.one_line, "name at the mail server, if it asks for one"),
    Variable("SMTP_PASSWORD", values.one_line, "password at the mail server", secret=True),
    Variable("SMTP_TLS", values.switch, "off: mail may go unencrypted; port 465 is always encrypted", "on"),
    Variable(
        "SLACK_WEBHOOK_URL",
        values.web_address,
        "Slack: URL of an incoming webhook",
        secret=True,
        of_team=True,
    ),
    Variable("SLACK_CHANNEL", values.channel, "Slack: another channel than the webhook's own", of_team=True),
    Variable("SLACK_SEVERITIES", values.severities, "what goes to Slack", ALL_BUT_INFO, of_team=True),
    Variable(
        "TEAMS_WEBHOOK_URL",
        values.web_address,
        "Microsoft Teams: URL of a workflow that posts to a channel",
        secret=True,
        of_team=True,
    ),
    Variable("TEAMS_SEVERITIES", values.severities, "what goes to Teams", ALL_BUT_INFO, of_team=True),
    Variable(
        "PAGERDUTY_ROUTING_KEY",
        values.routing_key,
        "PagerDuty: integration key of a service, Events API v2",
        secret=True,
        of_team=True,
    ),
    Variable(
        "PAGERDUTY_URL",
        values.web_address,
        "PagerDuty: where events go; in Europe https://events.eu.pagerduty.com/v2/enqueue",
        "https://events.pagerduty.com/v2/enqueue",
    ),
    Variable("PAGERDUTY_SEVERITIES", values.severities, "what goes to PagerDuty", "critical", of_team=True),
    Variable(
        "WEBHOOK_URL",
        values.web_address,
        "anything that takes Alertmanager's JSON",
        secret=True,
        of_team=True,
    ),
    Variable("WEBHOOK_TOKEN", values.one_line, "bearer token for it", secret=True, of_team=True),
    Variable("WEBHOOK_SEVERITIES", values.severities, "what goes to the webhook", ALL_BUT_INFO, of_team=True),
    Variable(
        "GROUP_BY",
        values.label_names,
        "alerts with the same values of these labels are one message",
        "environment,pipeline",
    ),
    Variable("GROUP_WAIT", values.duration, "how long a first message waits for others like it", "30s"),
    Variable("GROUP_INTERVAL", values.duration, "how long the next message about a group waits", "5m"),
    Variable(
        "REPEAT_CRITICAL", values.duration, "how often a critical alert that goes on is told again", "4h"
    ),
    Variable("REPEAT_WARNING", values.duration, "how often any other is told again", "24h"),
    Variable(
        "GRAFANA_URL",
        values.base_address,
        "Grafana, as people's browsers reach it: links to dashboards",
        "http://localhost:3000",
    ),
    Variable(
        "RUNBOOKS_URL",
        values.base_address,
        "where runbooks are, as people's browsers reach it: the exporter's, or docs/runbooks on a site of yours",
        "http://localhost:9877/runbooks",
    ),
)
_BY_NAME = {variable.name: variable for variable in VARIABLES}


@dataclass(frozen=True, slots=True)
class Settings:
    """What was set. teams: by team, what is set of its own; `of` gives what holds for a team."""

    texts: Mapping[str, str]
    teams: Mapping[str, Mapping[str, str]]
    places: Mapping[tuple[str, str], str]

    def text(self, name: str, team: str = DEFAULT_TEAM) -> str:
        """A variable's text: the team's, else everybody's, else the default; empty if switched off or not set."""
        text = self.teams.get(team, {}).get(name, self.texts.get(name, _BY_NAME[name].default))
        return "" if text == OFF and _BY_NAME[name].of_team else text

    def of(self, name: str, team: str = DEFAULT_TEAM) -> Any:
        """The value that the text means; None if there is none."""
        text = self.text(name, team)
        return _BY_NAME[name].parse(text) if text else None

    def place(self, name: str, team: str = DEFAULT_TEAM) -> str:
        """Where a variable is set that holds for a team, to name it in an error."""
        own = self.places.get((name, team))
        return own or self.places.get((name, DEFAULT_TEAM), PREFIX + name)

    def owns(self, name: str, team: str) -> bool:
        """Whether the team has one of its own."""
        return name in self.teams.get(team, {})


def team_name(text: str) -> str:
    """A team as it is written here: `Data Platform`, `DATA_PLATFORM` and `data-platform` are one."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def read(environment: Mapping[str, str], secrets: Path | None) -> Settings:
    """Settings of the environment and of the files in a folder, which may be absent. Raises BadSetting."""
    texts: dict[str, str] = {}
    teams: dict[str, dict[str, str]] = {}
    places: dict[tuple[str, str], str] = {}
    for place, name, text in (*_variables(environment), *_files(secrets)):
        variable, team = _known(name, place)
        _check(variable, text, place)
        if (variable.name, team) in places:
            raise BadSetting(f"{place}: {places[variable.name, team]} is set as well; keep one of them")
        places[variable.name, team] = place
        (texts if team == DEFAULT_TEAM else teams.setdefault(team, {}))[variable.name] = text
    return Settings(texts, teams, places)


def _variables(environment: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    for key, text in sorted(environment.items()):
        if key.startswith(PREFIX) and text.strip():
            yield key, key.removeprefix(PREFIX), text.strip()


def _files(folder: Path | None) -> Iterable[tuple[str, str, str]]:
    if folder is None or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if "." in path.name or path.name == "lost+found":
            continue  # .gitkeep, README.md, what a volume of its own has
        variable, _ = _known(path.name.upper(), str(path))
        if not variable.secret:
            raise BadSetting(f"{path}: no secret; set {PREFIX}{path.name.upper()} in the environment")
        yield str(path), path.name.upper(), _secret(path)


def _secret(path: Path) -> str:
    # Docker makes a folder where a file to be mounted is missing.
    if path.exists() and not path.is_file():
        raise BadSetting(f"{path}: expected a file, and it is a folder or something else")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path}: cannot be read: {error}") from error
    if not text:
        raise BadSetting(f"{path}: empty; write the secret into it, or delete it")
    return text


def _known(name: str, place: str) -> tuple[Variable, str]:
    """The variable of a name, and the team whose it is."""
    if name in _BY_NAME:
        return _BY_NAME[name], DEFAULT_TEAM
    for variable in VARIABLES:
        team = team_name(name.removeprefix(variable.name + "_"))
        if variable.of_team and name.startswith(variable.name + "_") and team:
            if team in (DEFAULT_TEAM, NOBODY):
                raise BadSetting(f"{place}: no team may be called {team}")
            return variable, team
    for variable in VARIABLES:
        if name.startswith(variable.name + "_"):
            raise BadSetting(f"{place}: {PREFIX}{variable.name} is for all teams alike")
    raise BadSetting(f"{place}: unknown; there are {', '.join(sorted(_BY_NAME))}, with {PREFIX} before them")


def _check(variable: Variable, text: str, place: str) -> None:
    if text == OFF and variable.of_team:
        return
    try:
        values.plain(text)
        variable.parse(text)
    except ValueError as error:
        got = "" if variable.secret else f", got {text[:100]!r}"
        raise BadSetting(f"{place}: {error}{got}") from error
