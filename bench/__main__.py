"""`python -m bench [NAME…] [--quick] [--write]`: measure, and print a table."""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.measures import MEASURES
from bench.result import Row
from bench.setting import QUICK, Scale, Setting
from bench.table import HEAD, conditions, line, rewrite, table


def main() -> None:
    """Run the measures that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measures the exporter beside others."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(MEASURES)}; all without")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, few rounds: to try it out")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--rounds", type=int, help="rounds of each measure, seven without")
    told = parser.parse_args()
    unknown = [name for name in told.names if name not in MEASURES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    # What is measured is on this machine, whatever proxy the user has.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    scale = QUICK if told.quick else Scale()
    scale = replace(scale, rounds=told.rounds or scale.rounds)
    rows: list[Row] = []
    print("\n".join(HEAD), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        setting = Setting(Path(folder), scale)
        for name in told.names or MEASURES:
            for row in MEASURES[name](setting):
                rows.append(row)
                print(line(row), flush=True)
    print(f"\n{conditions(scale.rounds)}")
    if told.write:
        rewrite(f"{table(rows)}\n\n{conditions(scale.rounds)}")


if __name__ == "__main__":
    main()
