"""Rows, documents and their entries become domain events, as a mapping says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from exporter.domain import events as e
from exporter.domain.events import Event, Payload
from exporter.domain.identity import event_identity
from exporter.domain.schedule import BadSchedule
from exporter.domain.status import FINAL, Status
from exporter.domain.text import clean_name
from exporter.domain.times import AHEAD, TOO_FAR
from exporter.sources.fields import (
    after_quiet,
    fits,
    kind_of,
    made,
    refuse_ahead,
    whole,
    with_rule,
    with_schedule,
)
from exporter.sources.graph import graph
from exporter.sources.lifecycle import Sign, Standing, Step, steps
from exporter.sources.mapping import Emit, ExecutionMap, PipelineMap, StageMap, StreamMap
from exporter.sources.paths import BadPath, Record, entries
from exporter.sources.record_values import Values
from exporter.sources.values import BadValue, moment, number

_EXECUTION: dict[Sign, type[e.ExecutionState]] = {
    Sign.QUEUED: e.ExecutionQueued,
    Sign.STARTED: e.ExecutionStarted,
    Sign.PAUSED: e.ExecutionPaused,
    Sign.FINISHED: e.ExecutionFinished,
}
_STAGE: dict[Sign, type[e.StageState]] = {
    Sign.QUEUED: e.StageQueued,
    Sign.STARTED: e.StageStarted,
    Sign.PAUSED: e.StageStarted,
    Sign.FINISHED: e.StageFinished,
}
_PLAIN: dict[str, type[Payload]] = {
    "settled": e.StageSettled,
    "pipeline": e.PipelineDeclared,
    "llm": e.LlmCalled,
    "artifact": e.ArtifactProduced,
    "warning": e.WarningRaised,
    "log": e.LogEmitted,
    "resources": e.ResourcesSampled,
    "records": e.RecordsChecked,
}
WAY = "source"
UNDATED = "end_without_time"
"""Code of the warning at an end for which a source tells no time."""
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "valid", "invalid", "bytes", "attempt")


@dataclass(frozen=True, slots=True)
class Total:
    """What went through a stream since a beginning."""

    payload: e.StreamMeasured
    time: datetime
    counter: str


@dataclass(slots=True)
class Told:
    """What rows told: events, totals, whether something in them may still change, and what could not be read.

    `unmapped`: words that stand for no status.
    """

    events: list[Event] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    is_open: bool = False
    problems: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)

    def stands(self, standing: Standing) -> None:
        """A run or stage in a row stands there."""
        self.is_open = self.is_open or standing.is_open
        if standing.status is None:
            self.unmapped.append(standing.unmapped)


@dataclass(frozen=True, slots=True)
class Translator(Values):
    """Translates what one read of a source gives."""

    def translate(self, value: Any, row: str, read_at: datetime, shown: str | None = None) -> Told:
        """What one row or document tells; `row`: what it is found by; `shown`: what to call it in messages.

        A part that cannot be read costs only itself.
        """
        told = Told()
        shown = f"{self.read.name} {row[:100]}" if shown is None else shown
        # The same entry stands in document after document: only rows of databases and lines have keys of their own.
        keyed = self.mapping.reads_from == "database" or self.read.format == "jsonl"
        for number_, emit in enumerate(self.read.emits):
            kind = kind_of(emit)
            for record in self.records(emit, value):
                try:
                    known = len(told.events)
                    self._take(told, emit, record, f"{number_}/{row if keyed else ''}", read_at)
                    refuse_ahead(told.events, known, read_at)
                except (BadValue, BadPath, BadSchedule, msgspec.ValidationError) as error:
                    told.problems.append(f"{shown}: {kind}: {error}")
        return told

    def records(self, emit: Emit, value: Any) -> Iterator[Record]:
        """The row, or the entries of a list inside it, that an emit is about."""
        whole = Record(value, value)
        if emit.each is None:
            found = [whole]
        else:
            listed = list(entries(whole, emit.each))
            if len(listed) == 1 and isinstance(listed[0][1], list):
                listed = [(str(number_), entry, None) for number_, entry in enumerate(listed[0][1])]
            if emit.newest_first:
                listed.reverse()
            values = [entry for _, entry, _ in listed]
            found = [
                Record(
                    entry,
                    value,
                    key,
                    position,
                    tuple(values[:position]),
                    values[position + 1] if position + 1 < len(values) else None,
                    above,
                )
                for position, (key, entry, above) in enumerate(listed)
            ]
        return (record for record in found if fits(emit, record))

    def _take(self, told: Told, emit: Emit, record: Record, row: str, read_at: datetime) -> None:
        if emit.execution is not None:
            self._execution(told, emit.execution, record, read_at)
        elif emit.stage is not None:
            self._stage(told, emit.stage, record, read_at)
        elif emit.stream is not None:
            payload, time = self.measurement(emit.stream, record)
            at = time or read_at
            if at > read_at + AHEAD:
                raise BadValue(f"{TOO_FAR}, got {at.isoformat()}")
            if emit.stream.so_far is not None:
                counter = self.value_of(emit.stream.so_far, record)
                told.totals.append(Total(payload, at, "" if counter is None else str(counter)))
                return
            place = row if time is not None else f"{row}/{read_at.isoformat()}"
            content = msgspec.json.encode(payload, order="deterministic").decode()
            told.events.append(self._event(payload, at, "stream", place, str(record.position), content))
        else:
            self._plain(told, emit, record, row, read_at)

    def _execution(self, told: Told, mapped: ExecutionMap, record: Record, read_at: datetime) -> None:
        common = self.common_of(mapped, record)
        run = self.needed_of(mapped, "execution", record)
        standing = self.standing_of(mapped, record)
        if mapped.quiet is not None:
            standing = after_quiet(standing, mapped.quiet.seconds, mapped.quiet.status, read_at)
        told.stands(standing)
        besides = self.besides_of(mapped, record)
        error = self.error_of(mapped.error, record)
        base = ("execution", common["environment"], common["pipeline"], run)
        for step in steps(standing, read_at):
            fields: dict[str, Any] = {**common, **besides, "execution": run}
            if step.word:
                fields["source_status"] = clean_name(step.word, 128)
            if step.sign is Sign.FINISHED:
                assert standing.status is not None
                fields |= {"status": standing.status.value, "queued_at": step.queued_at}
                fields |= {"started_at": step.started_at, "error": error}
            payload = made(_EXECUTION[step.sign], fields)
            event = self._event(payload, step.time, *base, step.sign.value, *step.told)
            told.events.append(replace(event, unmapped=standing.unmapped) if step.word else event)
            if not step.is_dated:
                told.events.append(self._undated(payload, step, *base))
        progress = self.value_of(mapped.progress, record)
        if progress is not None and standing.is_open:
            payload = made(e.ExecutionProgressed, {**common, "execution": run, "progress": number(progress)})
            told.events.append(self._event(payload, read_at, *base, "progress", str(progress)))
        if standing.status is Status.RUNNING and self.read.rows == "states" and self.read.format != "jsonl":
            minute = read_at.replace(second=0, microsecond=0)
            payload = made(e.ExecutionHeartbeat, {**common, "execution": run})
            told.events.append(self._event(payload, minute, *base, "alive", minute.isoformat()))

    def _stage(self, told: Told, mapped: StageMap, record: Record, read_at: datetime) -> None:
        common = self.common_of(mapped, record)
        run = self.needed_of(mapped, "execution", record)
        stage = clean_name(self.needed_of(mapped, "stage", record))
        standing = self.standing_of(mapped, record)
        told.stands(standing)
        fields: dict[str, Any] = {**common, "execution": run, "stage": stage, **self._work(mapped, record)}
        retry = self.value_of(mapped.retry, record) in (True, 1, "true")
        index = fields.get("index")
        place = (str(fields.get("parent", "")), "" if index is None else str(index))
        attempt = str(fields.get("attempt", ""))
        base = ("stage", common["environment"], common["pipeline"], run, stage, *place, attempt)
        for step in steps(standing, read_at):
            more: dict[str, Any] = {}
            if step.word:
                more["source_status"] = clean_name(step.word, 128)
            if step.sign is Sign.FINISHED:
                assert standing.status is not None
                more |= {"status": standing.status.value, "retry": retry, "queued_at": step.queued_at}
                more |= {"started_at": step.started_at, "error": self.error_of(mapped.error, record)}
                more["conclusive"] = mapped.conclusive and step.started_at is not None
            payload = made(_STAGE[step.sign], fields | more)
            event = self._event(payload, step.time, *base, step.sign.value, *step.told)
            told.events.append(replace(event, unmapped=standing.unmapped) if step.word else event)
            if not step.is_dated:
                told.events.append(self._undated(payload, step, *base))
        if "items" in fields and standing.is_open:
            payload = made(e.StageProgressed, fields)
            told.events.append(self._event(payload, read_at, *base, "items", str(fields["items"])))

    def _undated(self, payload: Any, step: Step, *base: str) -> Event:
        """What is told of an end that has no time: nobody shall take the time of its being read for its own."""
        fields = {
            "pipeline": payload.pipeline,
            "environment": payload.environment,
            "execution": payload.execution,
            "stage": getattr(payload, "stage", None),
            "code": UNDATED,
            "message": "The source tells no time for this end: it is dated when it was first read.",
        }
        return self._event(made(e.WarningRaised, fields), step.time, *base, UNDATED, *step.told)

    def _work(self, mapped: StageMap, record: Record) -> dict[str, Any]:
        items = {"in": self.count_of(mapped.items_in, record), "out": self.count_of(mapped.items_out, record)}
        depends_on = self.value_of(mapped.depends_on, record)
        index = self.value_of(mapped.index, record)
        attempt = self.count_of(mapped.attempt, record)
        fields: dict[str, Any] = {}
        if index is not None:
            fields["index"] = index if isinstance(index, int) else clean_name(str(index))
        if mapped.parent:
            parents = [self.value_of(value, record) for value in mapped.parent]
            fields["parent"] = [clean_name(str(parent)) for parent in parents if parent is not None]
        if attempt is not None:
            fields["attempt"] = max(1, attempt)
        if depends_on is not None:
            listed = depends_on if isinstance(depends_on, list) else [depends_on]
            fields["depends_on"] = [clean_name(str(one)) for one in listed]
        if any(count is not None for count in items.values()):
            fields["items"] = {key: count for key, count in items.items() if count is not None}
        kind = self.value_of(mapped.kind, record)
        if kind is not None:
            fields["kind"] = clean_name(str(kind), 128)
        return fields

    def measurement(self, mapped: StreamMap, record: Record) -> tuple[e.StreamMeasured, datetime | None]:
        """What a row tells of a stream, and when that was."""
        fields = self.fields_of(mapped, record)
        time = fields.pop("time", None)
        count = fields.pop("count", None)
        operation = fields.pop("operation", None)
        if operation is not None:
            fields["events"] = {str(operation): 1 if count is None else whole(count)}
        for name in ("buffer_depth", "dead_letters", "commits", "files", "bytes"):
            if name in fields:
                fields[name] = whole(fields[name])
        if "latency_seconds" in fields:
            fields["latency_seconds"] = [max(0.0, number(fields["latency_seconds"]))]
        if "watermark" in fields:
            fields["watermark"] = moment(fields["watermark"], self.zone)
        payload = made(e.StreamMeasured, fields)
        return payload, None if time is None else moment(time, self.zone)

    def _plain(self, told: Told, emit: Emit, record: Record, row: str, read_at: datetime) -> None:
        kind = kind_of(emit)
        mapped, type_ = getattr(emit, kind), _PLAIN[kind]
        fields = self.fields_of(mapped, record)
        time = fields.pop("time", None)
        if isinstance(mapped, PipelineMap):
            with_schedule(fields)
            if mapped.stages is not None:
                fields["stages"] = graph(self, mapped.stages, record)
        if type_ is e.StageSettled:
            word = str(fields["status"])
            status = self.status_of(word)
            if status not in FINAL:
                return
            fields |= {"status": status.value, "source_status": clean_name(word, 128)}
        for name in _COUNTS:
            if name in fields:
                fields[name] = whole(fields[name])
        if type_ is e.RecordsChecked:
            with_rule(fields)
        payload = made(type_, fields)
        at = read_at if time is None else moment(time, self.zone)
        content = msgspec.json.encode(payload, order="deterministic").decode()
        # A declaration may return to what it was before, so its time is part of it; see Source.fresh.
        place = read_at.isoformat() if type_ is e.PipelineDeclared else row
        told.events.append(self._event(payload, at, type_.type, place, str(record.position), content))

    def _event(self, payload: Payload, time: datetime, *told: str) -> Event:
        identity = event_identity(f"source\x1f{self.source}", "\x1f".join((self.read.name, *told)))
        namespace = self.mapping.namespace or self.source
        return Event(identity, time, self.mapping.system, namespace, payload, WAY, unmapped="")

    def sum_event(self, payload: e.StreamMeasured, time: datetime, *told: str) -> Event:
        """What a stretch of rows adds up to; `told` names the stretch."""
        return self._event(payload, time, "sum", *told)


def is_undated(event: Event) -> bool:
    """Whether an event is the warning at an end for which the source told no time."""
    return isinstance(event.payload, e.WarningRaised) and event.payload.code == UNDATED
