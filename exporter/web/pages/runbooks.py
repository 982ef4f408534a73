"""Runbooks: the documents that alerts link to, out of Markdown that comes with the package."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

SUFFIX = ".md"
_FOLDER = "docs/runbooks"
"""Where the documents are in the repository, and so where their links begin."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading below the title, and its anchor."""

    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """A document. `body`: all below its title, as HTML."""

    file: str
    title: str
    sections: list[Section]
    body: Markup


class Runbooks:
    """All runbooks, read when asked for."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = {path.name: path for path in paths}

    def all(self) -> list[Runbook]:
        """Every runbook, by file name."""
        return [self._read(path) for path in self._paths.values()]

    def named(self, name: str) -> Runbook | None:
        """The runbook of a file, whose name may lack its suffix."""
        path = self._paths.get(name.removesuffix(SUFFIX) + SUFFIX)
        return self._read(path) if path else None

    def _read(self, path: Path) -> Runbook:
        return runbook(path.name, path.read_text(encoding="utf-8"), self._paths)


def runbook(file: str, text: str, served: Collection[str]) -> Runbook:
    """A document of Markdown that begins with its title. `served`: files that its links may lead to.

    Raw HTML in it is shown as text, and links have no scheme that runs scripts.
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    tokens = markdown.parse(text)
    if not tokens or tokens[0].tag != "h1":
        raise ValueError(f"{file}: expected a title in its first line")
    (_, title, _), tokens = tokens[:3], tokens[3:]
    sections = _anchored(tokens)
    for token in tokens:
        if token.children:
            token.children = list(_linked(token.children, served))
    body = markdown.renderer.render(tokens, markdown.options, {})
    return Runbook(file, _plain(title), sections, Markup(body))


def _anchored(tokens: list[Token]) -> list[Section]:
    """The headings, each of which is given the anchor that GitHub gives it."""
    found: list[Section] = []
    taken: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        title = _plain(inline)
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        taken[anchor] += 1
        if taken[anchor] > 1:
            anchor = f"{anchor}-{taken[anchor] - 1}"
        opening.attrSet("id", anchor)
        found.append(Section(title, anchor))
    return found


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _linked(tokens: list[Token], served: Collection[str]) -> Iterator[Token]:
    """The tokens of a text; of a link to a document that is not served only its text, and where it is."""
    elsewhere = ""
    for token in tokens:
        if token.type == "link_open":
            address = str(token.attrGet("href"))
            elsewhere = _unserved(address, served)
            if elsewhere:
                continue
            if urlsplit(address).scheme:
                token.attrSet("rel", "noreferrer noopener")
        elif token.type == "link_close" and elsewhere:
            token = Token("text", "", 0, content=f" ({elsewhere})")  # noqa: PLW2901 - one token for another
            elsewhere = ""
        yield token


def _unserved(address: str, served: Collection[str]) -> str:
    """Where in the repository a document is that this server has no page for; empty for any other address."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path or parts.path in served:
        return ""
    steps = _FOLDER.split("/")
    for step in parts.path.split("/"):
        steps = steps[:-1] if step == ".." else [*steps, step]
    return "/".join(steps)
