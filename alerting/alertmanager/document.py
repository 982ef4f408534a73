"""The table of variables in docs/notifications.md. `python -m alerting.alertmanager.document` rewrites it."""

from __future__ import annotations

import sys
from pathlib import Path

from alerting.alertmanager.settings import PREFIX, VARIABLES

FILE = Path("docs/notifications.md")
BEGIN, END = "<!-- variables -->", "<!-- end of variables -->"


def table() -> str:
    """All variables in Markdown."""
    lines = ["| variable | what it is | default | secret | `_TEAM` |", "| --- | --- | --- | --- | --- |"]
    for variable in VARIABLES:
        default = f"`{variable.default}`" if variable.default else ""
        marks = ["yes" if mark else "" for mark in (variable.secret, variable.of_team)]
        lines.append(f"| `{PREFIX}{variable.name}` | {variable.help} | {default} | {' | '.join(marks)} |")
    return "\n".join(lines)


def document(text: str) -> str:
    """The document with today's table in it."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{FILE}: no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    FILE.write_text(document(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
