"""Pieces of JSON, and the checks of what callers say: what is wrong raises ValueError naming the argument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from json import dumps
from typing import Any

NAME_LENGTH = 256
TEXT_LENGTH = 16_384
MOST_COUNT = 2**53


@lru_cache(maxsize=8192)
def name(value: str, argument: str, limit: int = NAME_LENGTH) -> str:
    """A name as JSON: printable, not empty, of at most so many characters."""
    if not isinstance(value, str):
        raise ValueError(f"{argument}: expected text, got {value!r}")
    if not 0 < len(value) <= limit:
        raise ValueError(f"{argument}: expected 1 to {limit} characters, got {len(value)}")
    if not value.isprintable():
        raise ValueError(f"{argument}: expected printable characters only, got {value!r}")
    return dumps(value)


def text(value: object, limit: int = TEXT_LENGTH) -> str:
    """Free text of at most so many characters, fit for UTF-8; what exceeds it is cut at the end."""
    found = value if isinstance(value, str) else str(value)
    if not found.isascii():
        found = found.encode("utf-8", "replace").decode()
    return found if len(found) <= limit else f"{found[: limit - 1]}…"


def count(value: int | None, argument: str) -> int | None:
    """A number of things."""
    if value is None or (type(value) is int and 0 <= value <= MOST_COUNT):
        return value
    if hasattr(value, "__index__") and not isinstance(value, bool) and 0 <= int(value) <= MOST_COUNT:
        return int(value)
    raise ValueError(f"{argument}: expected a whole number from 0 to 2^53, got {value!r}")


def amount(value: float | None, argument: str, most: float = 1e15) -> float | None:
    """A number that is not negative."""
    if value is None:
        return None
    told: object = value
    number = math.nan
    if not isinstance(told, str | bytes):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
    if not 0 <= number <= most:
        raise ValueError(f"{argument}: expected a number from 0 to {most:g}, got {value!r}")
    return number


def fields(**values: object) -> str:
    """JSON of those fields that are not None, without braces, behind a comma; "" without any."""
    told = {key: value for key, value in values.items() if value is not None}
    return f",{json(told)[1:-1]}" if told else ""


def json(value: object) -> str:
    """JSON of anything: what has no JSON becomes text, what is no number becomes null."""
    try:
        return dumps(value, allow_nan=False, default=_other)
    except (ValueError, TypeError, RecursionError):
        return dumps(_plain(value, 12), allow_nan=False)


def _other(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    item = getattr(value, "item", None)  # numpy's numbers
    if callable(item) and not isinstance(value, type) and getattr(value, "shape", None) == ():
        return item()
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else text(repr(value), 1000)


def _plain(value: Any, depth: int) -> object:
    if depth == 0:
        return text(repr(value), 1000)
    if isinstance(value, Mapping):
        return {text(key, 256): _plain(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each, depth - 1) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return text(value if isinstance(value, str) else repr(value))
