"""Errors: short, as lists have them, and whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.domain.times import rfc3339
from exporter.store.queries.happenings import StoredError


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """What went wrong, without its stack trace and context. `stage`: where, if it was in a stage."""

    type: str | None
    message: str
    category: str | None
    severity: str | None
    component: str | None
    stage: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Error(ErrorSummary):
    """What went wrong, whole."""

    stacktrace: str | None
    context: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedError:
    """What went wrong, when, and in which attempt."""

    time: str
    type: str
    message: str
    category: str
    severity: str
    component: str | None
    stage: str | None
    index: str | None
    attempt: int | None
    stacktrace: str | None
    context: dict[str, Any] | None


def error_summary(told: Mapping[str, Any]) -> ErrorSummary:
    """An error as a fact has it."""
    return ErrorSummary(
        type=told.get("type"),
        message=told["message"],
        category=told.get("category"),
        severity=told.get("severity"),
        component=told.get("component"),
        stage=told.get("stage"),
    )


def error(told: Mapping[str, Any]) -> Error:
    """An error as a fact has it, whole."""
    return Error(
        type=told.get("type"),
        message=told["message"],
        category=told.get("category"),
        severity=told.get("severity"),
        component=told.get("component"),
        stage=told.get("stage"),
        stacktrace=told.get("stacktrace"),
        context=told.get("context"),
    )


def timed_error(stored: StoredError) -> TimedError:
    """An error as its row has it."""
    return TimedError(
        time=rfc3339(stored.time) or "",
        type=stored.type,
        message=stored.message,
        category=stored.category,
        severity=stored.severity,
        component=stored.component,
        stage=stored.stage,
        index=stored.index,
        attempt=stored.attempt,
        stacktrace=stored.stacktrace,
        context=stored.context,
    )
