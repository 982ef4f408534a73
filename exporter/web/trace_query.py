"""What is asked of Jaeger's query API, read as Jaeger reads it, and as Grafana fills in its variables.

A variable with several values arrives as `{a,b}`, one that stands for all as `.*`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

LIMIT = 100
MOST_TRACES = 1_000
LOOKBACK = 2 * 86_400 * 1_000_000
"""Where no start is given: two days before the end, as Jaeger does."""

LOOKBACK_OF_DEPENDENCIES = 86_400 * 1_000_000
MOST_TAGS = 50
LONGEST = 4_096
_LARGEST = 2**63 - 1

_ALL = frozenset({"", ".*", ".+", "*", "$__all"})
_ALL_OPERATIONS = "All"
"""Grafana's word for any operation, where it is not left out."""

_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)")
_MICROSECONDS = {
    "ns": 1e-3,
    "us": 1,
    "µs": 1,
    "μs": 1,
    "ms": 1e3,
    "s": 1e6,
    "m": 60e6,
    "h": 3600e6,
    "d": 86_400e6,
    "w": 7 * 86_400e6,
}


class BadQuery(ValueError):
    """A parameter that cannot be understood; the message names it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A search; an empty tuple stands for any. Times and durations in microseconds."""

    services: tuple[str, ...]
    operations: tuple[str, ...]
    tags: Mapping[str, tuple[str, ...]]
    since: int
    until: int
    shortest: int | None
    longest: int | None
    limit: int


def values(text: str) -> tuple[str, ...]:
    """The values that a text stands for: itself, those of `{a,b}`, or none for all."""
    text = text.strip()
    if text in _ALL:
        return ()
    if text.startswith("{") and text.endswith("}") and "," in text:
        several = tuple(dict.fromkeys(part.strip() for part in text[1:-1].split(",")))
        # A name may look like that too.
        return () if any(part in _ALL for part in several) else (*several, text)
    return (text,)


def asked(parameters: Mapping[str, str], tag: Sequence[str], now: int) -> Asked:
    """A search. Raises BadQuery."""
    _check(parameters, tag)
    if not parameters.get("service", "").strip():
        raise BadQuery("parameter 'service' is required")
    until = instant(parameters, "end", now)
    lookback = parameters.get("lookback", "")
    back = LOOKBACK if lookback in ("", "custom") else _duration("lookback", lookback)
    shortest, longest = (_given_duration(parameters, name) for name in ("minDuration", "maxDuration"))
    if shortest is not None and longest is not None and longest < shortest:
        raise BadQuery("'maxDuration' should be greater than 'minDuration'")
    operations = values(parameters.get("operation", ""))
    return Asked(
        services=values(parameters["service"]),
        operations=() if _ALL_OPERATIONS in operations else operations,
        tags=_tags(tag, parameters.get("tags", "")),
        since=instant(parameters, "start", max(0, until - back)),
        until=until,
        shortest=shortest,
        longest=longest,
        limit=_limit(parameters.get("limit", "")),
    )


def window(parameters: Mapping[str, str], now: int) -> tuple[int, int]:
    """Start and end of the time that dependencies are asked of, in microseconds. Raises BadQuery."""
    _check(parameters, ())
    until = instant(parameters, "endTs", now, unit=1_000)
    back = instant(parameters, "lookback", LOOKBACK_OF_DEPENDENCIES, unit=1_000)
    return max(0, until - back), until


def instant(parameters: Mapping[str, str], name: str, otherwise: int, *, unit: int = 1) -> int:
    """A time in microseconds, told in units of so many of them. Raises BadQuery."""
    text = parameters.get(name, "")
    if not text:
        return otherwise
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or abs(int(text)) > _LARGEST:
        raise BadQuery(f"unable to parse param '{name}': expected a whole number, got {_shown(text)}")
    return min(max(0, int(text) * unit), _LARGEST)


def _check(parameters: Mapping[str, str], tag: Sequence[str]) -> None:
    for name, text in [*parameters.items(), *(("tag", each) for each in tag)]:
        if "\0" in text:
            raise BadQuery(f"unable to parse param '{name}': it holds a NUL character")
        if len(text) > LONGEST:
            raise BadQuery(f"unable to parse param '{name}': longer than {LONGEST} characters")


def _limit(text: str) -> int:
    if not text:
        return LIMIT
    if not re.fullmatch(r"\+?[0-9]{1,9}", text) or int(text) < 1:
        raise BadQuery(f"unable to parse param 'limit': expected a number from 1, got {_shown(text)}")
    return min(int(text), MOST_TRACES)


def _given_duration(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name, "").strip()
    return None if text in _ALL else _duration(name, text)


def _duration(name: str, text: str) -> int:
    """Microseconds of a duration as Go writes it: `1.5s`, `100ms`, `1h30m`."""
    plain = text.removeprefix("+")
    if plain == "0":
        return 0
    parts = _PART.findall(plain)
    if not parts or "".join(number + unit for number, unit in parts) != plain:
        raise BadQuery(
            f"unable to parse param '{name}': expected a duration such as 1.5s, got {_shown(text)}"
        )
    micros = sum(float(number) * _MICROSECONDS[unit] for number, unit in parts)
    if micros > _LARGEST / 1_000:
        raise BadQuery(f"unable to parse param '{name}': longer than can be, {_shown(text)}")
    return round(micros)


def _tags(simple: Sequence[str], encoded: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in simple:
        key, colon, value = text.partition(":")
        if not colon:
            raise BadQuery(f"malformed 'tag' parameter, expecting key:value, received: {_shown(text)}")
        found[key] = values(value)
    if encoded.strip():
        found.update({key: values(_text(value)) for key, value in _decoded(encoded).items()})
    if len(found) > MOST_TAGS:
        raise BadQuery(f"malformed 'tags' parameter, more than {MOST_TAGS} tags")
    return found


def _decoded(encoded: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(encoded, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadQuery(f"malformed 'tags' parameter, cannot unmarshal JSON: {error}") from error
    if any("\0" in key for key in found):
        raise BadQuery("malformed 'tags' parameter, a key holds a NUL character")
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if "\0" in value:
            raise BadQuery("malformed 'tags' parameter, a value holds a NUL character")
        return value
    if isinstance(value, int | float):
        return str(value)
    raise BadQuery("malformed 'tags' parameter, cannot unmarshal JSON: a value is not a text")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")
