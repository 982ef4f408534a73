"""Rows, documents and their entries become domain events, as a mapping says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from exporter.domain import events as e
from exporter.domain.clean import without_nul
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event, Payload
from exporter.domain.identity import event_identity
from exporter.domain.schedule import BadSchedule, cadence
from exporter.domain.status import FINAL, Status, status_of_word
from exporter.domain.text import clean_name, clean_text
from exporter.sources.lifecycle import Sign, Standing, steps
from exporter.sources.mapping import Emit, ErrorMap, ExecutionMap, Mapping, Read, StageMap, StreamMap
from exporter.sources.paths import BadPath, Record, first, walk
from exporter.sources.values import BadValue, evaluate, json_ready, moment, number

BEAT = timedelta(minutes=1)
"""A run that its system calls running is taken to be alive, told this often at the most."""

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
_NAMES = ("pipeline", "environment", "stage", "stream", "index")
_WORDS = ("kind", "trigger", "provider", "request_model", "response_model", "operation", "code", "level")
_TEXTS = {"message": 1_000_000, "description": 100_000}
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "valid", "invalid", "bytes", "attempt")


@dataclass(slots=True)
class Told:
    """What rows told: events, whether something in them may still change, and what could not be read."""

    events: list[Event] = field(default_factory=list)
    is_open: bool = False
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Translator:
    """Translates what one read of a source gives. `source`: the name in the configuration."""

    source: str
    environment: str
    mapping: Mapping
    read: Read

    @property
    def zone(self) -> tzinfo:
        """Zone of times that tell none."""
        return ZoneInfo(self.mapping.timezone)

    def translate(self, value: Any, row: str, read_at: datetime) -> Told:
        """What one row or document tells; `row` is what it is found by. A part that cannot be read costs only itself."""
        told = Told()
        # The same entry stands in document after document: only rows of databases have keys of their own.
        keyed = self.mapping.reads_from == "database"
        for number_, emit in enumerate(self.read.emits):
            kind = kind_of(emit)
            for record in self.records(emit, value):
                try:
                    self._take(told, emit, kind, record, f"{number_}/{row if keyed else ''}", read_at)
                except (BadValue, BadPath, BadSchedule, msgspec.ValidationError) as error:
                    told.problems.append(f"{self.read.name} {row[:100]}: {kind}: {error}")
        return told

    def records(self, emit: Emit, value: Any) -> Iterator[Record]:
        """The row, or the entries of a list inside it, that an emit is about."""
        whole = Record(value, value)
        if emit.each is None:
            found = [whole]
        else:
            entries = list(walk(whole, emit.each))
            if len(entries) == 1 and isinstance(entries[0][1], list):
                entries = [(str(number_), entry) for number_, entry in enumerate(entries[0][1])]
            if emit.newest_first:
                entries.reverse()
            found = [
                Record(entry, value, key, position, tuple(before for _, before in entries[:position]))
                for position, (key, entry) in enumerate(entries)
            ]
        return (record for record in found if _fits(emit, record))

    def value_of(self, value: Any, record: Record) -> Any:
        """What an expression gives for a record."""
        return evaluate(value, record, self.zone)

    def _take(self, told: Told, emit: Emit, kind: str, record: Record, row: str, read_at: datetime) -> None:
        if emit.execution is not None:
            self._execution(told, emit.execution, record, read_at)
        elif emit.stage is not None:
            self._stage(told, emit.stage, record, read_at)
        elif emit.stream is not None:
            payload, time = self.measurement(emit.stream, record)
            at = time or read_at
            place = row if time is not None else f"{row}/{read_at.isoformat()}"
            content = msgspec.json.encode(payload, order="deterministic").decode()
            told.events.append(self._event(payload, at, "stream", place, str(record.position), content))
        else:
            self._plain(told, getattr(emit, kind), _PLAIN[kind], record, row, read_at)

    def _execution(self, told: Told, mapped: ExecutionMap, record: Record, read_at: datetime) -> None:
        common = self._common(mapped, record)
        run = self._needed(mapped, "execution", record)
        standing = self._standing(mapped, record)
        if mapped.quiet is not None:
            standing = _after_quiet(standing, mapped.quiet.seconds, mapped.quiet.status, read_at)
        told.is_open = told.is_open or standing.is_open
        besides = self._besides(mapped, record)
        error = self._error(mapped.error, record)
        base = ("execution", common["environment"], common["pipeline"], run)
        for step in steps(standing, read_at):
            fields: dict[str, Any] = {**common, **besides, "execution": run}
            if step.word:
                fields["source_status"] = clean_name(step.word, 128)
            if step.sign is Sign.FINISHED:
                assert standing.status is not None
                fields |= {"status": standing.status.value, "queued_at": step.queued_at}
                fields |= {"started_at": step.started_at, "error": error}
            payload = _made(_EXECUTION[step.sign], fields)
            told.events.append(self._event(payload, step.time, *base, step.sign.value, *step.told))
        progress = self._value(mapped.progress, record)
        if progress is not None and standing.is_open:
            payload = _made(e.ExecutionProgressed, {**common, "execution": run, "progress": number(progress)})
            told.events.append(self._event(payload, read_at, *base, "progress", str(progress)))
        if standing.status is Status.RUNNING and self.read.rows == "states":
            minute = read_at.replace(second=0, microsecond=0)
            payload = _made(e.ExecutionHeartbeat, {**common, "execution": run})
            told.events.append(self._event(payload, minute, *base, "alive", minute.isoformat()))

    def _stage(self, told: Told, mapped: StageMap, record: Record, read_at: datetime) -> None:
        common = self._common(mapped, record)
        run = self._needed(mapped, "execution", record)
        stage = clean_name(self._needed(mapped, "stage", record))
        standing = self._standing(mapped, record)
        told.is_open = told.is_open or standing.is_open
        fields: dict[str, Any] = {**common, "execution": run, "stage": stage, **self._work(mapped, record)}
        retry = self._value(mapped.retry, record) in (True, 1, "true")
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
                more |= {"started_at": step.started_at, "error": self._error(mapped.error, record)}
            payload = _made(_STAGE[step.sign], fields | more)
            told.events.append(self._event(payload, step.time, *base, step.sign.value, *step.told))
        if "items" in fields and standing.is_open:
            payload = _made(e.StageProgressed, fields)
            told.events.append(self._event(payload, read_at, *base, "items", str(fields["items"])))

    def _work(self, mapped: StageMap, record: Record) -> dict[str, Any]:
        items = {"in": self._count(mapped.items_in, record), "out": self._count(mapped.items_out, record)}
        depends_on = self._value(mapped.depends_on, record)
        index = self._value(mapped.index, record)
        attempt = self._count(mapped.attempt, record)
        fields: dict[str, Any] = {}
        if index is not None:
            fields["index"] = index if isinstance(index, int) else clean_name(str(index))
        if mapped.parent:
            parents = [self._value(value, record) for value in mapped.parent]
            fields["parent"] = [clean_name(str(parent)) for parent in parents if parent is not None]
        if attempt is not None:
            fields["attempt"] = max(1, attempt)
        if depends_on is not None:
            listed = depends_on if isinstance(depends_on, list) else [depends_on]
            fields["depends_on"] = [clean_name(str(one)) for one in listed]
        if any(count is not None for count in items.values()):
            fields["items"] = {key: count for key, count in items.items() if count is not None}
        kind = self._value(mapped.kind, record)
        if kind is not None:
            fields["kind"] = clean_name(str(kind), 128)
        return fields

    def measurement(self, mapped: StreamMap, record: Record) -> tuple[e.StreamMeasured, datetime | None]:
        """What a row tells of a stream, and when that was."""
        fields = self._fields(mapped, record)
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
        payload = _made(e.StreamMeasured, fields)
        return payload, None if time is None else moment(time, self.zone)

    def _plain(
        self, told: Told, mapped: Any, type_: type[Payload], record: Record, row: str, read_at: datetime
    ) -> None:
        fields = self._fields(mapped, record)
        time = fields.pop("time", None)
        if type_ is e.PipelineDeclared:
            _schedule(fields)
        if type_ is e.StageSettled:
            word = str(fields["status"])
            status = self.status_of(word)
            if status not in FINAL:
                return
            fields |= {"status": status.value, "source_status": clean_name(word, 128)}
        for name in _COUNTS:
            if name in fields:
                fields[name] = whole(fields[name])
        payload = _made(type_, fields)
        at = read_at if time is None else moment(time, self.zone)
        content = msgspec.json.encode(payload, order="deterministic").decode()
        # A declaration may return to what it was before, so its time is part of it; see Source.fresh.
        place = read_at.isoformat() if type_ is e.PipelineDeclared else row
        told.events.append(self._event(payload, at, type_.type, place, str(record.position), content))

    def _fields(self, mapped: Any, record: Record) -> dict[str, Any]:
        """All values of a mapped kind that gave something."""
        fields: dict[str, Any] = dict(self._common(mapped, record))
        for name in mapped.__struct_fields__:
            value = getattr(mapped, name)
            if name in fields or value is None:
                continue
            if isinstance(value, ErrorMap):
                found: Any = self._error(value, record)
            elif isinstance(value, dict):
                found = {key: json_ready(self._value(inner, record)) for key, inner in value.items()}
            else:
                found = self._value(value, record)
            if found is None:
                if name in ("execution", "stage", "message", "status", "provider", "request_model", "stream"):
                    if self._is_needed(mapped, name):
                        raise BadValue(f"{name}: there is nothing at {_shown(value)}")
                continue
            fields[name] = _cleaned(name, found)
        return fields

    @staticmethod
    def _is_needed(mapped: Any, name: str) -> bool:
        required = {field_.name for field_ in msgspec.structs.fields(mapped) if field_.required}
        return name in required

    def _common(self, mapped: Any, record: Record) -> dict[str, str]:
        environment = self._value(mapped.environment, record)
        return {
            "pipeline": clean_name(self._needed(mapped, "pipeline", record)),
            "environment": clean_name(str(environment)) if environment is not None else self.environment,
        }

    def _needed(self, mapped: Any, name: str, record: Record) -> str:
        value = getattr(mapped, name)
        found = self._value(value, record)
        if found is None or str(found) == "":
            raise BadValue(f"{name}: there is nothing at {_shown(value)}")
        return str(found)[:1024]

    def _value(self, value: Any, record: Record) -> Any:
        return None if value is None else evaluate(value, record, self.zone)

    def _moment(self, name: str, value: Any, record: Record) -> datetime | None:
        found = self._value(value, record)
        try:
            return None if found in (None, "", 0) else moment(found, self.zone)
        except BadValue as error:
            raise BadValue(f"{name}: {error}") from error

    def _count(self, value: Any, record: Record) -> int | None:
        found = self._value(value, record)
        return None if found is None else whole(found)

    def status_of(self, word: str) -> Status | None:
        """Status that a word of this system stands for."""
        return status_of_word((self.mapping.statuses or {}).get(word, word))

    def _standing(self, mapped: ExecutionMap | StageMap, record: Record) -> Standing:
        word = self._needed(mapped, "status", record)
        queued, started, ended, changed = (
            self._moment(name, getattr(mapped, name), record)
            for name in ("queued_at", "started_at", "ended_at", "at")
        )
        lasted = self._value(mapped.duration_seconds, record)
        if lasted is not None and started is None and ended is not None:
            started = ended - timedelta(seconds=min(max(0.0, number(lasted)), 1e9))
        if lasted is not None and ended is None and started is not None:
            ended = started + timedelta(seconds=min(max(0.0, number(lasted)), 1e9))
        shown = self._value(mapped.source_status, record)
        status = self.status_of(word)
        if status is None and mapped.status_if_unknown is not None:
            status = self.status_of(str(self._value(mapped.status_if_unknown, record)))
        return Standing(status, word if shown is None else str(shown), queued, started, ended, changed)

    def _besides(self, mapped: ExecutionMap, record: Record) -> dict[str, Any]:
        """What is told of a run beside where it stands."""
        found: dict[str, Any] = {}
        for name in ("kind", "trigger"):
            value = self._value(getattr(mapped, name), record)
            if value is not None:
                found[name] = clean_name(str(value), 128)
        parameters = self._value(mapped.parameters, record)
        if isinstance(parameters, str):
            parameters = _object(parameters)
        if isinstance(parameters, dict) and parameters:
            found["parameters"] = json_ready(parameters)
        labels = {key: json_ready(self._value(v, record)) for key, v in (mapped.labels or {}).items()}
        if any(value is not None for value in labels.values()):
            found["labels"] = {key: _label(value) for key, value in labels.items() if value is not None}
        if mapped.parent is not None:
            pipeline = self._value(mapped.parent.pipeline, record)
            execution = self._value(mapped.parent.execution, record)
            if pipeline is not None and execution is not None:
                found["parent"] = {"pipeline": clean_name(str(pipeline)), "execution": str(execution)}
        link = self._value(mapped.link, record)
        if link is not None:
            found["link"] = str(link)[:2048]
        return found

    def _error(self, mapped: ErrorMap | None, record: Record) -> ErrorDetail | None:
        if mapped is None:
            return None
        message = self._value(mapped.message, record)
        if message in (None, "", []):
            return None
        found: dict[str, Any] = {"message": _text(message)}
        for name in ("type", "stacktrace", "category", "component"):
            value = self._value(getattr(mapped, name), record)
            if value is not None:
                found[name] = _text(value)
        context = self._value(mapped.context, record)
        context = _object(context) if isinstance(context, str) else context
        if isinstance(context, dict):
            found["context"] = json_ready(context)
        return ErrorDetail(**found)

    def _event(self, payload: Payload, time: datetime, *told: str) -> Event:
        identity = event_identity(f"source\x1f{self.source}", "\x1f".join((self.read.name, *told)))
        return Event(identity, time, self.mapping.system, self.source, payload)

    def sum_event(self, payload: e.StreamMeasured, time: datetime, *told: str) -> Event:
        """What a stretch of rows adds up to; `told` names the stretch."""
        return self._event(payload, time, "sum", *told)


def kind_of(emit: Emit) -> str:
    """What an emit tells of."""
    conditions = ("each", "newest_first", "when", "has")
    return next(n for n in Emit.__struct_fields__ if n not in conditions and getattr(emit, n) is not None)


def whole(value: Any) -> int:
    """A whole number. Raises BadValue."""
    found = number(value)
    if found < 0 or found != int(found):
        raise BadValue(f"expected a whole number, got {value!r}")
    return int(found)


def _fits(emit: Emit, record: Record) -> bool:
    for path, values in (emit.when or {}).items():
        if first(record, path) not in values:
            return False
    return all(first(record, path) not in (None, "", [], {}) for path in emit.has or ())


def _after_quiet(standing: Standing, seconds: float, status: str, read_at: datetime) -> Standing:
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


def _made(type_: type[Payload], fields: dict[str, Any]) -> Any:
    told = {key: value for key, value in fields.items() if value is not None}
    payload = msgspec.convert(told, type_)
    return without_nul(payload) if "\\u0000" in msgspec.json.encode(payload).decode() else payload


def _cleaned(name: str, found: Any) -> Any:
    if name in _NAMES:
        return clean_name(str(found))
    if name in _WORDS:
        return clean_name(str(found), 128)
    if name in _TEXTS:
        return clean_text(_text(found), _TEXTS[name] - 100)
    if name == "paused":
        return found in (True, 1, "1", "true", "t")
    if name in ("execution", "name", "uri", "media_type", "owner", "cron", "timezone"):
        return clean_name(_text(found), 1024 if name in ("execution", "name", "uri") else 256)
    return found


def _schedule(fields: dict[str, Any]) -> None:
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


def _object(text: str) -> dict[str, Any] | None:
    try:
        decoded = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return decoded if isinstance(decoded, dict) else None


def _label(value: Any) -> str | int | float | bool:
    return value if isinstance(value, int | float | bool) else _text(value)[:1024]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(str(one) for one in value)
    return value if isinstance(value, str) else str(value)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    return repr({k: v for k, v in msgspec.to_builtins(value).items() if v is not None})
