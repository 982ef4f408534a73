"""Query and path parameters: how they are read and checked. A bad value is answered with 422 and its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from exporter.domain.status import Status
from exporter.domain.times import to_micros
from exporter.store.queries.order import BadCursor, Order, Position
from exporter.web.problems import bad_parameter

LONGEST = 1024
MOST_VALUES = 1000
"""Values of a parameter that may be repeated."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
_FIRST_MILLISECONDS = 100_000_000_000


def moment(value: Any) -> int:
    """Microseconds of an RFC 3339 time, a date, or a number of seconds or milliseconds since 1970."""
    text = str(value).strip()
    try:
        if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text):
            number = float(text)
            seconds = number / 1000 if number >= _FIRST_MILLISECONDS else number
            return to_micros(datetime.fromtimestamp(round(seconds, 6), UTC))
        if not _DATE.match(text):
            raise ValueError
        # An unescaped plus sign arrives as a blank.
        found = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
        return to_micros(found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("expected a time such as 2026-01-31T12:00:00Z") from error


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


def _few(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


_MOMENT_SCHEMA = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339; also a date, or seconds or milliseconds since 1970",
}
Moment = Annotated[int, PlainValidator(moment), WithJsonSchema(_MOMENT_SCHEMA)]
Text = Annotated[str, Query(max_length=LONGEST), AfterValidator(_without_nul)]
_Each = Annotated[str, AfterValidator(_without_nul)]
Texts = Annotated[list[_Each], Query(max_length=MOST_VALUES), AfterValidator(_few)]
Statuses = Annotated[list[Status], Query(max_length=MOST_VALUES), AfterValidator(_few)]
Since = Annotated[Moment | None, Query(alias="from", description="started at or after this time")]
Until = Annotated[Moment | None, Query(alias="to", description="started before this time")]
ExecutionId = Annotated[str, Path(description="32 hex digits, as in `id`", max_length=LONGEST)]
StageName = Annotated[str, Path(max_length=LONGEST), AfterValidator(_without_nul)]
PipelineName = Annotated[str, Path(max_length=LONGEST), AfterValidator(_without_nul)]


def order(text: str) -> Order:
    """An order of executions. Raises Problem."""
    try:
        return Order.parse(text)
    except ValueError as error:
        message = "expected started_at, duration_seconds or ended_at, with - in front for descending"
        raise bad_parameter("sort", message) from error


def position(cursor: str | None, of: Order) -> Position | None:
    """Where the last page ended. Raises Problem."""
    if cursor is None:
        return None
    try:
        return Position.of_cursor(cursor, of)
    except BadCursor as error:
        raise bad_parameter("cursor", str(error)) from error


def names(values: Iterable[str]) -> tuple[str, ...]:
    """Values of a repeatable parameter; empty ones, as dashboards send them for "all", say nothing."""
    return tuple(value for value in values if value)
