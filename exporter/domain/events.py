"""Events: the one vocabulary that every way in is translated to.

Each payload is a frozen value and at once the `data` of a CloudEvents type (see `docs/events.md`). Fields that
only translators of other protocols fill are marked as such; a CloudEvents producer may send them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct, field

from exporter.domain.errors import ErrorDetail
from exporter.domain.text import NAME_LENGTH

Moment = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
Word = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=1_000_000)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e15)]
Labels = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=128)], str | int | float | bool | None],
    Meta(max_length=64),
]


class Schedule(Struct, frozen=True, omit_defaults=True):
    """When a pipeline is due: a five-field cron expression or a period, and how late a start may be."""

    cron: Annotated[str, Meta(max_length=128)] | None = None
    every_seconds: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"
    grace_seconds: Seconds | None = None


class StageDeclaration(Struct, frozen=True, omit_defaults=True):
    """A stage of the declared graph."""

    name: Name
    depends_on: Annotated[list[Name], Meta(max_length=1000)] = field(default_factory=list)
    kind: Word | None = None


class Parent(Struct, frozen=True, omit_defaults=True):
    """The execution that started this one."""

    pipeline: Name
    execution: Annotated[str, Meta(min_length=1, max_length=1024)]


class Items(Struct, frozen=True, omit_defaults=True):
    """Items that a stage took in and gave out so far, in one attempt."""

    in_: Count | None = field(name="in", default=None)
    out: Count | None = None


class Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every event tells: the pipeline it is about."""

    type: ClassVar[str]

    pipeline: Name
    environment: Name = "default"


class PipelineDeclared(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """A pipeline describes itself. What is left out stays as it was declared before."""

    type: ClassVar[str] = "pipeline.declared"

    kind: Word | None = None
    owner: Name | None = None
    description: Text | None = None
    labels: Labels | None = None
    stages: Annotated[list[StageDeclaration], Meta(max_length=10_000)] | None = None
    streams: Annotated[list[Name], Meta(max_length=10_000)] | None = None
    schedule: Schedule | None = None
    paused: bool | None = None
    llm_budget_usd: Amount | None = None


class ExecutionPayload(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """What every event of one execution tells."""

    execution: Annotated[str, Meta(min_length=1, max_length=1024)]


class ExecutionState(ExecutionPayload, frozen=True, kw_only=True, omit_defaults=True):
    """An execution entered a state or gave a sign of life."""

    kind: Word | None = None
    trigger: Word | None = None
    parameters: dict[str, Any] | None = None
    labels: Labels | None = None
    parent: Parent | None = None
    heartbeat_seconds: Annotated[float, Meta(gt=0, le=1e8)] | None = None
    source_status: Word | None = None
    link: Annotated[str, Meta(max_length=2048)] | None = None


class ExecutionQueued(ExecutionState, frozen=True, kw_only=True, omit_defaults=True):
    """An execution waits to be started."""

    type: ClassVar[str] = "pipeline.execution.queued"


class ExecutionStarted(ExecutionState, frozen=True, kw_only=True, omit_defaults=True):
    """An execution runs."""

    type: ClassVar[str] = "pipeline.execution.started"


class ExecutionPaused(ExecutionState, frozen=True, kw_only=True, omit_defaults=True):
    """An execution was halted and may go on."""

    type: ClassVar[str] = "pipeline.execution.paused"


class ExecutionResumed(ExecutionState, frozen=True, kw_only=True, omit_defaults=True):
    """A paused or ended execution goes on."""

    type: ClassVar[str] = "pipeline.execution.resumed"


class ExecutionHeartbeat(ExecutionState, frozen=True, kw_only=True, omit_defaults=True):
    """An execution is alive; changes no state."""

    type: ClassVar[str] = "pipeline.execution.heartbeat"


class ExecutionProgressed(ExecutionPayload, frozen=True, kw_only=True, omit_defaults=True):
    """How far an execution is, by its own account."""

    type: ClassVar[str] = "pipeline.execution.progressed"

    progress: Ratio | None = None
    message: Text | None = None
    eta: Moment | None = None


class ExecutionFinished(ExecutionState, frozen=True, kw_only=True, omit_defaults=True):
    """An execution ended.

    `queued_at`, `started_at`: the source's own figures, better than the times at which events were sent.
    `conclusive` (translators): a run ends once; a start stamped later is its clock's fault.
    """

    type: ClassVar[str] = "pipeline.execution.finished"

    status: Word
    error: ErrorDetail | None = None
    queued_at: Moment | None = None
    started_at: Moment | None = None
    conclusive: bool = False


class StagePayload(ExecutionPayload, frozen=True, kw_only=True, omit_defaults=True):
    """What every event of one stage tells.

    `index`: which instance of a mapped stage. `parent`: enclosing stages, outermost first. `attempt` counts from 1.
    `attempt_id` (translators): names an attempt whose number the source does not tell; attempts so named are
    numbered by their start.
    """

    stage: Name
    index: Annotated[str, Meta(max_length=NAME_LENGTH)] | int | None = None
    parent: Annotated[list[Name], Meta(max_length=32)] = field(default_factory=list)
    attempt: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    attempt_id: Annotated[str, Meta(max_length=128)] | None = None


class StageState(StagePayload, frozen=True, kw_only=True, omit_defaults=True):
    """A stage entered a state or told of its work."""

    depends_on: Annotated[list[Name], Meta(max_length=1000)] | None = None
    items: Items | None = None
    kind: Word | None = None
    source_status: Word | None = None


class StageQueued(StageState, frozen=True, kw_only=True, omit_defaults=True):
    """A stage waits to be started."""

    type: ClassVar[str] = "pipeline.stage.queued"


class StageStarted(StageState, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt of a stage runs."""

    type: ClassVar[str] = "pipeline.stage.started"


class StageProgressed(StageState, frozen=True, kw_only=True, omit_defaults=True):
    """How far a stage is; changes no state."""

    type: ClassVar[str] = "pipeline.stage.progressed"

    progress: Ratio | None = None
    message: Text | None = None


class StageFinished(StageState, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt of a stage ended. `retry`: another attempt follows.

    `queued_at`, `started_at`: the source's own figures, better than the times at which events were sent.
    `conclusive` (translators): an attempt ends once; a start stamped later is its clock's fault.
    """

    type: ClassVar[str] = "pipeline.stage.finished"

    status: Word
    error: ErrorDetail | None = None
    retry: bool = False
    queued_at: Moment | None = None
    started_at: Moment | None = None
    conclusive: bool = False


class StageSettled(StagePayload, frozen=True, kw_only=True, omit_defaults=True):
    """What a source says of a stage once its execution is over, without telling when it ran.

    It stands for a stage that sent nothing (skipped, or too trivial to tell), overrules the status of a stage's last
    attempt, and says nothing about a stage that has mapped instances, since sources fold those into one word.
    """

    type: ClassVar[str] = "pipeline.stage.settled"

    status: Word
    source_status: Word | None = None
    duration_seconds: Seconds | None = None


class ResourcesSampled(ExecutionPayload, frozen=True, kw_only=True, omit_defaults=True):
    """What an execution or one of its stages uses: CPU and I/O since its start, memory now and at its peak."""

    type: ClassVar[str] = "pipeline.resources.sampled"

    stage: Name | None = None
    index: Annotated[str, Meta(max_length=NAME_LENGTH)] | int | None = None
    parent: Annotated[list[Name], Meta(max_length=32)] = field(default_factory=list)
    attempt: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    cpu_seconds: Seconds | None = None
    memory_bytes: Amount | None = None
    memory_peak_bytes: Amount | None = None
    io_read_bytes: Amount | None = None
    io_written_bytes: Amount | None = None
    accelerator_memory_bytes: Amount | None = None


class ArtifactProduced(ExecutionPayload, frozen=True, kw_only=True, omit_defaults=True):
    """An execution made something that outlives it."""

    type: ClassVar[str] = "pipeline.artifact.produced"

    stage: Name | None = None
    name: Annotated[str, Meta(min_length=1, max_length=1024)]
    uri: Annotated[str, Meta(max_length=4096)] | None = None
    bytes: Count | None = None
    media_type: Annotated[str, Meta(max_length=256)] | None = None


class WarningRaised(ExecutionPayload, frozen=True, kw_only=True, omit_defaults=True):
    """Something is worth a look and stopped nothing."""

    type: ClassVar[str] = "pipeline.warning.raised"

    stage: Name | None = None
    message: Text
    code: Word | None = None


class LogEmitted(ExecutionPayload, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an execution's log."""

    type: ClassVar[str] = "pipeline.log.emitted"

    stage: Name | None = None
    level: Word = "info"
    message: Text
    fields: dict[str, Any] | None = None


class StreamMeasured(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """What went through a stream since the last measurement, and where it stands.

    `events`, `dead_letters`, `latency_seconds`, `commits`, `files`, `bytes` are increments; `watermark`,
    `buffer_depth`, `target_rate` (events per second) and `phase` are states.
    """

    type: ClassVar[str] = "pipeline.stream.measured"

    execution: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    stream: Name
    direction: Annotated[str, Meta(pattern="^(in|out)$")] = "in"
    stage: Name | None = None
    target_rate: Amount | None = None
    phase: Word | None = None
    events: dict[Word, Count] | None = None
    watermark: Moment | None = None
    buffer_depth: Count | None = None
    dead_letters: Count | None = None
    latency_seconds: Annotated[list[Seconds], Meta(max_length=10_000)] | None = None
    commits: Count | None = None
    files: Count | None = None
    bytes: Count | None = None


class RecordsChecked(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Records found valid or not since the last check, the rules they broke, and how complete they are."""

    type: ClassVar[str] = "pipeline.records.checked"

    execution: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    stream: Name | None = None
    stage: Name | None = None
    valid: Count | None = None
    invalid: Count | None = None
    rules: dict[Name, Count] | None = None
    completeness: Ratio | None = None


class LlmCalled(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a language model."""

    type: ClassVar[str] = "pipeline.llm.called"

    execution: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    stage: Name | None = None
    provider: Word
    request_model: Word
    response_model: Word | None = None
    operation: Word = "chat"
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    duration_seconds: Seconds | None = None
    time_to_first_token_seconds: Seconds | None = None
    cost_usd: Amount | None = None
    error: ErrorDetail | None = None
    prompt: Text | None = None
    response: Text | None = None
    template: Text | None = None
    variables: dict[str, Any] | None = None


PAYLOADS: tuple[type[Payload], ...] = (
    PipelineDeclared,
    ExecutionQueued,
    ExecutionStarted,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionHeartbeat,
    ExecutionProgressed,
    ExecutionFinished,
    StageQueued,
    StageStarted,
    StageProgressed,
    StageFinished,
    StageSettled,
    ResourcesSampled,
    ArtifactProduced,
    WarningRaised,
    LogEmitted,
    StreamMeasured,
    RecordsChecked,
    LlmCalled,
)
PAYLOAD_OF_TYPE: Mapping[str, type[Payload]] = {payload.type: payload for payload in PAYLOADS}


class Event(Struct, frozen=True):
    """A payload with its identity (16 bytes), when it happened, and whom it came from.

    `source`: the kind of system, as shown to people ("airflow", "cloudevents"). `namespace`: what keeps the run ids
    of that system apart from those of others (see `execution_id`). `way`: which way in it came by, where several may
    tell of the same run: the last by name knows most of an error. `unmapped`: the status word that the source's mapping
    maps to nothing, "" if it maps all that was told; None where no mapping was asked, and `source_status` has to do.
    """

    identity: bytes
    time: datetime
    source: str
    namespace: str
    payload: Payload
    way: str = ""
    unmapped: str | None = None

    @property
    def body(self) -> bytes:
        """The payload as JSON, for the record."""
        return msgspec.json.encode(self.payload)
