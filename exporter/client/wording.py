"""Pieces of JSON, and the checks of what callers say: what is wrong raises ValueError naming the argument."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from json import dumps
from operator import index
from typing import Any

NAME_LENGTH = 256
TEXT_LENGTH = 16_384
MOST_COUNT = 2**53
MOST_FREE = 200_000
"""Bytes of JSON that an object of the caller's own (parameters, fields of a log line) may take."""
_DEEPEST = 12
_LONE_SURROGATE = re.compile(r"\\ud[89ab]..(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f]")


def shown(value: object, limit: int = 200) -> str:
    """Anything, as a message shows it."""
    try:
        return text(repr(value), limit)
    except Exception:  # whatever a stranger's __repr__ raises
        return f"<{type(value).__name__}>"


def name(value: str, argument: str, limit: int = NAME_LENGTH) -> str:
    """A name as JSON: printable, not empty, of at most so many characters."""
    try:
        return _name(value, argument, limit)
    except TypeError:  # it has no hash
        raise ValueError(f"{argument}: expected text, got {shown(value)}") from None


@lru_cache(maxsize=8192)
def _name(value: str, argument: str, limit: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{argument}: expected text, got {shown(value)}")
    if not 0 < len(value) <= limit:
        raise ValueError(f"{argument}: expected 1 to {limit} characters, got {len(value)}")
    if not value.isprintable():
        raise ValueError(f"{argument}: expected printable characters only, got {shown(value)}")
    return dumps(value)


def names(values: Iterable[str], argument: str) -> list[str]:
    """Several names. A single one in their place would be taken for its letters."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ValueError(f"{argument}: expected names, got {shown(values)}")
    return [each for each in values if name(each, argument)]


def text(value: object, limit: int = TEXT_LENGTH) -> str:
    """Free text of at most so many characters, fit for UTF-8; what exceeds it is cut at the end."""
    if isinstance(value, str):
        found = value
    else:
        try:
            found = str(value)
        except Exception:  # whatever a stranger's __str__ raises
            found = f"<{type(value).__name__}>"
    if len(found) > limit:
        found = f"{found[: limit - 1]}…"
    if not found.isascii():
        found = found.encode("utf-8", "replace").decode()
    return found


def within(value: str, most: int, *, tail: bool = False) -> str:
    """A text whose JSON takes at most so many bytes: its beginning, or its tail."""
    found = text(value[-most:] if tail else value, most)
    while (size := len(dumps(found))) > most:
        left = min(len(found) * most // size, len(found) - 1)
        found = found[-left:] if tail else found[:left]
    return found


def count(value: int | None, argument: str) -> int | None:
    """A number of things."""
    if value is None or (type(value) is int and 0 <= value <= MOST_COUNT):
        return value
    try:
        number = -1 if isinstance(value, bool) else index(value)
    except Exception:  # no number, or a stranger's that raises
        number = -1
    if 0 <= number <= MOST_COUNT:
        return number
    raise ValueError(f"{argument}: expected a whole number from 0 to 2^53, got {shown(value)}")


def counts(values: Mapping[str, int], argument: str, limit: int = 128) -> dict[str, int | None]:
    """Numbers of things by name."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{argument}: expected numbers by name, got {shown(values)}")
    found = {}
    for word in values:
        name(word, argument, limit)
        found[word] = count(values[word], f"{argument}[{word!r}]")
    return found


def amount(value: float | None, argument: str, most: float = 1e15) -> float | None:
    """A number that is not negative."""
    if value is None:
        return None
    told: object = value
    number = math.nan
    if not isinstance(told, str | bytes):
        try:
            number = float(value)
        except Exception:  # no number, or a stranger's that raises
            number = math.nan
    if not 0 <= number <= most:
        raise ValueError(f"{argument}: expected a number from 0 to {most:g}, got {shown(value)}")
    return number


def own(values: Mapping[str, Any] | None, argument: str) -> Mapping[str, Any] | None:
    """An object of the caller's own, as it is where JSON can have it, and else a copy that JSON can have."""
    if not values and (values is None or isinstance(values, Mapping)):
        return None
    if not isinstance(values, Mapping):
        raise ValueError(f"{argument}: expected names with values, got {shown(values)}")
    found = _json(values)
    if found is not None and len(found) <= MOST_FREE:
        return values
    copied: dict[str, Any] = _Copy(MOST_FREE // 2).mapping(values, _DEEPEST)
    return copied


def fields(**values: object) -> str:
    """JSON of those fields that are not None, without braces, behind a comma; "" without any."""
    told = {key: value for key, value in values.items() if value is not None}
    return f",{json(told)[1:-1]}" if told else ""


def json(value: object) -> str:
    """JSON of anything: what has no JSON becomes text, what is no number becomes null."""
    return _json(value) or dumps(_Copy(MOST_FREE).of(value, _DEEPEST), allow_nan=False)


def _json(value: object) -> str | None:
    try:
        found = dumps(value, allow_nan=False, default=_other)
    except Exception:  # no JSON, a ring, or whatever a stranger's methods raise
        return None
    return None if "\\ud" in found and _LONE_SURROGATE.search(found) else found


def _other(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    item = getattr(value, "item", None)  # numpy's numbers
    if callable(item) and not isinstance(value, type) and getattr(value, "shape", None) == ():
        return item()
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else shown(value, 1000)


class _Copy:
    """A copy made of what JSON has. `room`: bytes that it may take, about; what exceeds them is left out."""

    def __init__(self, room: int) -> None:
        self._room = room

    def of(self, value: object, depth: int) -> object:
        self._room -= 8
        if depth > 0:
            try:
                if isinstance(value, Mapping):
                    return self.mapping(value, depth)
                if isinstance(value, list | tuple | set | frozenset):
                    return [self.of(each, depth - 1) for each in islice(value, len(value)) if self._room > 0]
            except Exception:  # whatever a stranger's methods raise
                return self._text(shown(value, 1000))
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if value is None or isinstance(value, bool) or (isinstance(value, int) and value.bit_length() < 1024):
            return value
        return self._text(value if isinstance(value, str) else shown(value, 1000))

    def mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for key in list(value):
            if self._room <= 0:
                break
            found[self._text(text(key, 256))] = self.of(value[key], depth - 1)
        return found

    def _text(self, value: str) -> str:
        found = within(value, max(min(self._room, TEXT_LENGTH), 64))
        self._room -= len(found) if found.isascii() else 6 * len(found)
        return found
