"""Each kind of receiver, as Alertmanager wants it; one that is not switched on is None.

Secrets are named by file, never written into the configuration. What the messages say is in templates/.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerting.alertmanager.settings import DEFAULT_TEAM, PREFIX, BadSetting, Settings, Variable
from alerting.alertmanager.values import Severity

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Team:
    """Settings as they hold for one team, and where its secrets will be."""

    name: str
    settings: Settings
    secrets: Path

    def of(self, variable: str) -> Any:
        """The value of a variable; None if there is none."""
        return self.settings.of(variable, self.name)

    def secret(self, variable: str) -> str | None:
        """Path of the file with a secret; None if there is none."""
        if not self.settings.text(variable, self.name):
            return None
        own = self.settings.owns(variable, self.name)
        return str(self.secrets / secret_file(variable, self.name if own else DEFAULT_TEAM))

    def beside(self, variable: str, url: str) -> bool:
        """Whether `variable` goes with the URL: everybody's token or channel is not for a URL of a team's own."""
        owned = self.settings.owns(url, self.name)
        return bool(self.settings.text(variable, self.name)) and (
            not owned or self.settings.owns(variable, self.name)
        )

    def needs(self, variable: str, because: str) -> None:
        """Raises BadSetting unless a variable is set that another one needs."""
        if not self.settings.text(variable, self.name):
            place = self.settings.place(because, self.name)
            raise BadSetting(f"{PREFIX}{variable}: not set, but {place} needs it")


def secret_file(variable: str, team: str) -> str:
    """Name of the file of a secret."""
    return variable.lower() if team == DEFAULT_TEAM else f"{variable.lower()}_{team}"


def email(team: Team) -> Config | None:
    to = team.of("EMAIL_TO")
    if to is None:
        return None
    team.needs("SMTP_HOST", "EMAIL_TO")
    username = team.of("SMTP_USERNAME")
    config: Config = {
        "to": to,
        "from": _sender(team),
        "smarthost": str(team.of("SMTP_HOST")),
        "require_tls": team.of("SMTP_TLS"),
        "headers": {"Subject": '{{ template "pipelines.title" . }}'},
        "html": '{{ template "pipelines.email.html" . }}',
        "text": '{{ template "pipelines.email.text" . }}',
    }
    if username is not None:
        team.needs("SMTP_PASSWORD", "SMTP_USERNAME")
        config |= {"auth_username": username, "auth_password_file": team.secret("SMTP_PASSWORD")}
    return config


def _sender(team: Team) -> str:
    sender: str | None = team.of("SMTP_FROM")
    username: str | None = team.of("SMTP_USERNAME")
    if sender is None and username and "@" in username:
        return username
    team.needs("SMTP_FROM", "EMAIL_TO")
    return str(sender)


def slack(team: Team) -> Config | None:
    channel = team.of("SLACK_CHANNEL")
    url = team.secret("SLACK_WEBHOOK_URL")
    if url is None:
        if channel is not None and team.settings.text("SLACK_WEBHOOK_URL") == "":
            team.needs("SLACK_WEBHOOK_URL", "SLACK_CHANNEL")
        return None
    config: Config = {
        "api_url_file": url,
        "username": "pipelines",
        "color": '{{ template "pipelines.colour" . }}',
        "title": '{{ template "pipelines.slack.title" . }}',
        "title_link": '{{ template "pipelines.group.dashboard_url" . }}',
        "text": '{{ template "pipelines.slack.text" . }}',
        "fallback": '{{ template "pipelines.slack.title" . }}',
        "mrkdwn_in": ["text"],
        "actions": [
            _button("Dashboard", '{{ template "pipelines.group.dashboard_url" . }}'),
            _button("What to do", '{{ template "pipelines.group.runbook_url" . }}'),
            _button(
                '{{ if eq .Status "firing" }}Silence{{ else }}All alerts{{ end }}',
                '{{ if eq .Status "firing" }}{{ template "pipelines.silence_url" . }}'
                "{{ else }}{{ .ExternalURL }}{{ end }}",
            ),
        ],
        "footer": '{{ template "pipelines.slack.footer" . }}',
    }
    if team.beside("SLACK_CHANNEL", "SLACK_WEBHOOK_URL"):
        config["channel"] = channel
    return config


def _button(text: str, url: str) -> Config:
    return {"type": "button", "text": text, "url": url}


def microsoft_teams(team: Team) -> Config | None:
    """A card posted through a workflow of Microsoft Teams."""
    url = team.secret("TEAMS_WEBHOOK_URL")
    if url is None:
        return None
    return {
        "webhook_url_file": url,
        "title": '{{ template "pipelines.title" . }}',
        "text": '{{ template "pipelines.teams.text" . }}',
    }


def pagerduty(team: Team) -> Config | None:
    key = team.secret("PAGERDUTY_ROUTING_KEY")
    if key is None:
        return None
    return {
        "routing_key_file": key,
        "url": team.of("PAGERDUTY_URL"),
        "description": '{{ template "pipelines.title" . }}',
        "severity": '{{ template "pipelines.pagerduty.severity" . }}',
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ or .CommonLabels.stage .CommonLabels.stream .CommonLabels.pipeline }}",
        "group": '{{ template "pipelines.thing" . }}',
        "client": "Alertmanager",
        "client_url": '{{ template "pipelines.group.dashboard_url" . }}',
        "details": {
            "firing": '{{ template "pipelines.plain" .Alerts.Firing }}',
            "resolved": '{{ template "pipelines.plain" .Alerts.Resolved }}',
            "num_firing": "{{ .Alerts.Firing | len }}",
            "num_resolved": "{{ .Alerts.Resolved | len }}",
            "owner": "{{ .CommonLabels.owner }}",
        },
        "links": [
            {"text": "Dashboard", "href": '{{ template "pipelines.group.dashboard_url" . }}'},
            {"text": "What to do", "href": '{{ template "pipelines.group.runbook_url" . }}'},
            {"text": "Silence", "href": '{{ template "pipelines.silence_url" . }}'},
        ],
    }


def webhook(team: Team) -> Config | None:
    url = team.secret("WEBHOOK_URL")
    token = team.secret("WEBHOOK_TOKEN")
    if url is None:
        if token is not None and team.settings.text("WEBHOOK_URL") == "":
            team.needs("WEBHOOK_URL", "WEBHOOK_TOKEN")
        return None
    config: Config = {"url_file": url}
    if team.beside("WEBHOOK_TOKEN", "WEBHOOK_URL"):
        config["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": token}}
    return config


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of receiver: what people call it, Alertmanager's key, the variable with its severities."""

    title: str
    key: str
    severities: str
    config: Callable[[Team], Config | None]


KINDS: tuple[Kind, ...] = (
    Kind("e-mail", "email_configs", "EMAIL_SEVERITIES", email),
    Kind("Slack", "slack_configs", "SLACK_SEVERITIES", slack),
    Kind("Microsoft Teams", "msteamsv2_configs", "TEAMS_SEVERITIES", microsoft_teams),
    Kind("PagerDuty", "pagerduty_configs", "PAGERDUTY_SEVERITIES", pagerduty),
    Kind("webhook", "webhook_configs", "WEBHOOK_SEVERITIES", webhook),
)


def told(team: Team) -> dict[Kind, frozenset[Severity]]:
    """The kinds of receivers that a team has switched on, each with the severities that it gets."""
    return {kind: team.of(kind.severities) or frozenset() for kind in KINDS if kind.config(team) is not None}


def receiver(name: str, team: Team, severity: Severity) -> Config | None:
    """The receiver for a team's alerts of one severity; None if nobody is told of those."""
    configs: Config = {}
    for kind in KINDS:
        config = kind.config(team)
        if config is not None and severity in (team.of(kind.severities) or ()):
            configs[kind.key] = [config | {"send_resolved": True}]
    return {"name": name} | configs if configs else None


def secrets(settings: Settings, variables: tuple[Variable, ...]) -> dict[str, str]:
    """What goes into which secret file."""
    found: dict[str, str] = {}
    for variable in variables:
        for team in (DEFAULT_TEAM, *settings.teams):
            own = team == DEFAULT_TEAM or settings.owns(variable.name, team)
            text = settings.text(variable.name, team) if variable.secret and own else ""
            if text:
                found[secret_file(variable.name, team)] = text
    return found
