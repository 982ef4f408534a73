"""Payloads from outside, made fit to be stored as JSON that every database can read."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from exporter.domain.events import Payload
from exporter.domain.text import REPLACEMENT

P = TypeVar("P", bound=Payload)


def without_nul(payload: P) -> P:
    """The same payload with every NUL replaced: PostgreSQL's text and JSON cannot hold one."""
    return msgspec.convert(_clean(msgspec.to_builtins(payload)), type(payload))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", REPLACEMENT)
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value
