"""`pipeline-exporter dashboards`: export them for another Grafana, pull in what was made in Grafana's editor."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from exporter.cli.writing import NotWritten, write
from exporter.packaged import bundled

Json = dict[str, Any]

SOURCES = {"prometheus": "datasource", "sql": "sql", "traces": "traces"}
"""Options that name a datasource, and the variables that they set."""
_TYPES = {"sql": "${sql}", "traces": "${traces}"}
_OURS = "pipelines-"
TIME_OUT = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with dashboards."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write the dashboards as files to import or provision")
    export.add_argument("folder", help="where to write them; - writes one JSON list to standard output")
    export.add_argument(
        "--only", action="append", metavar="NAME", default=[], help="just this one, like home"
    )
    for option in SOURCES:
        export.add_argument(
            f"--{option}",
            metavar="UID",
            help=f"uid of the {option} datasource to begin with; else the default one",
        )
    export.add_argument(
        "--without",
        action="append",
        choices=sorted(_TYPES),
        default=[],
        help="leave out the panels that need it",
    )
    export.add_argument(
        "--match", action="append", metavar="MATCHER", default=[], help='narrow every query, like job="mine"'
    )
    pull = actions.add_parser("pull", help="fetch a dashboard from Grafana as a file to provision")
    pull.add_argument("uid", help="the dashboard's uid: what follows /d/ in its address")
    pull.add_argument("--from", dest="grafana", required=True, metavar="URL", help="where Grafana is")
    pull.add_argument(
        "--to",
        default="provisioning/dashboards/Team",
        metavar="FOLDER",
        help="where to write it (default: provisioning/dashboards/Team)",
    )
    pull.add_argument("--user", default="admin", help="who asks, with GRAFANA_PASSWORD; or set GRAFANA_TOKEN")


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    try:
        if arguments.action == "export":
            return _export(arguments)
        return _pull(arguments)
    except (NotPulled, NotWritten, FileNotFoundError, ValueError) as error:
        print(f"pipeline-exporter dashboards {arguments.action}: {error}", file=sys.stderr)
        return 2


def _export(arguments: argparse.Namespace) -> int:
    from exporter.catalogue.narrowed import matcher  # noqa: PLC0415 - building its pattern takes a moment

    matchers = [matcher(text) for text in arguments.match]
    chosen = {SOURCES[option]: getattr(arguments, option) for option in SOURCES if getattr(arguments, option)}
    found = {path.stem: path for path in bundled("dashboards")}
    unknown = set(arguments.only) - set(found)
    if unknown:
        raise ValueError(f"--only: no dashboard {min(unknown)}; there are {', '.join(sorted(found))}")
    boards = {
        name: adjusted(json.loads(path.read_text()), chosen, set(arguments.without), matchers)
        for name, path in found.items()
        if not arguments.only or name in arguments.only
    }
    if arguments.folder == "-":
        print(json.dumps(list(boards.values()), indent=1, ensure_ascii=False))
        return 0
    for name, board in boards.items():
        print(
            write(
                Path(arguments.folder), f"{name}.json", json.dumps(board, indent=1, ensure_ascii=False) + "\n"
            )
        )
    return 0


def adjusted(board: Json, sources: dict[str, str], without: set[str], matchers: list[str]) -> Json:
    """The dashboard with other datasources to begin with, narrower queries, and without panels of some datasources."""
    from exporter.catalogue.narrowed import narrowed  # noqa: PLC0415 - as above

    left_out = {_TYPES[name] for name in without}
    board["panels"] = list(_kept(board["panels"], left_out))
    variables = board["templating"]["list"]
    board["templating"]["list"] = [
        variable for variable in variables if (variable.get("datasource") or {}).get("uid") not in left_out
    ]
    for variable in board["templating"]["list"]:
        if variable["type"] == "datasource" and variable["name"] in sources:
            uid = sources[variable["name"]]
            variable["current"] = {"text": uid, "value": uid}
        elif variable["type"] == "query" and variable["datasource"]["type"] == "prometheus":
            variable["definition"] = narrowed(variable["definition"], matchers)
            variable["query"]["query"] = narrowed(variable["query"]["query"], matchers)
    for panel in _panels(board["panels"]):
        for target in panel.get("targets", []):
            if "expr" in target:
                target["expr"] = narrowed(target["expr"], matchers)
    return board


def _kept(panels: list[Json], left_out: set[str]) -> Iterator[Json]:
    for panel in panels:
        if panel["type"] == "row":
            panel["panels"] = list(_kept(panel.get("panels") or [], left_out))
        asked = {target["datasource"]["uid"] for target in panel.get("targets", [])}
        if not asked & left_out:
            yield panel


def _panels(panels: list[Json]) -> Iterator[Json]:
    for panel in panels:
        yield panel
        yield from panel.get("panels") or []


class NotPulled(Exception):
    """A dashboard that can't be brought back as a file; says why."""


def _pull(arguments: argparse.Namespace) -> int:
    if arguments.uid.startswith(_OURS):
        raise NotPulled(
            f"{arguments.uid} is written by code. In Grafana, save a copy under a name of your own and pull that"
        )
    board = portable(_fetched(arguments.grafana, arguments.uid, arguments.user))
    name = re.sub(r"[^a-z0-9]+", "-", board["title"].lower()).strip("-") or arguments.uid
    folder = Path(arguments.to)
    _not_another(folder / f"{name}.json", arguments.uid)
    print(write(folder, f"{name}.json", json.dumps(board, indent=1, ensure_ascii=False) + "\n"))
    return 0


def _fetched(grafana: str, uid: str, user: str) -> Json:
    token, password = os.environ.get("GRAFANA_TOKEN"), os.environ.get("GRAFANA_PASSWORD")
    if not token and not password:
        raise NotPulled("set GRAFANA_TOKEN, or GRAFANA_PASSWORD for --user")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{grafana.rstrip('/')}/api/dashboards/uid/{uid}"
    try:
        answer = requests.get(
            url, headers=headers, auth=None if token else (user, password or ""), timeout=TIME_OUT
        )
    except requests.RequestException as error:
        raise NotPulled(f"--from: {grafana} does not answer: {type(error).__name__}") from error
    if answer.status_code == 404:
        raise NotPulled(f"{grafana} has no dashboard with the uid {uid}")
    if answer.status_code in (401, 403):
        raise NotPulled(f"{grafana} does not let you read {uid}: HTTP {answer.status_code}")
    try:
        found = answer.json()["dashboard"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotPulled(f"--from: {url} answered HTTP {answer.status_code}, and no dashboard") from error
    return dict(found)


def portable(board: Json) -> Json:
    """The dashboard without what belongs to one Grafana. Raises NotPulled for the schema that can't be provisioned."""
    if "elements" in board or "panels" not in board:
        raise NotPulled("it has Grafana's new schema (v2): in its settings, export it as classic JSON")
    kept = {key: value for key, value in board.items() if key not in ("id", "iteration")}
    kept["version"] = 0
    for variable in kept.get("templating", {}).get("list", []):
        if variable.get("type") == "query":
            variable["options"] = []
    return kept


def _not_another(path: Path, uid: str) -> None:
    if not path.exists():
        return
    try:
        other = json.loads(path.read_text()).get("uid")
    except (ValueError, AttributeError) as error:
        raise NotPulled(f"{path} is there and is no dashboard") from error
    if other != uid:
        raise NotPulled(
            f"{path} has another dashboard, {other}: Grafana keeps both when a file's uid changes. Rename one"
        )
