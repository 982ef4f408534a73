"""What an execution left behind: artifacts, warnings, resource samples, logs, and the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from exporter.domain.times import rfc3339
from exporter.store.queries.happenings import MOST, Happening
from exporter.web.answers.error import TimedError

ARTIFACT = "pipeline.artifact.produced"
WARNING = "pipeline.warning.raised"
SAMPLE = "pipeline.resources.sampled"
LOG = "pipeline.log.emitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something that an execution made and that outlives it."""

    time: str
    stage: str | None
    name: str
    uri: str | None
    bytes: int | None
    media_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something worth a look that stopped nothing."""

    time: str
    stage: str | None
    message: str
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """What an execution or one of its stages used: CPU and I/O since its start, memory now and at its peak."""

    time: str
    stage: str | None
    index: str | None
    attempt: int | None
    cpu_seconds: float | None
    memory_bytes: float | None
    memory_peak_bytes: float | None
    io_read_bytes: float | None
    io_written_bytes: float | None
    accelerator_memory_bytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of the log."""

    time: str
    stage: str | None
    level: str
    message: str
    fields: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Lines of the log, the latest first; `next_cursor` asks for those before them."""

    execution: str
    logs: list[LogLine]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """Artifacts in the order of their making, and how many each stage has ("" for none)."""

    execution: str
    artifacts: list[Artifact]
    by_stage: dict[str, int]
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Warnings:
    """Warnings in order, and how many each stage has ("" for none)."""

    execution: str
    warnings: list[Warned]
    by_stage: dict[str, int]
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors in order, those of attempts that were retried too."""

    execution: str
    errors: list[TimedError]
    by_stage: dict[str, int]
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Samples in order, and the most of each figure that any of them has."""

    execution: str
    resources: list[ResourceSample]
    most: dict[str, float | None]
    truncated: bool


_FIGURES = (
    "cpu_seconds",
    "memory_bytes",
    "memory_peak_bytes",
    "io_read_bytes",
    "io_written_bytes",
    "accelerator_memory_bytes",
)


def artifact(event: Happening) -> Artifact:
    """An artifact as its event told it."""
    body = event.body
    return Artifact(
        time=rfc3339(event.time) or "",
        stage=body.get("stage"),
        name=body["name"],
        uri=body.get("uri"),
        bytes=body.get("bytes"),
        media_type=body.get("media_type"),
    )


def warned(event: Happening) -> Warned:
    """A warning as its event told it."""
    body = event.body
    return Warned(
        time=rfc3339(event.time) or "",
        stage=body.get("stage"),
        message=body["message"],
        code=body.get("code"),
    )


def sample(event: Happening) -> ResourceSample:
    """A sample as its event told it."""
    body = event.body
    index = body.get("index")
    return ResourceSample(
        time=rfc3339(event.time) or "",
        stage=body.get("stage"),
        index=None if index is None else str(index),
        attempt=body.get("attempt"),
        **{name: body.get(name) for name in _FIGURES},
    )


def logged(event: Happening) -> LogLine:
    """A line of the log as its event told it."""
    body = event.body
    return LogLine(
        time=rfc3339(event.time) or "",
        stage=body.get("stage"),
        level=body.get("level", "info"),
        message=body["message"],
        fields=body.get("fields"),
    )


def most(samples: Sequence[ResourceSample]) -> dict[str, float | None]:
    """The most of each figure."""
    return {
        name: max((value for each in samples if (value := getattr(each, name)) is not None), default=None)
        for name in _FIGURES
    }


Answer = TypeVar("Answer")


def collect(
    events: Iterator[Happening], make: Callable[[Happening], Answer], stage: str | None
) -> list[Answer]:
    """Answers made from events, those of one stage if it is given."""
    return [make(event) for event in events if stage is None or event.body.get("stage") == stage]


def by_stage(entries: Sequence[Any]) -> dict[str, int]:
    """How many entries each stage has."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.stage or ""] = counts.get(entry.stage or "", 0) + 1
    return counts


def is_cut(entries: Sequence[Any]) -> bool:
    """Whether there may be more entries than an answer holds."""
    return len(entries) >= MOST
