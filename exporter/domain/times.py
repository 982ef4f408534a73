"""Instants: aware UTC datetimes inside, whole microseconds since 1970 where they are stored or compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
"""One second in the unit of stored times."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""How far the clock of a source may be ahead of ours: what happens later has not happened."""

TOO_FAR = "expected a time at most a day ahead of the exporter's clock"
"""Why an event is refused."""


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly (a float of seconds would round)."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def from_micros(micros: int) -> datetime:
    """Aware UTC datetime of a stored time."""
    return EPOCH + timedelta(microseconds=micros)


def rfc3339(micros: int | None) -> str | None:
    """Text of a stored time as the API writes it: UTC, microseconds, `Z`."""
    if micros is None:
        return None
    return from_micros(micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
