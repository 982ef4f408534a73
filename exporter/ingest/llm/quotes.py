"""Prompts that are quoted elsewhere: in the message of an error, a stack trace, a span's name.

Whoever repeats a prompt cuts it short, escapes it, breaks its lines. So words are compared: where as many as four in a
row are those of a prompt, they are taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

RUN = 4
"""Words in a row that are a quotation. Fewer are said by many."""

SHORTEST = 12
"""Characters of a prompt of fewer words that is looked for as a whole. What has no blank is a name, not a prompt."""

MOST = 1_000_000
"""Characters of what was said that are compared, so that nobody waits."""

REMOVED = "[prompt removed]"
_WORD = re.compile(r"\w+(?:[-.]\w+)*")
"""The name of a model or a tool is one word, as `gpt-5-mini-2026-10-01` or `look_up_order`."""
_ESCAPE = re.compile(r"\\[nrt]")


class Quotes:
    """Takes out of texts what they quote. All texts come first, then what was said is looked through once."""

    def __init__(self) -> None:
        self._texts: dict[str, _Text] = {}

    def look_at(self, texts: Iterable[str]) -> None:
        """These may hold quotes."""
        for text in texts:
            if text not in self._texts:
                self._texts[text] = _Text(text)

    def mark(self, said: Iterable[str]) -> None:
        """Find in the texts what was said."""
        runs: dict[int, dict[tuple[str, ...], list[tuple[_Text, int]]]] = {}
        left = MOST
        for one in said:
            words = [found.group().lower() for found in _WORD.finditer(_plain(one[:left]))]
            left -= len(one)
            size = min(RUN, len(words))
            if size >= 2 and len(one) >= SHORTEST and " " in one.strip():
                known = runs.get(size)
                if known is None:
                    known = runs[size] = self._runs(size)
                for start in range(len(words) - size + 1):
                    for text, place in known.get(tuple(words[start : start + size]), ()):
                        text.quoted[place : place + size] = b"\x01" * size
            if left <= 0:
                return

    def removed(self, text: str) -> str:
        """One of the texts without its quotes."""
        return self._texts[text].cut()

    def _runs(self, size: int) -> dict[tuple[str, ...], list[tuple[_Text, int]]]:
        found: dict[tuple[str, ...], list[tuple[_Text, int]]] = {}
        for text in self._texts.values():
            words = [word for word, _, _ in text.words]
            for start in range(len(words) - size + 1):
                found.setdefault(tuple(words[start : start + size]), []).append((text, start))
        return found


class _Text:
    """A text that may hold quotes, word by word."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = [
            (found.group().lower(), found.start(), found.end()) for found in _WORD.finditer(_plain(text))
        ]
        self.quoted = bytearray(len(self.words))

    def cut(self) -> str:
        if not any(self.quoted):
            return self.text
        pieces: list[str] = []
        behind = 0
        for number, (_, start, end) in enumerate(self.words):
            if self.quoted[number]:
                if number == 0 or not self.quoted[number - 1]:
                    pieces += [self.text[behind:start], REMOVED]
                behind = end
        return "".join([*pieces, self.text[behind:]])


def _plain(text: str) -> str:
    """The same length, with escaped line ends as blanks: they would be taken for letters."""
    return _ESCAPE.sub("  ", text) if "\\" in text else text


def texts_in(value: Any) -> Iterator[str]:
    """Each text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_in(item)


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """A value with each text in it changed; names of keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_text(item, change) for item in value]
    if isinstance(value, dict):
        return {key: each_text(item, change) for key, item in value.items()}
    return value
