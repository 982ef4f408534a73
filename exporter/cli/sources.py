"""`pipeline-exporter sources`: what the server would read by itself, checked beforehand."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

from exporter.settings import BadSetting, settings
from exporter.sources.check import check, lines
from exporter.sources.mapping_file import preset_names
from exporter.sources.source import BadSource, opened


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    commands = parser.add_subparsers(dest="sources_command", metavar="COMMAND", required=True)
    checking = commands.add_parser(
        "check", help="read each source once and print what it would send; changes nothing"
    )
    checking.add_argument("--config", metavar="FILE", help="YAML file of settings (PIPELINE_EXPORTER_CONFIG)")
    checking.add_argument(
        "--show", metavar="N", type=int, default=0, help="print the first N events of each read"
    )
    checking.add_argument("names", metavar="NAME", nargs="*", help="only these sources")
    commands.add_parser("presets", help="list the mappings that come with the exporter")


def run(arguments: argparse.Namespace) -> int:
    """Run the sub-command; returns the exit code."""
    if arguments.sources_command == "presets":
        print("\n".join(preset_names()))
        return 0
    file = arguments.config or os.environ.get("PIPELINE_EXPORTER_CONFIG")
    try:
        if file is None:
            raise BadSetting("--config: missing, the sources stand in that file")
        told = settings({}, os.environ, file)
        wanted = arguments.names or [setting.name for setting in told.sources]
        unknown = set(wanted) - {setting.name for setting in told.sources}
        if unknown:
            raise BadSetting(f"{file}: there is no source named {', '.join(sorted(unknown))}")
        if not wanted:
            raise BadSetting(f"{file}: there are no sources in it")
    except BadSetting as error:
        print(f"pipeline-exporter: {error}", file=sys.stderr)
        return 2
    good = True
    for setting in told.sources:
        if setting.name not in wanted:
            continue
        try:
            emails = told.llm_emails == "remove"
            report = check(opened(setting), datetime.now(UTC), arguments.show, emails=emails)
        except BadSource as error:
            print(f"{setting.name}: {error}")
            good = False
            continue
        print("\n".join(lines(report)))
        good = good and report.is_good
    return 0 if good else 1
