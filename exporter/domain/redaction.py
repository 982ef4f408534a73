"""Events as they may be kept: without secrets in what they tell in words."""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec.structs import replace

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event, Payload
from exporter.domain.secrets import value_without_secrets, without_secrets

FIELDS = ("error", "message", "fields", "parameters", "labels", "description", "link", "uri")
"""Fields in which programs say what they like. Names and ids are identities: they stay as they are told."""


def redacted(event: Event, *, emails: bool = False) -> Event:
    """The same event without secrets; without addresses of people too, if asked. Without any, the same object."""
    changed: dict[str, Any] = {}
    payload = event.payload
    for field in _fields(type(payload)):
        told = getattr(payload, field)
        if told is None:
            continue
        kept = _error(told, emails) if field == "error" else value_without_secrets(told, emails=emails)
        if kept is not told and kept != told:
            changed[field] = kept
    return replace(event, payload=replace(payload, **changed)) if changed else event


@cache
def _fields(type_: type[Payload]) -> tuple[str, ...]:
    """What there is to look at in payloads of a type: most events have nothing to say, and pay nothing."""
    return tuple(field for field in FIELDS if field in type_.__struct_fields__)


def _error(error: ErrorDetail, emails: bool) -> ErrorDetail:
    trace = error.stacktrace
    return replace(
        error,
        message=without_secrets(error.message, emails=emails),
        stacktrace=None if trace is None else without_secrets(trace, emails=emails),
        context=value_without_secrets(error.context, emails=emails),
    )
