"""What a mapping gives for one record: where it stands, what it is called, what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from exporter.domain.errors import ErrorDetail
from exporter.domain.status import Status, status_of_word
from exporter.domain.text import clean_name
from exporter.sources.fields import cleaned, label_of, object_of, shown, text_of, whole
from exporter.sources.lifecycle import Standing
from exporter.sources.mapping import ErrorMap, ExecutionMap, GraphMap, Mapping, Read, StageMap, Value
from exporter.sources.paths import Record
from exporter.sources.values import BadValue, evaluate, json_ready, moment, number


@dataclass(frozen=True, slots=True)
class Values:
    """Values of records of one read. `source`: the name in the configuration."""

    source: str
    environment: str
    mapping: Mapping
    read: Read

    @property
    def zone(self) -> tzinfo:
        """Zone of times that tell none."""
        return ZoneInfo(self.mapping.timezone)

    def value_of(self, value: Value | None, record: Record) -> Any:
        """What an expression gives for a record."""
        return None if value is None else evaluate(value, record, self.zone)

    def fields_of(self, mapped: Any, record: Record) -> dict[str, Any]:
        """All values of a mapped kind that gave something."""
        fields: dict[str, Any] = dict(self.common_of(mapped, record))
        for name in mapped.__struct_fields__:
            value = getattr(mapped, name)
            if name in fields or value is None or name == "so_far" or isinstance(value, GraphMap):
                continue
            if isinstance(value, ErrorMap):
                found: Any = self.error_of(value, record)
            elif isinstance(value, dict):
                found = {key: json_ready(self.value_of(inner, record)) for key, inner in value.items()}
            else:
                found = self.value_of(value, record)
            if found is None:
                if self.is_needed(mapped, name):
                    raise BadValue(f"{name}: there is nothing at {shown(value)}")
                continue
            fields[name] = cleaned(name, found)
        return fields

    @staticmethod
    def is_needed(mapped: Any, name: str) -> bool:
        required = {field_.name for field_ in msgspec.structs.fields(mapped) if field_.required}
        return name in required

    def common_of(self, mapped: Any, record: Record) -> dict[str, str]:
        environment = self.value_of(mapped.environment, record)
        return {
            "pipeline": clean_name(self.needed_of(mapped, "pipeline", record)),
            "environment": clean_name(str(environment)) if environment is not None else self.environment,
        }

    def needed_of(self, mapped: Any, name: str, record: Record) -> str:
        value = getattr(mapped, name)
        found = self.value_of(value, record)
        if found is None or str(found) == "":
            raise BadValue(f"{name}: there is nothing at {shown(value)}")
        return str(found)[:1024]

    def moment_of(self, name: str, value: Any, record: Record) -> datetime | None:
        found = self.value_of(value, record)
        try:
            return None if found in (None, "", 0) else moment(found, self.zone)
        except BadValue as error:
            raise BadValue(f"{name}: {error}") from error

    def count_of(self, value: Any, record: Record) -> int | None:
        found = self.value_of(value, record)
        return None if found is None else whole(found)

    def status_of(self, word: str) -> Status | None:
        """Status that a word of this system stands for."""
        return status_of_word((self.mapping.statuses or {}).get(word, word))

    def standing_of(self, mapped: ExecutionMap | StageMap, record: Record) -> Standing:
        word = self.needed_of(mapped, "status", record)
        queued, started, ended, changed = (
            self.moment_of(name, getattr(mapped, name), record)
            for name in ("queued_at", "started_at", "ended_at", "at")
        )
        lasted = self.value_of(mapped.duration_seconds, record)
        if lasted is not None and started is None and ended is not None:
            started = ended - timedelta(seconds=min(max(0.0, number(lasted)), 1e9))
        if lasted is not None and ended is None and started is not None:
            ended = started + timedelta(seconds=min(max(0.0, number(lasted)), 1e9))
        shown = self.value_of(mapped.source_status, record)
        status = self.status_of(word)
        if status is None and mapped.status_if_unknown is not None:
            status = self.status_of(str(self.value_of(mapped.status_if_unknown, record)))
        shown = word if shown is None else str(shown)
        return Standing(status, shown, queued, started, ended, changed, word if status is None else "")

    def besides_of(self, mapped: ExecutionMap, record: Record) -> dict[str, Any]:
        """What is told of a run beside where it stands."""
        found: dict[str, Any] = {}
        for name in ("kind", "trigger"):
            value = self.value_of(getattr(mapped, name), record)
            if value is not None:
                found[name] = clean_name(str(value), 128)
        parameters = self.value_of(mapped.parameters, record)
        if isinstance(parameters, str):
            parameters = object_of(parameters)
        if isinstance(parameters, dict) and parameters:
            found["parameters"] = json_ready(parameters)
        labels = {key: json_ready(self.value_of(v, record)) for key, v in (mapped.labels or {}).items()}
        if any(value is not None for value in labels.values()):
            found["labels"] = {key: label_of(value) for key, value in labels.items() if value is not None}
        if mapped.parent is not None:
            pipeline = self.value_of(mapped.parent.pipeline, record)
            execution = self.value_of(mapped.parent.execution, record)
            if pipeline is not None and execution is not None:
                found["parent"] = {"pipeline": clean_name(str(pipeline)), "execution": str(execution)}
        link = self.value_of(mapped.link, record)
        if link is not None:
            found["link"] = str(link)[:2048]
        return found

    def error_of(self, mapped: ErrorMap | None, record: Record) -> ErrorDetail | None:
        if mapped is None:
            return None
        message = self.value_of(mapped.message, record)
        if message in (None, "", []):
            return None
        found: dict[str, Any] = {"message": text_of(message)}
        for name in ("type", "stacktrace", "category", "component"):
            value = self.value_of(getattr(mapped, name), record)
            if value is not None:
                found[name] = text_of(value)
        context = self.value_of(mapped.context, record)
        context = object_of(context) if isinstance(context, str) else context
        if isinstance(context, dict):
            found["context"] = json_ready(context)
        return ErrorDetail(**found)
