"""README.md and docs/, taken apart.

Fenced blocks say what they are: `json` is events or, behind a command, its answer; `sh` is run as it stands, with
`token` against a server that was given one, with `sqlite` where there is a database, with `command` where
`pipeline-exporter` is installed, with `config` not at all. `python` of the client is run as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.paths import REPOSITORY

NAMES = ["README.md", *sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md"))]
TEXTS = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in NAMES}
ADDRESS = "http://127.0.0.1:9877"
"""Where the exporter is in documents."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what its fence says, and its text. `follows`: the block before it, if that is a command."""

    document: str
    kind: str
    text: str
    follows: Block | None

    @property
    def is_events(self) -> bool:
        return self.kind == "json" and '"specversion"' in self.text


def blocks(document: str) -> Iterator[Block]:
    before: Block | None = None
    text = TEXTS[document]
    for found in re.finditer(r"^```(?P<kind>.*)\n(?P<text>(?:.*\n)*?)```$", text, re.MULTILINE):
        block = Block(document, found["kind"], found["text"], before)
        yield block
        before = block if block.kind.startswith("sh") else None


def of_kind(kind: str) -> list[Block]:
    return [block for name in NAMES for block in blocks(name) if block.kind == kind]


def table(name: str, *heads: str) -> list[list[str]]:
    """Rows of the table with these heads."""
    head = f"| {' | '.join(heads)} |\n"
    _, _, rest = TEXTS[name].partition(head)
    rows = rest.partition("\n\n")[0].splitlines()[1:]
    assert rows, f"no table with the heads {heads}"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
