"""`python -m exporter.demo`: the same as `pipeline-exporter demo`."""

from __future__ import annotations

import argparse
import sys

from exporter.demo import command


def main() -> int:
    """Parse the command line and run the demo."""
    parser = argparse.ArgumentParser(prog="python -m exporter.demo", description=command.DESCRIPTION)
    command.add_arguments(parser)
    return command.run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
