"""`python -m alerting.alertmanager FOLDER`: writes what Alertmanager reads, from PIPELINE_ALERTS_… variables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from alerting.alertmanager.configuration import configuration, write
from alerting.alertmanager.document import table
from alerting.alertmanager.routing import read_routes
from alerting.alertmanager.settings import PREFIX, BadSetting, read

TIME_OUT = 10
"""Seconds."""

SWITCHES = ("EMAIL_TO", "SLACK_WEBHOOK_URL", "TEAMS_WEBHOOK_URL", "PAGERDUTY_ROUTING_KEY", "WEBHOOK_URL")


def main(argv: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Run the command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.variables:
        print(table())
        return 0
    if arguments.reload:
        return reload(arguments.reload)
    folder = arguments.folder.absolute()
    try:
        settings = read(environment, arguments.secrets)
        made = configuration(settings, read_routes(arguments.routes, settings), folder)
        write(made, folder)
    except BadSetting as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{folder}: cannot be written: {error}", file=sys.stderr)
        return 1
    for line in made.summary:
        print(line)
    if len(made.content["receivers"]) == 1:
        print(
            "No receiver is switched on: alerts are shown in Alertmanager and Grafana, and nobody is notified."
            f" To switch one on, set {', '.join(PREFIX + name for name in SWITCHES[:-1])} or {PREFIX}{SWITCHES[-1]}:"
            " see docs/notifications.md."
        )
    return 0


def reload(url: str) -> int:
    """Has an Alertmanager that runs read its configuration again; one that does not run will read it when it starts."""
    try:
        answer = requests.post(f"{url.rstrip('/')}/-/reload", timeout=TIME_OUT)
    except requests.ConnectionError:
        print("Alertmanager does not run yet: it reads this when it starts.")
        return 0
    except requests.RequestException as error:
        print(f"{url}: not reloaded: {type(error).__name__}", file=sys.stderr)
        return 1
    if not answer.ok:
        print(f"{url}: not reloaded, and goes on as before: {answer.text.strip()}", file=sys.stderr)
        return 1
    print("Alertmanager has read it.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m alerting.alertmanager", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("/etc/alertmanager"), help="where to")
    parser.add_argument(
        "--secrets",
        type=Path,
        default=Path("/run/pipeline-alerts"),
        help="folder of secret files; may be absent",
    )
    parser.add_argument(
        "--routes",
        type=Path,
        default=Path("/etc/pipeline-alerts/routes.yml"),
        help="file that sends pipelines to teams; may be absent",
    )
    parser.add_argument(
        "--reload", metavar="URL", help="write nothing; have the Alertmanager there read what was written"
    )
    parser.add_argument("--variables", action="store_true", help="print the table of variables and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
