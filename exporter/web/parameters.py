"""Query and path parameters: how they are read and checked. A bad value is answered with 422 and its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field, PlainValidator, WithJsonSchema

from exporter.domain.status import Status
from exporter.domain.times import EPOCH, to_micros
from exporter.store.queries.order import BadCursor, Order, Position
from exporter.store.queries.text import words_of
from exporter.store.queries.wanted import Wanted
from exporter.web.problems import bad_parameter

LONGEST = 1024
MOST_VALUES = 1000
"""Values of a parameter that may be repeated."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
_FIRST_MILLISECONDS = 100_000_000_000
_LAST = datetime(2200, 1, 1, tzinfo=UTC)


def moment(value: Any) -> int:
    """Microseconds of an RFC 3339 time, a date, or a number of seconds or milliseconds since 1970."""
    text = str(value).strip()
    try:
        if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text):
            number = float(text)
            seconds = number / 1000 if number >= _FIRST_MILLISECONDS else number
            return _within(datetime.fromtimestamp(round(seconds, 6), UTC))
        if not _DATE.match(text):
            raise ValueError
        # An unescaped plus sign arrives as a blank.
        found = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
        return _within(found.replace(tzinfo=UTC) if found.tzinfo is None else found)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("expected a time such as 2026-01-31T12:00:00Z") from error


def _within(found: datetime) -> int:
    # "The beginning of time" differs between languages, and no event is outside of these bounds.
    return to_micros(min(max(found, EPOCH), _LAST))


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


_MOMENT_SCHEMA = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339; also a date, or seconds or milliseconds since 1970",
}
Moment = Annotated[int, PlainValidator(moment), WithJsonSchema(_MOMENT_SCHEMA)]
Text = Annotated[str, Field(max_length=LONGEST), AfterValidator(_without_nul)]
Texts = Annotated[list[Text], Field(max_length=MOST_VALUES)]
Statuses = Annotated[list[Status], Field(max_length=MOST_VALUES)]
Limit = Annotated[int, Field(ge=1, le=500)]
ExecutionId = Annotated[Text, Path(alias="id", description="32 hex digits, as in `id`")]
Name = Annotated[Text, Path(alias="name")]


Environment = Annotated[Text | None, Query()]


class Listed(BaseModel):
    """Pipelines of an environment, a page at a time."""

    environment: Text | None = None
    limit: Limit = 100
    cursor: Text | None = None


class Scoped(BaseModel):
    """Which pipelines. An empty value, as dashboards send it for "all", says nothing."""

    pipeline: Texts = []
    environment: Text | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The pipelines asked for; none: all."""
        return _told(self.pipeline)

    @property
    def place(self) -> str | None:
        """The environment asked for; None: all."""
        return self.environment or None


class Paged(Scoped):
    """The same, a page at a time."""

    limit: Limit = 100
    cursor: Text | None = None


class Windowed(Scoped):
    """The same, between two instants."""

    since: Annotated[Moment | None, Field(alias="from", description="began at or after this time")] = None
    until: Annotated[Moment | None, Field(alias="to", description="began before this time")] = None


class PagedWindow(Windowed):
    """The same, a page at a time."""

    limit: Limit = 100
    cursor: Text | None = None


class ExecutionFilters(Windowed):
    """Which executions, in which order, and how many."""

    status: Statuses = []
    kind: Texts = []
    source: Text | None = None
    external_id: Text | None = None
    q: Annotated[Text | None, Field(description="words, all of which occur in names, labels or error")] = None
    sort: Annotated[
        Text, Field(description="started_at, duration_seconds or ended_at; `-` in front for descending")
    ] = "-started_at"
    limit: Limit = 50
    cursor: Text | None = None

    @property
    def wanted(self) -> Wanted:
        """The filters."""
        return Wanted(
            pipelines=self.names,
            environment=self.place,
            statuses=tuple(self.status),
            kinds=_told(self.kind),
            source=self.source or None,
            external_id=self.external_id or None,
            since=self.since,
            until=self.until,
            words=words_of(self.q or ""),
        )


def _told(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def order_of(text: str) -> Order:
    """An order of executions. Raises Problem."""
    try:
        return Order.parse(text)
    except ValueError as error:
        message = "expected started_at, duration_seconds or ended_at, with - in front for descending"
        raise bad_parameter("sort", message) from error


def position(cursor: str | None, order: Order) -> Position | None:
    """Where the last page ended. Raises Problem."""
    if cursor is None:
        return None
    try:
        return Position.of_cursor(cursor, order)
    except BadCursor as error:
        raise bad_parameter("cursor", str(error)) from error
