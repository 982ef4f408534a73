"""Paths into rows and documents: `a.b.0.c`, with `*`, `-1`, `$`, `@key`, `@position`, `@next`, `@above`,
`@number` and `{x}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_STEP = re.compile(r"((?:[^.{}]|\{[^{}]*\})+)(?:\.|$)")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class BadPath(ValueError):
    """A path that means nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """A row, a document, or an entry inside one; `root` is the whole, `key` and `position` the entry's own."""

    value: Any
    root: Any
    key: str | None = None
    position: int | None = None
    before: tuple[Any, ...] = ()
    """Entries that were walked before this one."""
    following: Any = None
    """The entry that is walked behind this one."""
    above: Any = None
    """The entry of the list around the list that this one is in."""
    number: int | None = None


@lru_cache(maxsize=4096)
def steps_of(path: str) -> tuple[str, ...]:
    """Steps of a path. Raises BadPath."""
    if path == ".":
        return ()
    steps: list[str] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise BadPath(f"expected a path such as a.b.0.c, got {path[:100]!r}")
        steps.append(found[1])
        at = found.end()
    if not steps or path.endswith("."):
        raise BadPath(f"expected a path such as a.b.0.c, got {path[:100]!r}")
    return tuple(steps)


def placeholders(template: str) -> list[str]:
    """Paths that a text has in braces."""
    return _PLACEHOLDER.findall(template)


def fill(template: str, record: Record) -> str | None:
    """The text with its braces filled in; None if one of them is unknown."""
    values = {path: first(record, path) for path in placeholders(template)}
    if any(value is None for value in values.values()):
        return None
    return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), template)


def first(record: Record, path: str) -> Any:
    """What is at a path; a list where the path has a `*`; None if there is nothing."""
    # Most paths are a column, and a row is asked for many of them.
    if path.isidentifier() and isinstance(record.value, Mapping):
        return record.value.get(path)
    found = [value for _, value in walk(record, path)]
    if "*" in steps_of(path):
        return [value for value in found if value is not None] or None
    return found[0] if found else None


def walk(record: Record, path: str) -> Iterator[tuple[str | None, Any]]:
    """Keys and values that a path leads to, in their order."""
    steps = steps_of(path)
    value = record.value
    if steps and steps[0] == "$":
        value, steps = record.root, steps[1:]
    elif steps and steps[0] == "@next":
        value, steps = record.following, steps[1:]
    elif steps and steps[0] == "@above":
        value, steps = record.above, steps[1:]
    elif steps == ("@number",):
        yield None, record.number
        return
    elif steps == ("@key",):
        yield None, record.key
        return
    elif steps == ("@position",):
        yield None, record.position
        return
    filled: list[str] = []
    for step in steps:
        text = fill(step, record) if "{" in step else step
        if text is None:
            return
        filled.append(text)
    yield from _go(record.key, value, filled)


def entries(record: Record, path: str) -> Iterator[tuple[str | None, Any, Any]]:
    """Keys and values that a path leads to, and the entry of the list around theirs; in their order."""
    steps = steps_of(path)
    stars = [number for number, step in enumerate(steps) if step == "*"]
    if len(stars) < 2:
        yield from ((key, value, None) for key, value in walk(record, path))
        return
    outer, inner = ".".join(steps[: stars[-2] + 1]), ".".join(steps[stars[-2] + 1 :])
    for _, above in walk(record, outer):
        yield from ((key, value, above) for key, value in walk(Record(above, record.root), inner))


def _go(key: str | None, value: Any, steps: list[str]) -> Iterator[tuple[str | None, Any]]:
    if not steps:
        yield key, value
        return
    value = _opened(value)
    step, rest = steps[0], steps[1:]
    if step == "*":
        entries = value.items() if isinstance(value, Mapping) else enumerate(value) if _listed(value) else ()
        for inner, entry in entries:
            yield from _go(str(inner), entry, rest)
    elif isinstance(value, Mapping):
        if step in value:
            yield from _go(step, value[step], rest)
    elif _listed(value) and step.lstrip("-").isdigit():
        position = int(step)
        if -len(value) <= position < len(value):
            yield from _go(step, value[position], rest)


def _listed(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _opened(value: Any) -> Any:
    """JSON that a column holds as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value
