"""The table of event types in the API's documentation, as a strict check of what the demo sends."""

from collections.abc import Callable, Mapping
from datetime import datetime

Check = Callable[[object], bool]

STATUSES = {"succeeded", "failed", "cancelled", "timed_out", "skipped"}


def text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def positive(value: object) -> bool:
    return number(value) and value != 0


def ratio(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def flag(value: object) -> bool:
    return isinstance(value, bool)


def time(value: object) -> bool:
    """RFC 3339 in UTC with microseconds and `Z`."""
    if not isinstance(value, str):
        return False
    datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").astimezone()
    return len(value) == len("2026-11-22T05:00:00.000000Z")


def one_of(*words: str) -> Check:
    return lambda value: value in words


def list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def map_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(text(key) and check(of) for key, of in value.items())


def shape(needed: Mapping[str, Check], further: Mapping[str, Check] | None = None) -> Check:
    """An object with these fields, the further ones or not, and no others."""
    known = {**needed, **(further or {})}

    def check(value: object) -> bool:
        if not isinstance(value, dict) or not needed.keys() <= value.keys() <= known.keys():
            return False
        return all(known[key](of) for key, of in value.items())

    return check


def anything(value: object) -> bool:
    return value is not None


ERROR = shape(
    {"message": text},
    {
        "type": text,
        "stacktrace": text,
        "category": text,
        "severity": text,
        "component": text,
        "context": map_of(anything),
    },
)
ITEMS = shape({}, {"in": count, "out": count})
PIPELINE = {"pipeline": text, "environment": text}
EXECUTION = {**PIPELINE, "execution": text}
STATE = {
    "kind": text,
    "trigger": text,
    "parameters": map_of(anything),
    "labels": map_of(text),
    "parent": shape({"pipeline": text, "execution": text}),
    "heartbeat_seconds": positive,
}
STAGE = {**EXECUTION, "stage": text}
STAGE_STATE = {
    "index": text,
    "parent": list_of(text),
    "attempt": lambda value: count(value) and value != 0,
    "depends_on": list_of(text),
    "items": ITEMS,
}
SCHEDULE = shape({}, {"cron": text, "every_seconds": positive, "timezone": text, "grace_seconds": number})

_STATE_CHECK = shape(EXECUTION, STATE)
_STAGE_CHECK = shape(STAGE, STAGE_STATE)

TYPES: dict[str, Check] = {
    "pipeline.declared": shape(
        PIPELINE,
        {
            "kind": text,
            "owner": text,
            "description": text,
            "labels": map_of(text),
            "stages": list_of(shape({"name": text}, {"depends_on": list_of(text), "kind": text})),
            "streams": list_of(text),
            "schedule": SCHEDULE,
            "paused": flag,
            "llm_budget_usd": positive,
        },
    ),
    "pipeline.execution.queued": _STATE_CHECK,
    "pipeline.execution.started": _STATE_CHECK,
    "pipeline.execution.paused": _STATE_CHECK,
    "pipeline.execution.resumed": _STATE_CHECK,
    "pipeline.execution.heartbeat": _STATE_CHECK,
    "pipeline.execution.progressed": shape(EXECUTION, {"progress": ratio, "message": text, "eta": time}),
    "pipeline.execution.finished": shape({**EXECUTION, "status": one_of(*STATUSES)}, {"error": ERROR}),
    "pipeline.stage.queued": _STAGE_CHECK,
    "pipeline.stage.started": _STAGE_CHECK,
    "pipeline.stage.progressed": _STAGE_CHECK,
    "pipeline.stage.finished": shape(
        {**STAGE, "status": one_of(*STATUSES)}, {**STAGE_STATE, "error": ERROR, "retry": flag}
    ),
    "pipeline.resources.sampled": shape(
        EXECUTION,
        {
            "stage": text,
            "index": text,
            "parent": list_of(text),
            "attempt": lambda value: count(value) and value != 0,
            "cpu_seconds": number,
            "memory_bytes": count,
            "memory_peak_bytes": count,
            "io_read_bytes": count,
            "io_written_bytes": count,
            "accelerator_memory_bytes": count,
        },
    ),
    "pipeline.artifact.produced": shape(
        {**EXECUTION, "name": text}, {"stage": text, "uri": text, "bytes": count, "media_type": text}
    ),
    "pipeline.warning.raised": shape({**EXECUTION, "message": text}, {"stage": text, "code": text}),
    "pipeline.log.emitted": shape(
        {**EXECUTION, "level": one_of("debug", "info", "warning", "error", "critical"), "message": text},
        {"stage": text, "fields": map_of(anything)},
    ),
    "pipeline.stream.measured": shape(
        {**PIPELINE, "stream": text, "direction": one_of("in", "out")},
        {
            "execution": text,
            "stage": text,
            "target_rate": number,
            "phase": text,
            "events": map_of(count),
            "watermark": time,
            "buffer_depth": count,
            "dead_letters": count,
            "latency_seconds": list_of(number),
            "commits": count,
            "files": count,
            "bytes": count,
        },
    ),
    "pipeline.records.checked": shape(
        EXECUTION,
        {
            "stream": text,
            "stage": text,
            "valid": count,
            "invalid": count,
            "rules": map_of(count),
            "completeness": ratio,
        },
    ),
    "pipeline.llm.called": shape(
        {**EXECUTION, "provider": text, "request_model": text},
        {
            "stage": text,
            "response_model": text,
            "operation": text,
            "input_tokens": count,
            "output_tokens": count,
            "cached_tokens": count,
            "reasoning_tokens": count,
            "duration_seconds": number,
            "time_to_first_token_seconds": number,
            "cost_usd": number,
            "error": ERROR,
            "prompt": text,
            "response": text,
            "template": text,
            "variables": map_of(anything),
        },
    ),
}

_ENVELOPE = shape(
    {
        "specversion": one_of("1.0"),
        "id": text,
        "source": text,
        "type": one_of(*TYPES),
        "time": time,
        "datacontenttype": one_of("application/json"),
        "data": anything,
    }
)


def is_valid(event: dict[str, object]) -> bool:
    """Whether it is a CloudEvent of a type in the table, with no field missing, wrong or unknown."""
    return _ENVELOPE(event) and TYPES[str(event["type"])](event["data"])
