"""`pipeline-exporter rules`: alert and recording rules for another Prometheus."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exporter.catalogue.matching import matcher
from exporter.cli.writing import NotWritten, write
from exporter.packaged import bundled

Json = dict[str, Any]

GRAFANA, RUNBOOKS = "http://localhost:3000", "http://localhost:9877/runbooks"
"""Where links of alerts lead unless told otherwise; as the generated files have it."""
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_NOT_IN_FILES = re.compile(r"[\0-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with rules."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write the alert and recording rules")
    export.add_argument("folder", help="where to write them; - writes one file to standard output")
    export.add_argument(
        "--grafana-url", metavar="URL", default=GRAFANA, help=f"for links (default: {GRAFANA})"
    )
    export.add_argument(
        "--runbooks-url",
        metavar="URL",
        default=RUNBOOKS,
        help=f"the exporter's runbooks, or docs/runbooks/ elsewhere (default: {RUNBOOKS})",
    )
    export.add_argument(
        "--match", action="append", metavar="MATCHER", default=[], help='narrow every query, like job="mine"'
    )
    export.add_argument(
        "--label",
        action="append",
        metavar="NAME=VALUE",
        default=[],
        help="a label for every alert, like team=data",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    try:
        import yaml  # noqa: PLC0415 - comes with the server's extra
    except ModuleNotFoundError:
        return _fail("pyyaml is not installed: pip install 'pipeline-exporter[server]'")

    class Dumper(yaml.SafeDumper):
        """Writes a query of several lines as such."""

    def as_written(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, as_written)

    def dumped(content: list[Json]) -> str:
        options: Json = {"sort_keys": False, "allow_unicode": True, "width": 10_000}
        return str(yaml.dump({"groups": content}, Dumper=Dumper, **options))

    try:
        groups = _adjusted(arguments, yaml.safe_load)
        if arguments.folder == "-":
            print(dumped([group for each in groups.values() for group in each]), end="")
        else:
            for name, content in groups.items():
                print(write(Path(arguments.folder), name, dumped(content)))
    except (NotWritten, FileNotFoundError, ValueError) as error:
        return _fail(str(error))
    _say_what_is_left(arguments)
    return 0


def _say_what_is_left(arguments: argparse.Namespace) -> None:
    """Links that lead to this machine do so on whichever machine an alert is read."""
    for option, told, here in (
        ("--grafana-url", arguments.grafana_url, GRAFANA),
        ("--runbooks-url", arguments.runbooks_url, RUNBOOKS),
    ):
        if told == here:
            print(
                f"pipeline-exporter rules export: links lead to {here}: {option} changes that",
                file=sys.stderr,
            )


def _adjusted(arguments: argparse.Namespace, load: Callable[[str], Any]) -> dict[str, list[Json]]:
    adjust = Adjusted(
        arguments.match,
        dict(map(_label, arguments.label)),
        _address("--grafana-url", arguments.grafana_url),
        _address("--runbooks-url", arguments.runbooks_url),
    )
    files = {path.name: load(path.read_text()) for path in bundled("rules")}
    return {name: [adjust.group(group) for group in content["groups"]] for name, content in files.items()}


class Adjusted:
    """Rules with narrower queries, more labels and other links. Raises ValueError for a matcher that is none."""

    def __init__(self, matchers: list[str], labels: dict[str, str], grafana: str, runbooks: str) -> None:
        from exporter.catalogue.narrowed import narrowed  # noqa: PLC0415 - its pattern takes a moment

        self._narrowed = narrowed
        self._matchers = [matcher(text) for text in matchers]
        self._labels = labels
        self._grafana = grafana
        self._runbooks = runbooks

    def group(self, group: Json) -> Json:
        """A group of rules, adjusted."""
        return {**group, "rules": [self._rule(rule) for rule in group["rules"]]}

    def _rule(self, rule: Json) -> Json:
        found = {**rule, "expr": self._narrowed(rule["expr"], self._matchers)}
        if "alert" not in rule:
            return found
        found["labels"] = {**rule.get("labels", {}), **self._labels}
        found["annotations"] = {name: self._link(name, text) for name, text in rule["annotations"].items()}
        return found

    def _link(self, name: str, text: str) -> str:
        if name == "runbook_url":
            return text.replace(RUNBOOKS, self._runbooks)
        return text.replace(GRAFANA, self._grafana)


def _label(text: str) -> tuple[str, str]:
    from exporter.catalogue.narrowed import OF_ALERTS  # noqa: PLC0415 - its pattern takes a moment

    found = _LABEL.fullmatch(text)
    if found is None:
        raise ValueError(f"--label: expected NAME=VALUE, where NAME is a label's name, got {text!r}")
    name, value = found.groups()
    if name.startswith("__"):
        raise ValueError(f"--label: names that begin with __ are Prometheus' own, got {text!r}")
    if name in OF_ALERTS:
        raise ValueError(f"--label: alerts have a label {name} of their own, got {text!r}")
    return name, _plain("--label", value)


def _address(option: str, text: str) -> str:
    if not text or re.search(r"\s", text):
        raise ValueError(f"{option}: expected a URL, got {text!r}")
    return _plain(option, text).rstrip("/")


def _plain(option: str, text: str) -> str:
    if "{{" in text:
        raise ValueError(f"{option}: {{{{ begins a template of Prometheus, got {text!r}")
    if _NOT_IN_FILES.search(text):
        raise ValueError(f"{option}: expected text in UTF-8 without control characters, got {text!r}")
    return text


def _fail(message: str) -> int:
    print(f"pipeline-exporter rules export: {message}", file=sys.stderr)
    return 2
