"""Fields of events, out of what systems write in their place."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from exporter.domain import events as e
from exporter.domain.clean import without_nul
from exporter.domain.events import Event, Payload
from exporter.domain.schedule import BadSchedule, cadence
from exporter.domain.status import status_of_word
from exporter.domain.text import clean_name, clean_text
from exporter.domain.times import AHEAD, TOO_FAR
from exporter.sources.lifecycle import Standing
from exporter.sources.mapping import Document, Emit
from exporter.sources.paths import Record, first
from exporter.sources.values import BadValue, number

_NAMES = ("pipeline", "environment", "stage", "stream", "index")
_WORDS = ("kind", "trigger", "provider", "request_model", "response_model", "operation", "code", "level")
_NUMBERS = (
    "duration_seconds",
    "time_to_first_token_seconds",
    "cost_usd",
    "completeness",
    "target_rate",
    "every_seconds",
    "cpu_seconds",
    "memory_bytes",
    "memory_peak_bytes",
    "io_read_bytes",
    "io_written_bytes",
)
_PLANNED = (e.ExecutionQueued, e.StageQueued)
_TEXTS = {"message": 1_000_000, "description": 100_000}


def kind_of(emit: Emit) -> str:
    """What an emit tells of."""
    conditions = ("each", "newest_first", "when", "unless", "has")
    return next(n for n in Emit.__struct_fields__ if n not in conditions and getattr(emit, n) is not None)


def whole(value: Any) -> int:
    """A whole number. Raises BadValue."""
    found = number(value)
    if found < 0 or found != int(found):
        raise BadValue(f"expected a whole number, got {value!r}")
    return int(found)


def refuse_ahead(told: list[Event], known: int, read_at: datetime) -> None:
    """Take out what is behind the first `known` if any of it happened more than a day ahead. Raises BadValue.

    What is queued may be planned for any time.
    """
    latest = read_at + AHEAD
    for event in told[known:]:
        if event.time > latest and not isinstance(event.payload, _PLANNED):
            del told[known:]
            raise BadValue(f"{TOO_FAR}, got {event.time.isoformat()}")


def fits(emit: Emit, record: Record) -> bool:
    """Whether an emit is about a record."""
    if not is_about(emit, record):
        return False
    return all(first(record, path) not in (None, "", [], {}) for path in emit.has or ())


def is_about(told: Emit | Document, record: Record) -> bool:
    """Whether a record has the values that `when` asks for, and none of those of `unless`."""
    if not all(first(record, path) in values for path, values in (told.when or {}).items()):
        return False
    return not any(first(record, path) in values for path, values in (told.unless or {}).items())


def after_quiet(standing: Standing, seconds: float, status: str, read_at: datetime) -> Standing:
    """The same, ended if nothing was told of it for so long."""
    last = standing.changed_at or standing.started_at
    if not standing.is_open or last is None or read_at - last < timedelta(seconds=seconds):
        return standing
    return Standing(
        status_of_word(status),
        standing.word,
        standing.queued_at,
        standing.started_at,
        last,
        standing.changed_at,
    )


def made(type_: type[Payload], fields: dict[str, Any]) -> Any:
    """A payload of the fields that are known. Raises ValidationError."""
    told = {key: value for key, value in fields.items() if value is not None}
    payload = msgspec.convert(told, type_)
    return without_nul(payload) if b"\\u0000" in msgspec.json.encode(payload) else payload


def cleaned(name: str, found: Any) -> Any:  # noqa: PLR0911 - one for each kind of field
    """A value, fit for the field of that name."""
    if name in _NAMES:
        return clean_name(str(found))
    if name in _WORDS:
        return clean_name(str(found), 128)
    if name in _TEXTS:
        return clean_text(text_of(found), _TEXTS[name] - 100)
    if name in _NUMBERS:
        return number(found)
    if name == "paused":
        return found in (True, 1, "1", "true", "t")
    if name in ("execution", "name", "uri", "media_type", "owner", "cron", "timezone"):
        return clean_name(text_of(found), 1024 if name in ("execution", "name", "uri") else 256)
    return found


def with_schedule(fields: dict[str, Any]) -> None:
    """A schedule, if the text is one that can be foretold: systems write other things there as well."""
    told = {name: fields.pop(name) for name in ("cron", "every_seconds", "timezone") if name in fields}
    if "cron" not in told and "every_seconds" not in told:
        return
    try:
        schedule = msgspec.convert(told, e.Schedule)
        cadence(schedule)
    except (BadSchedule, msgspec.ValidationError):
        return
    fields["schedule"] = told


def with_rule(fields: dict[str, Any]) -> None:
    """A rule and its failures, as checks tell them: by name."""
    rule, failures = fields.pop("rule", None), fields.pop("failures", None)
    if rule is not None:
        fields["rules"] = {clean_name(text_of(rule)): 0 if failures is None else whole(failures)}


def object_of(text: str) -> dict[str, Any] | None:
    """A JSON object that a column holds as text, if it does."""
    try:
        decoded = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return decoded if isinstance(decoded, dict) else None


def label_of(value: Any) -> str | int | float | bool:
    """A label's value."""
    return value if isinstance(value, int | float | bool) else text_of(value)[:1024]


def text_of(value: Any) -> str:
    """Text; a list of lines becomes one."""
    if isinstance(value, list):
        return "".join(str(one) for one in value)
    return value if isinstance(value, str) else str(value)


def shown(value: Any) -> str:
    """An expression, for messages."""
    if isinstance(value, str):
        return repr(value)
    return repr({k: v for k, v in msgspec.to_builtins(value).items() if v is not None})
