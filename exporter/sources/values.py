"""Values of a record: what an expression of the mapping gives for it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from exporter.domain.times import EARLIEST, LATEST, from_micros
from exporter.sources.mapping import Expression, Lookup, Value
from exporter.sources.paths import Record, fill, first, walk

_PARTS = re.compile(r"(\.\d{6})\d+")
_NEVER = "0000-00-00"
"""What MySQL writes where there is no time."""


class BadValue(ValueError):
    """A value that is not what it has to be; says which and why."""


def evaluate(value: Value, record: Record, zone: tzinfo) -> Any:
    """What the expression gives, as JSON has it; None if there is nothing."""
    if isinstance(value, str):
        return plain(first(record, value))
    if value.has is not None and any(first(record, path) is None for path in value.has):
        return None
    found = _origin(value, record, zone)
    if found is None:
        return None
    if value.match is not None and value.latest is None and value.earliest is None:
        found = _matched(value.match, found)
    if value.words is not None and found is not None:
        found = value.words.get(str(found), found)
    if value.lookup is not None and found is not None:
        found = _looked_up(value.lookup, found, record)
    if value.scale is not None and found is not None:
        found = number(found) * value.scale
    if value.plus is not None and found is not None:
        found = number(found) + value.plus
        found = int(found) if found == int(found) else found
    if value.minus is not None and found is not None:
        less = evaluate(value.minus, record, zone)
        found = moment(found, zone) - timedelta(seconds=min(1e9, 0.0 if less is None else number(less)))
    return found


def _origin(value: Expression, record: Record, zone: tzinfo) -> Any:  # noqa: PLR0911 - one for each origin
    if value.path is not None:
        return plain(first(record, value.path))
    if value.constant is not None:
        return value.constant
    if value.format is not None:
        return fill(value.format, record)
    if value.first is not None:
        return next((f for f in (evaluate(v, record, zone) for v in value.first) if f is not None), None)
    if value.join is not None:
        parts = [evaluate(inner, record, zone) for inner in value.join]
        return None if any(part is None for part in parts) else "".join(str(part) for part in parts)
    if value.nth is not None:
        mine = first(record, value.nth)
        others = (Record(entry, record.root) for entry in record.before)
        return 1 + sum(first(other, value.nth) == mine for other in others)
    if value.newest is not None:
        return _newest(value.newest, record, zone)
    path = value.latest if value.latest is not None else value.earliest
    assert path is not None
    told = [plain(told) for _, told in walk(record, path)]
    if value.match is not None:
        told = [None if one is None else _matched(value.match, one) for one in told]
    times = [moment(one, zone) for one in told if one is not None]
    if not times:
        return None
    return max(times) if value.latest is not None else min(times)


def _newest(words: Mapping[str, str], record: Record, zone: tzinfo) -> str | None:
    told = {word: plain(first(record, path)) for word, path in words.items()}
    times = {word: moment(found, zone) for word, found in told.items() if found is not None}
    return max(times, key=lambda word: times[word], default=None)


def _looked_up(lookup: Lookup, found: Any, record: Record) -> Any:
    """What is told elsewhere of a value, or of each of several; None where nothing is."""
    if isinstance(found, list):
        told = [_looked_up(lookup, one, record) for one in found]
        return [one for one in told if one is not None] or None
    for _, entry in walk(record, lookup.list):
        there = Record(entry, record.root)
        if first(there, lookup.key) == found:
            return plain(first(there, lookup.value))
    return None


def _matched(pattern: str, found: Any) -> Any:
    if isinstance(found, list):
        matches = [re.search(pattern, str(one)) for one in found]
        return list(dict.fromkeys(match[1] for match in matches if match)) or None
    match = re.search(pattern, str(found))
    return match[1] if match else None


def plain(value: Any) -> Any:
    """A value of a database driver, as JSON has it; times stay what they are."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return None if _is_nothing(value) else value


def _is_nothing(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, str) and value.startswith(_NEVER)


def number(value: Any) -> float:
    """A number. Raises BadValue."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise BadValue(f"expected a number, got {str(value)[:100]!r}")
    try:
        found = float(value)
    except ValueError as error:
        raise BadValue(f"expected a number, got {str(value)[:100]!r}") from error
    if not math.isfinite(found):
        raise BadValue(f"expected a number, got {value!r}")
    return found


def moment(value: Any, zone: tzinfo) -> datetime:
    """A time: RFC 3339, also without a zone, or a number since 1970 whose unit its size tells. Raises BadValue."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool):
        raise BadValue(f"expected a time, got {value!r}")
    if isinstance(value, int | float):
        found = _since_1970(value)
    elif isinstance(value, datetime):
        found = value
    else:
        try:
            found = datetime.fromisoformat(_PARTS.sub(r"\1", str(value).strip()))
        except ValueError as error:
            raise BadValue(f"expected a time, got {str(value)[:100]!r}") from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)
    found = found.astimezone(UTC)
    if not EARLIEST <= found < LATEST:
        raise BadValue(f"expected a time between {EARLIEST:%Y} and {LATEST:%Y}, got {str(value)[:100]!r}")
    return found


def _since_1970(value: float) -> datetime:
    """The unit is told by the size: until 2286 each has its own number of digits."""
    size = abs(value)
    for limit, micros in ((1e11, 1_000_000.0), (1e14, 1_000.0), (1e17, 1.0), (1e20, 0.001)):
        if size < limit:
            return from_micros(round(value * micros))
    raise BadValue(f"expected a time, got {value!r}")


def json_ready(value: Any) -> Any:
    """The same with texts instead of times and identities, to be kept as JSON."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(inner) for inner in value]
    found = plain(value)
    return found if found is None or isinstance(found, str | int | float | bool) else str(found)
