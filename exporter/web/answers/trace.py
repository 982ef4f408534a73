"""Executions in the JSON of Jaeger's query API, as Grafana's Jaeger datasource reads it.

`startTime` and `duration` are microseconds. The `timestamp` of a log is milliseconds, unlike Jaeger's own: Grafana
12.4 takes it for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


# Not frozen: an answer has fifty thousand, and making a frozen one takes three times as long.
@dataclass(slots=True, kw_only=True)
class KeyValue:
    """A tag, or a field of a log."""

    key: str
    type: Literal["string", "bool", "int64", "float64"]
    value: str | bool | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Something that happened at an instant, in milliseconds since 1970."""

    timestamp: int
    fields: list[KeyValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A span that another one belongs to or follows from."""

    refType: Literal["CHILD_OF", "FOLLOWS_FROM"]  # noqa: N815 - Jaeger's name
    traceID: str  # noqa: N815 - Jaeger's name
    spanID: str  # noqa: N815 - Jaeger's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An execution, an attempt of a stage, or a call; times in microseconds."""

    traceID: str  # noqa: N815 - Jaeger's name
    spanID: str  # noqa: N815 - Jaeger's name
    operationName: str  # noqa: N815 - Jaeger's name
    startTime: int  # noqa: N815 - Jaeger's name
    duration: int
    tags: list[KeyValue]
    references: list[Reference] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    stackTraces: list[str] = field(default_factory=list)  # noqa: N815 - Grafana's name
    processID: str = "p1"  # noqa: N815 - Jaeger's name
    flags: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What the spans of an execution have in common: its pipeline."""

    serviceName: str  # noqa: N815 - Jaeger's name
    tags: list[KeyValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An execution."""

    traceID: str  # noqa: N815 - Jaeger's name
    spans: list[Span]
    processes: dict[str, Process]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A stage, or an execution as a whole."""

    name: str
    spanKind: str  # noqa: N815 - Jaeger's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A pipeline whose executions started those of another one, and how many."""

    parent: str
    child: str
    callCount: int  # noqa: N815 - Jaeger's name


@dataclass(frozen=True, slots=True, kw_only=True)
class JaegerError:
    """What a request cannot have."""

    code: int
    msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is around every answer."""

    total: int
    limit: int = 0
    offset: int = 0
    errors: list[JaegerError] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces(Envelope):
    """Executions as traces."""

    data: list[Trace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names(Envelope):
    """Names of services or operations."""

    data: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations(Envelope):
    """Operations with their kind."""

    data: list[Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies(Envelope):
    """Which pipelines start which."""

    data: list[Dependency]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Envelope):
    """An answer to what is wrong."""

    data: None = None
    errors: list[JaegerError]


_LARGEST = 2**63 - 1
LONGEST_VALUE = 4_096


def key_values(told: dict[str, Any]) -> list[KeyValue]:
    """Tags or fields; what is unknown is left out."""
    return [_key_value(key, value) for key, value in told.items() if value is not None]


def _key_value(key: str, value: Any) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, type="bool", value=value)
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return KeyValue(key=key, type="int64", value=value)
    if isinstance(value, float):
        return KeyValue(key=key, type="float64", value=value)
    text = str(value)
    if len(text) > LONGEST_VALUE:
        text = text[:LONGEST_VALUE] + "…"
    return KeyValue(key=key, type="string", value=text)


def within(micros: int) -> int:
    """A time or duration as Jaeger's clients can hold it."""
    return min(max(0, micros), _LARGEST)
