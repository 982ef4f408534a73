"""Rows as they are worked on: executions, attempts of stages, pipelines and their components."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, field

from exporter.catalogue import Scope
from exporter.domain.lifecycle import Episode, Mark, episodes
from exporter.domain.status import ACTIVE, Status
from exporter.store.state import ComponentState, Fact, Facts, PipelineState

SETTLED = "*"
"""Key of the row that says how a source settled a stage."""

_marks_decoder = msgspec.json.Decoder(list[Mark])
_ends_decoder = msgspec.json.Decoder(list[tuple[Status, int | None]])
_facts_decoder = msgspec.json.Decoder(Facts)
encode = msgspec.json.Encoder().encode


class Pipeline(Struct):
    """A pipeline and everything that is counted for it."""

    id: int
    environment: str
    name: str
    series_id: int | None
    state: PipelineState
    components: dict[tuple[Scope, tuple[str, ...]], Component] = field(default_factory=dict)
    counts: dict[Scope, int] = field(default_factory=dict)
    new: bool = False
    dirty: bool = False
    restarted: bool = False


class Component(Struct):
    """A part of a pipeline with labels and totals of its own."""

    id: int
    pipeline_id: int
    scope: Scope
    labels: tuple[str, ...]
    state: ComponentState
    new: bool = False
    dirty: bool = False


class Execution(Struct):
    """A row of `executions`, in the order of its columns; then what is only known while it is worked on."""

    id: str
    pipeline_id: int
    pipeline: str
    environment: str
    external_id: str
    source: str
    kind: str | None
    trigger: str | None
    status: str
    source_status: str | None
    sort_at: int
    queued_at: int | None
    started_at: int | None
    ended_at: int | None
    duration: int | None
    first_at: int
    last_at: int
    seen_at: int
    deadline: int | None
    lost_at: int | None
    stages_total: int
    stages_done: int
    stages_active: int
    ends_counted: int
    queue_counted: bool
    ends: list[tuple[Status, int | None]]
    marks: list[Mark]
    facts: Facts
    stored: tuple[Any, ...] | None = None

    @classmethod
    def from_row(cls, values: Any) -> Execution:
        """An execution as stored."""
        return cls(  # type: ignore[call-arg]  # as many values as columns
            *values[:-3],
            _ends_decoder.decode(values[-3]),
            _marks_decoder.decode(values[-2]),
            _facts_decoder.decode(values[-1]),
            values,
        )

    @property
    def new(self) -> bool:
        """Whether it is not stored yet."""
        return self.stored is None

    def values(self) -> tuple[Any, ...]:
        """The row to store."""
        return (
            self.id, self.pipeline_id, self.pipeline, self.environment, self.external_id, self.source, self.kind,
            self.trigger, self.status, self.source_status, self.sort_at, self.queued_at, self.started_at,
            self.ended_at, self.duration, self.first_at, self.last_at, self.seen_at, self.deadline, self.lost_at,
            self.stages_total, self.stages_done, self.stages_active, self.ends_counted, self.queue_counted,
            encode(self.ends), encode(self.marks), encode(self.facts),
        )  # fmt: skip

    def episodes(self) -> list[Episode]:
        """What its marks add up to; an execution known only by other signs of life is running."""
        found = episodes(self.marks) or [Episode()]
        last = found[-1]
        if last.ended_at is None and self.lost_at is not None and self.seen_at <= self.lost_at:
            last.status = Status.LOST
            last.ended_at = self.last_at
        return found

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ACTIVE


class Attempt(Struct):
    """A row of `stages`, in the order of its columns."""

    instance: bytes
    attempt_key: str
    execution_id: str
    pipeline_id: int
    name: str
    index: str | None
    path: str
    attempt: int
    last: bool
    status: str | None
    own_status: str | None
    source_status: str | None
    queued_at: int | None
    started_at: int | None
    ended_at: int | None
    duration: int | None
    first_at: int
    items_in: int | None
    items_out: int | None
    cpu_seconds: float | None
    memory_peak_bytes: float | None
    marks: list[Mark]
    facts: Facts
    stored: tuple[Any, ...] | None = None

    @classmethod
    def from_row(cls, values: Any) -> Attempt:
        """An attempt as stored."""
        marks, facts = _marks_decoder.decode(values[-2]), _facts_decoder.decode(values[-1])
        return cls(*values[:-2], marks, facts, values)  # type: ignore[call-arg]  # as many values as columns

    @property
    def told_number(self) -> int:
        """The number that its source told; 0 if the source only named it."""
        return told_number(self.attempt_key)

    @property
    def silent(self) -> bool:
        """Whether nothing but measurements tell of it: they may bear the name of a stage that never was."""
        return not self.marks and not self.facts.told and self.items_in is None and self.items_out is None

    def values(self) -> tuple[Any, ...]:
        """The row to store."""
        return (
            self.instance, self.attempt_key, self.execution_id, self.pipeline_id, self.name, self.index, self.path,
            self.attempt, self.last, self.status, self.own_status, self.source_status, self.queued_at,
            self.started_at, self.ended_at, self.duration, self.first_at, self.items_in, self.items_out,
            self.cpu_seconds, self.memory_peak_bytes, encode(self.marks), encode(self.facts),
        )  # fmt: skip


def told_number(attempt_key: str) -> int:
    """The number that an attempt's source told; 0 if the source only named it."""
    return int(attempt_key) if attempt_key.isdecimal() else 0


def instance_id(execution_id: str, path: str, index: str | None) -> bytes:
    """Key of a stage, or of one instance of a mapped stage, within all executions.

    It begins as the execution's id does: stages of an execution then lie side by side in the index, and a group of
    events changes few of its pages.
    """
    text = f"{execution_id}\x1f{path}" if index is None else f"{execution_id}\x1f{path}\x1e{index}"
    return bytes.fromhex(execution_id[:12]) + blake2b(text.encode(), digest_size=10).digest()


@lru_cache(maxsize=4096)
def path_text(path: tuple[str, ...]) -> str:
    """Enclosing stages and the stage's own name, as stored."""
    return encode(path).decode()


class End(Struct, frozen=True):
    """An end of an attempt, to be counted once."""

    status: Status
    duration: int | None
    ended_at: int | None

    @classmethod
    def of(cls, episode: Episode) -> End:
        """The end of an attempt that has ended."""
        return cls(episode.status, episode.duration, episode.ended_at)


class PutBy(Struct, frozen=True):
    """What older attempts of a stage add up to: number and place of the last of them, and their last end and error.

    `at_hand`: keys of the attempts behind them.
    """

    number: int
    named: bool
    told_number: int
    start: int
    key: str
    end: End | None
    error: Fact | None
    at_hand: list[str] = field(default_factory=list)


class Standing(Struct):
    """What a stage's attempts add up to; the difference of two standings is what there is to count."""

    status: str | None = None
    ends: list[End] = field(default_factory=list)
    retries: int = 0
    items_in: int = 0
    items_out: int = 0
    cpu_seconds: float = 0.0
    active: int = 0


class Instance(Struct):
    """A stage of an execution, or one instance of a mapped stage, with its attempts but for those put by.

    `asked`: keys of attempts that are known not to be stored.
    """

    id: bytes
    execution: Execution
    pipeline: Pipeline
    path: tuple[str, ...]
    index: str | None
    attempts: dict[str, Attempt] = field(default_factory=dict)
    before: Standing = field(default_factory=Standing)
    void: bool = False
    put_by: PutBy | None = None
    put_by_stored: PutBy | None = None
    asked: set[str] = field(default_factory=set)

    def attempt(self, key: str, time: int) -> Attempt:
        """The attempt of that key, made if it is new."""
        found = self.attempts.get(key)
        if found is None:
            found = self.attempts[key] = Attempt(
                self.id, key, self.execution.id, self.pipeline.id, self.path[-1], self.index, path_text(self.path),
                told_number(key), False, "running", "running", None, None, None, None, None, time, None, None, None,
                None, [], Facts(),
            )  # fmt: skip
        elif time < found.first_at:
            found.first_at = time
        return found
