"""The table that measures make, on the screen and in the documentation."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.result import Row, grouped
from exporter import __version__

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEAD = (
    "| measure | exporter | compared with | that | ratio (least to most) | must | aim | |",
    "| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |",
)


def table(rows: Iterable[Row]) -> str:
    """Rows as markdown."""
    return "\n".join([*HEAD, *map(line, rows)])


def line(row: Row) -> str:
    """A row as markdown."""
    ours = f"{_number(median(row.ours))} {row.unit}"
    theirs = f"{_number(median(row.theirs))} {row.unit}" if row.theirs else ""
    judged = row.ratios or row.ours
    spread = f"{_number(row.judged)} ({_number(min(judged))} to {_number(max(judged))})"
    must = aim = verdict = ""
    if row.limit is not None:
        must, aim = (f"{row.limit.sign} {_number(bound)}" for bound in (row.limit.must, row.limit.aim))
        verdict = row.limit.verdict(row.judged)
    return f"| {row.what} | {ours} | {row.against} | {theirs} | {spread} | {must} | {aim} | {verdict} |"


def _number(value: float) -> str:
    if value >= 1000:
        return grouped(value)
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2g}"


def conditions(rounds: int) -> str:
    """What the figures depend on, in one sentence."""
    day = datetime.now(UTC).date().isoformat()
    python = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"Version {__version__}, {day}: {os.cpu_count()} cores, {python}, {rounds} rounds."


def rewrite(text: str, page: Path = PAGE) -> None:
    """Put a text between the markers of the page. Raises ValueError where there are none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
