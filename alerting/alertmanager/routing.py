"""Which alert goes to whom, and which alert silences which. By labels only: no name of an alert stands here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from alerting.alertmanager.receivers import Config
from alerting.alertmanager.settings import DEFAULT_TEAM, NOBODY, BadSetting, Settings, team_name
from alerting.alertmanager.values import Severity

# What makes two alerts speak of the same thing. A label that neither has is equal too.
SAME_THING = (
    "scope",
    "kind",
    "pipeline",
    "environment",
    "stage",
    "stream",
    "direction",
    "rule",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "source",
    "job",
    "instance",
)
MATCHED = ("pipeline", "environment", "owner", "stage", "stream", "severity", "alertname", "scope")


@dataclass(frozen=True, slots=True)
class Route:
    """A line of routes.yml: alerts with these labels go to these teams."""

    matchers: tuple[str, ...]
    to: tuple[str, ...]


def matcher(label: str, patterns: Sequence[str]) -> str:
    """An Alertmanager matcher: the label is one of these; a `*` stands for any characters."""
    if len(patterns) == 1 and "*" not in patterns[0]:
        return f"{label}={quoted(patterns[0])}"
    parts = (".*".join(re.escape(piece) for piece in pattern.split("*")) for pattern in patterns)
    return f"{label}=~{quoted('|'.join(parts))}"


def quoted(text: str) -> str:
    """A string in Alertmanager's matchers."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def owned_by(team: str) -> str:
    """The matcher of a team's alerts: its owner, whatever stands between the words, in upper or lower case."""
    return f"owner=~{quoted('(?i)' + '[^a-z0-9]+'.join(team.split('_')))}"


def read_routes(file: Path | None, settings: Settings) -> tuple[Route, ...]:
    """The routes of a file, which may be absent. Raises BadSetting."""
    if file is None or not file.exists():
        return ()
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{file}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise BadSetting(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    if told is None:
        return ()
    if not isinstance(told, dict) or set(told) != {"routes"}:
        raise BadSetting(f"{file}: expected one key, routes")
    if not isinstance(told["routes"], list | None):
        raise BadSetting(f"{file}: routes: expected a list")
    entries = enumerate(told["routes"] or ())
    return tuple(_route(entry, f"{file}: routes[{number}]", settings) for number, entry in entries)


def _route(entry: object, place: str, settings: Settings) -> Route:
    if not isinstance(entry, dict) or "to" not in entry:
        raise BadSetting(
            f"{place}: expected labels and `to`, such as {{pipeline: 'billing-*', to: payments}}"
        )
    unknown = [key for key in entry if key not in (*MATCHED, "to")]
    if unknown:
        raise BadSetting(f"{place}.{unknown[0]}: unknown; there are {', '.join(MATCHED)}, to")
    labels = {label: _words(entry[label], f"{place}.{label}") for label in MATCHED if label in entry}
    if not labels:
        raise BadSetting(
            f"{place}: names no label, so it would take every alert; name one of {', '.join(MATCHED)}"
        )
    known = (DEFAULT_TEAM, NOBODY, *settings.teams)
    teams = tuple(team_name(word) for word in _words(entry["to"], f"{place}.to"))
    for team in teams:
        if team not in known:
            raise BadSetting(
                f"{place}.to: no variable ends in _{team.upper()}, so nobody would be told;"
                f" there are {', '.join(known)}"
            )
    return Route(tuple(matcher(label, patterns) for label, patterns in labels.items()), teams)


def _words(value: object, place: str) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) and word.strip() for word in words):
        raise BadSetting(f"{place}: expected a text or a list of texts")
    return tuple(words)


def route_tree(
    settings: Settings, routes: Iterable[Route], names: Mapping[tuple[str, Severity], str]
) -> Config:
    """Alertmanager's `route`. names: the receiver of a team for a severity; NOBODY where there is none."""
    branches: list[Config] = []
    for route in routes:
        for place, team in enumerate(route.to, start=1):
            branch = _branch(team, settings, names) | {"matchers": list(route.matchers)}
            branches.append(branch | ({"continue": True} if place < len(route.to) else {}))
    branches += [
        _branch(team, settings, names) | {"matchers": [owned_by(team)]} for team in sorted(settings.teams)
    ]
    return {
        "receiver": NOBODY,
        "group_by": list(settings.of("GROUP_BY")),
        "group_wait": settings.of("GROUP_WAIT"),
        "group_interval": settings.of("GROUP_INTERVAL"),
        "repeat_interval": settings.of("REPEAT_WARNING"),
        "routes": [*branches, _branch(DEFAULT_TEAM, settings, names)],
    }


def _branch(team: str, settings: Settings, names: Mapping[tuple[str, Severity], str]) -> Config:
    """A team's alerts by severity; one without a severity, of somebody's own rules, counts as a warning."""
    if team == NOBODY:
        return {"receiver": NOBODY}
    critical = {
        "matchers": [matcher("severity", [Severity.CRITICAL])],
        "receiver": names[team, Severity.CRITICAL],
        "repeat_interval": settings.of("REPEAT_CRITICAL"),
    }
    info = {"matchers": [matcher("severity", [Severity.INFO])], "receiver": names[team, Severity.INFO]}
    return {"receiver": names[team, Severity.WARNING], "routes": [critical, info]}


def inhibition() -> list[Config]:
    """Which alerts keep others quiet while they fire. An alert never silences one that is more severe."""
    lesser = {Severity.CRITICAL: "critical|warning|info", Severity.WARNING: "warning|info"}
    rules: list[Config] = [
        {
            # A failed pipeline: what its stages have to say is in the same place.
            "source_matchers": ['scope="execution"', 'kind="failure"', f'severity="{severity}"'],
            "target_matchers": ['scope="stage"', f'severity=~"{targets}"'],
            "equal": ["pipeline", "environment"],
        }
        for severity, targets in lesser.items()
    ]
    rules += [
        {
            # No exporter answers: nothing is known of pipelines, neither that something is wrong nor that it is over.
            "source_matchers": ['scope="exporter"', 'kind="down"', 'severity="critical"'],
            "target_matchers": unknown,
        }
        for unknown in (
            ['scope=~".+"', 'scope!="exporter"'],
            ['kind="staleness"'],
            ['kind="down"', 'severity=~"warning|info"'],
        )
    ]
    rules += [
        {
            # The same thing, told twice: the more severe alert is enough.
            "source_matchers": [f'severity="{severity}"', 'scope=~".+"', 'kind=~".+"'],
            "target_matchers": [f'severity=~"{targets}"', 'scope=~".+"', 'kind=~".+"'],
            "equal": list(SAME_THING),
        }
        for severity, targets in ((Severity.CRITICAL, "warning|info"), (Severity.WARNING, "info"))
    ]
    return rules
