"""Figures in words for people: durations, distances in time, sizes, statuses."""

from __future__ import annotations

from datetime import datetime

from exporter.domain.status import Status
from exporter.domain.times import SECOND, from_micros, rfc3339, to_micros

UNKNOWN = "\N{EN DASH}"

_STATUS_WORDS = {Status.TIMED_OUT: "timed out"}


def status_words(status: str | None) -> str:
    """A status as people say it."""
    if status is None:
        return "no run yet"
    return _STATUS_WORDS.get(Status(status), status)


def span(seconds: float | None) -> str:
    """A duration, exact enough to compare and no longer than needed."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return _clock(round(seconds))


def _clock(whole: int) -> str:
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest} s"


def distance(seconds: float) -> str:
    """A distance in time from now, in one unit."""
    seconds = abs(seconds)
    for limit, length, unit in ((60, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{max(1, round(seconds / length))} {unit}"
    return f"{round(seconds / 86_400)} days"


def ago(micros: int | None, now: datetime) -> str:
    """How long ago, or in how long."""
    if micros is None:
        return "never"
    seconds = (to_micros(now) - micros) / SECOND
    if abs(seconds) < 2:
        return "now"
    return f"{distance(seconds)} ago" if seconds > 0 else f"in {distance(seconds)}"


def size(number: float | None) -> str:
    """Bytes in binary units."""
    if number is None:
        return UNKNOWN
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= 1024 and len(units) > 1:
        number /= 1024
        units.pop(0)
    return f"{number:.0f} {units[0]}" if number >= 100 or units[0] == "B" else f"{number:.1f} {units[0]}"


def percent(part: float | None) -> str:
    """A part of one in whole percent; what is not all is never shown as all."""
    if part is None:
        return UNKNOWN
    shown = round(part * 100)
    if shown == 100 and part < 1:
        shown = 99
    return f"{shown} %"


def number(value: float | None) -> str:
    """A count with thin spaces between thousands."""
    return UNKNOWN if value is None else f"{value:,.0f}".replace(",", "\u202f")


def clock(micros: int | None) -> str:
    """An instant in full."""
    return "" if micros is None else f"{from_micros(micros):%Y-%m-%d %H:%M:%S} UTC"


def machine(micros: int | None) -> str:
    """An instant as the API writes it."""
    return rfc3339(micros) or ""


def safe_link(url: object) -> str | None:
    """A link that may be followed: http or https and nothing else, whatever a source sent."""
    if isinstance(url, str) and url.lower().startswith(("http://", "https://")):
        return url
    return None
