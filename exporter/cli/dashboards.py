"""`pipeline-exporter dashboards`: export them for another Grafana, pull in what was made in Grafana's editor."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exporter.catalogue.matching import Matcher, matcher
from exporter.cli.pulling import NotPulled, not_another, pulled
from exporter.cli.writing import NotWritten, write
from exporter.packaged import bundled

Json = dict[str, Any]

SOURCES = {"prometheus": "datasource", "sql": "sql", "traces": "traces"}
"""Options that name a datasource, and the variables that they set."""
_TYPES = {"sql": "${sql}", "traces": "${traces}"}


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


def adjusted(board: Json, sources: dict[str, str], without: set[str], matchers: Sequence[Matcher]) -> Json:
    """The dashboard with other datasources to begin with, narrower queries, and without panels of some datasources."""
    from exporter.catalogue.narrowed import narrowed  # noqa: PLC0415 - building its pattern takes a moment

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
            continue
        others = [target for target in panel["targets"] if target["datasource"]["uid"] not in left_out]
        # A hidden query stands in for one that is left out.
        instead = [target.pop("hide", False) for target in others]
        if any(instead):
            panel["targets"] = others
            yield panel


def _panels(panels: list[Json]) -> Iterator[Json]:
    for panel in panels:
        yield panel
        yield from panel.get("panels") or []


def _pull(arguments: argparse.Namespace) -> int:
    name, text = pulled(arguments.grafana, arguments.uid, arguments.user)
    folder = Path(arguments.to)
    not_another(folder / name, arguments.uid)
    print(write(folder, name, text))
    return 0
