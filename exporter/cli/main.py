"""The command line: one sub-command a module, imported only when it is asked for, as they need different extras."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from exporter import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["run"]:
        # It starts fast, as cron jobs and containers want it, and what stands behind is not for this parser.
        from exporter.cli import run as wrapper  # noqa: PLC0415

        return wrapper.main(given[1:])
    from exporter.cli import dashboards, rules  # noqa: PLC0415
    from exporter.demo import command as demo  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="pipeline-exporter", description="Pipeline runs in, history and metrics out."
    )
    parser.add_argument("--version", action="version", version=f"pipeline-exporter {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    serving = commands.add_parser("serve", help="take events, keep them, serve metrics and the API")
    demo.add_arguments(
        commands.add_parser(
            "demo", help="send what lively pipelines would send", description=demo.DESCRIPTION
        )
    )
    dashboards.add_arguments(
        commands.add_parser("dashboards", help="export the Grafana dashboards, pull in those of your own")
    )
    rules.add_arguments(commands.add_parser("rules", help="export the alert and recording rules"))
    commands.add_parser("run", help="run a command and tell how it goes")
    reading = commands.add_parser("sources", help="check the sources that the server would read by itself")
    if given[:1] == ["serve"] or "-h" in given or "--help" in given:
        _add("serve", serving)
    if given[:1] == ["sources"]:
        _add("sources", reading)
    arguments = parser.parse_args(given)
    if arguments.command == "demo":
        return demo.run(arguments)
    if arguments.command == "dashboards":
        return dashboards.run(arguments)
    if arguments.command == "rules":
        return rules.run(arguments)
    if arguments.command == "sources":
        from exporter.cli import sources  # noqa: PLC0415 - the same

        return sources.run(arguments)
    from exporter.cli import serve  # noqa: PLC0415 - only the server's extra has what it needs

    return serve.run(arguments)


def _add(command: str, parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that needs what only the server's extra has."""
    try:
        module = import_module(f"exporter.cli.{command}")
    except ModuleNotFoundError as error:
        parser.error(f"{error.name} is not installed: pip install 'pipeline-exporter[server]'")
    module.add_arguments(parser)
