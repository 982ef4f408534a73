"""States of runs as domain payloads: what all integrations have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from msgspec import Struct

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import (
    ArtifactProduced,
    ExecutionFinished,
    ExecutionHeartbeat,
    ExecutionStarted,
    ExecutionState,
    Items,
    Labels,
    Parent,
    Payload,
    RecordsChecked,
    StageFinished,
    StageProgressed,
    StageStarted,
    StageState,
)
from exporter.domain.status import Status
from exporter.ingest.openlineage import datasets, facets
from exporter.ingest.openlineage.wire import RunEvent

OUTCOMES = {"COMPLETE": Status.SUCCEEDED, "FAIL": Status.FAILED, "ABORT": Status.CANCELLED}


class Story(Struct):
    """What one OpenLineage event comes to: payloads and when each happened."""

    source: str
    namespace: str
    moments: list[tuple[datetime, Payload]]


class About(TypedDict):
    """Which execution."""

    pipeline: str
    environment: str
    execution: str


class AboutStage(About):
    """Which attempt of which stage."""

    stage: str
    index: str | None
    parent: list[str]
    attempt: int | None
    attempt_id: str | None


class Told(TypedDict, total=False):
    """What is told of an execution besides its state."""

    kind: str | None
    trigger: str | None
    parameters: dict[str, Any] | None
    labels: Labels | None
    parent: Parent | None
    link: str | None


class Work(TypedDict, total=False):
    """What is told of a stage besides its state."""

    depends_on: list[str] | None
    items: Items | None
    kind: str | None


class End(Struct):
    """How a run ended, by its integration's best account. `conclusive`: such a run never starts again."""

    status: Status
    word: str
    error: ErrorDetail | None = None
    retry: bool = False
    queued_at: datetime | None = None
    started_at: datetime | None = None
    conclusive: bool = True


def end(event: RunEvent) -> End | None:
    """How the run ended by OpenLineage's own words; None if it has not."""
    status = OUTCOMES.get(event.type)
    return None if status is None else End(status, event.type, facets.error(event))


def execution_state(event: RunEvent, about: About, told: Told, ended: End | None) -> ExecutionState:
    """The state of an execution: ended, started, or alive."""
    if ended is not None:
        return ExecutionFinished(
            **about,
            **told,
            status=ended.status,
            source_status=ended.word,
            error=ended.error,
            queued_at=ended.queued_at,
            started_at=ended.started_at,
            conclusive=ended.conclusive,
        )
    if event.type == "START":
        return ExecutionStarted(**about, **told, source_status=event.type)
    return ExecutionHeartbeat(**about, **told, source_status=_word(event))


def stage_state(event: RunEvent, about: AboutStage, work: Work, ended: End | None) -> StageState:
    """The state of a stage: ended, started, or at work."""
    if ended is not None:
        return StageFinished(
            **about,
            **work,
            status=ended.status,
            source_status=ended.word,
            error=ended.error,
            retry=ended.retry,
            queued_at=ended.queued_at,
            started_at=ended.started_at,
            conclusive=ended.conclusive,
        )
    if event.type == "START":
        return StageStarted(**about, **work, source_status=event.type)
    return StageProgressed(**about, **work, source_status=_word(event))


def _word(event: RunEvent) -> str | None:
    # OTHER says nothing of a state; as a status word it would only be counted as an unknown one.
    return event.type if event.type == "RUNNING" else None


def artifacts(event: RunEvent, about: About, stage: str | None) -> list[Payload]:
    """What a run that ended well leaves behind."""
    if event.type != "COMPLETE":
        return []
    return [
        ArtifactProduced(**about, stage=stage, name=output.name, uri=output.uri, bytes=output.bytes)
        for output in datasets.written(datasets.outputs(event))
    ]


def checks(event: RunEvent, about: About, stage: str | None) -> list[Payload]:
    """Rules that a run held its inputs against, once it has ended."""
    if event.type not in OUTCOMES:
        return []
    found = datasets.assertions(datasets.inputs(event))
    return [checked(about, stage, found)] if found else []


def checked(about: About, stage: str | None, found: list[datasets.Assertion]) -> RecordsChecked:
    """Failures by rule; a broken rule whose failures nobody counted is one."""
    rules = {one.rule: 1 if one.failures is None else one.failures for one in found}
    return RecordsChecked(**about, stage=stage, rules=rules)
