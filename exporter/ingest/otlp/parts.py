"""What readings of all dialects are made of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import (
    ExecutionFinished,
    ExecutionStarted,
    Items,
    Labels,
    Parent,
    StageFinished,
)
from exporter.domain.spans import Moment, Place, Span
from exporter.domain.status import Status
from exporter.domain.text import clean_name
from exporter.domain.times import from_micros

SOURCE = "opentelemetry"
NAMESPACE = "opentelemetry"
MOST_LABELS = 32
DEEPEST = 31
"""Enclosing stages of a stage at the most; below that, spans belong to the deepest."""

EXCEPTION = "exception"


def text(value: object) -> str | None:
    """A text that says something, or a number as one; else None."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def name(value: object, limit: int = 256) -> str | None:
    """A text in one clean line, else None."""
    told = text(value)
    return None if told is None else clean_name(told, limit)


def word(value: object) -> str | None:
    """A text as a short name, else None."""
    return name(value, 128)


def whole(value: object) -> int | None:
    """A whole number from 0, also from text, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value) if len(value) < 20 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= 2**53 else None


def amount(value: object, most: float = 1e9) -> float | None:
    """A number from 0, also from text, else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        told = float(value)
    except ValueError:
        return None
    return told if 0 <= told <= most else None


def service(span: Span) -> str:
    """Name of the service that a span came from, or its own if nobody named the service."""
    told = name(span.resource.get("service.name"))
    return span.name if told is None or told.startswith("unknown_service") else told


def outcome(span: Span) -> Status:
    """How a span ended by its own status; one without a status did not fail."""
    return Status.FAILED if span.failed else Status.SUCCEEDED


def error(span: Span) -> ErrorDetail | None:
    """What went wrong, if the span tells: its last exception, its status message, its `error.type`."""
    thrown = [event.attributes for event in span.events if event.name == EXCEPTION]
    if not thrown and not span.failed:
        return None
    last = thrown[-1] if thrown else {}
    type_ = text(last.get("exception.type")) or text(span.attributes.get("error.type"))
    message = (
        text(last.get("exception.message"))
        or text(span.message)
        or text(span.attributes.get("error.message"))
        or type_
        or "no message was told"
    )
    return ErrorDetail(
        message=message, type=type_, stacktrace=text(last.get("exception.stacktrace"))
    ).cleaned()


def labels(told: Iterable[tuple[str, object]]) -> Labels | None:
    """Labels of what is told."""
    found: Labels = {}
    for key, value in told:
        if isinstance(value, bool | int | float):
            found[clean_name(key, 128)] = value
        elif (value_ := name(value, 1024)) is not None:
            found[clean_name(key, 128)] = value_
        if len(found) >= MOST_LABELS:
            break
    return found or None


def below(parent: Place, name_: str) -> list[str]:
    """Path of a stage below another."""
    return [*parent.path, name_] if len(parent.path) <= DEEPEST else list(parent.path)


def execution(  # noqa: PLR0913 - each dialect tells what it knows
    span: Span,
    place: Place,
    *,
    status: Status | None = None,
    source_status: str | None = None,
    kind: str | None = None,
    trigger: str | None = None,
    labels: Labels | None = None,
    parameters: dict[str, Any] | None = None,
    parent: Parent | None = None,
    link: str | None = None,
) -> list[Moment]:
    """An execution began and ended with a span."""
    assert place.execution is not None
    about: dict[str, Any] = {
        "pipeline": place.pipeline,
        "environment": place.environment,
        "execution": place.execution,
        "kind": kind,
        "trigger": trigger,
        "labels": labels,
        "parameters": parameters,
        "parent": parent,
        "link": link,
    }
    ended = outcome(span) if status is None else status
    finished = ExecutionFinished(
        **about,
        status=ended,
        source_status=source_status,
        error=error(span) if ended in (Status.FAILED, Status.TIMED_OUT) else None,
        started_at=from_micros(span.start),
    )
    return [Moment(span.start, ExecutionStarted(**about)), Moment(span.end, finished)]


def stage(  # noqa: PLR0913 - each dialect tells what it knows
    span: Span,
    place: Place,
    *,
    status: Status | None = None,
    source_status: str | None = None,
    attempt: int | None = None,
    attempt_id: str | None = None,
    retry: bool = False,
    depends_on: list[str] | None = None,
    items: Items | None = None,
    kind: str | None = None,
) -> Moment:
    """An attempt of a stage began and ended with a span."""
    assert place.execution is not None
    ended = outcome(span) if status is None else status
    finished = StageFinished(
        pipeline=place.pipeline,
        environment=place.environment,
        execution=place.execution,
        stage=place.path[-1],
        parent=place.path[:-1],
        index=place.index,
        attempt=attempt,
        attempt_id=attempt_id if attempt is None else None,
        status=ended,
        source_status=source_status,
        retry=retry,
        error=error(span) if ended in (Status.FAILED, Status.TIMED_OUT) else None,
        depends_on=depends_on,
        items=items,
        kind=kind,
        started_at=from_micros(span.start),
    )
    return Moment(span.end, finished)


def sound_link(value: object) -> str | None:
    """An address that a page may link to, else None."""
    told = text(value)
    if told is None or len(told) > 2048 or not told.isprintable():
        return None
    return told if told.startswith(("http://", "https://")) else None


def moment(value: object) -> datetime | None:
    """A time that is written as text, in UTC if it tells no zone; else None."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        told = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
