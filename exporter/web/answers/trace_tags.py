"""Tags and logs of spans. OpenTelemetry's names stand beside ours where it has one for the thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exporter.domain.lifecycle import Episode
from exporter.domain.status import FAILING, Status
from exporter.store.queries.happenings import StoredError
from exporter.store.queries.trace_parts import Call, Parts, TimedEvent
from exporter.store.records import Execution
from exporter.web.answers.execution import own_error, starter
from exporter.web.answers.stage import Instance, Try
from exporter.web.answers.trace import KeyValue, Log, key_values, within

RESULTS = {
    Status.SUCCEEDED: "success",
    Status.FAILED: "failure",
    Status.TIMED_OUT: "timeout",
    Status.CANCELLED: "cancellation",
    Status.SKIPPED: "skip",
    Status.LOST: "error",
}
"""OpenTelemetry's `cicd.pipeline.result` and `cicd.pipeline.task.run.result`."""

Labels = Mapping[str, Any]


def process_tags(execution: Execution, declared: Mapping[str, Any]) -> list[KeyValue]:
    """What all spans of an execution have in common. `declared`: what its pipeline was declared with."""
    return key_values(
        {
            "environment": execution.environment,
            "deployment.environment.name": execution.environment,
            "source": execution.source,
            "kind": execution.kind,
            "owner": declared.get("owner"),
        }
    )


def root_tags(execution: Execution, labels: Labels, parts: Parts | None = None) -> list[KeyValue]:
    """Tags of an execution. `labels`: those of its pipeline, which its own outdo."""
    facts = execution.facts
    parent = starter(execution)
    queued = Episode(queued_at=execution.queued_at, started_at=execution.started_at).queue_duration
    told: dict[str, Any] = {
        "execution.status": execution.status,
        **_status(execution.status, own_error(execution)),
        "source_status": execution.source_status,
        "external_id": execution.external_id,
        "environment": execution.environment,
        "kind": execution.kind,
        "trigger": execution.trigger,
        "source": execution.source,
        "queued.seconds": _seconds(queued),
        "execution.seconds": _seconds(execution.duration),
        "execution.attempts": len(execution.episodes()),
        "progress": facts.get("progress"),
        "message": facts.get("message"),
        "stages.done": execution.stages_done,
        "stages.total": execution.stages_total,
        "link": facts.get("link"),
        "parameters": _json(facts.get("parameters")),
        "parent.pipeline": None if parent is None else parent.pipeline,
        "parent.external_id": None if parent is None else parent.execution,
        "cicd.pipeline.name": execution.pipeline,
        "cicd.pipeline.run.id": execution.external_id,
        "cicd.pipeline.result": RESULTS.get(Status(execution.status)),
        "span.kind": "internal",
        **_left_out(parts),
    }
    own = {name: value for name, value in (facts.get("labels") or {}).items() if value is not None}
    told.update({f"label.{name}": value for name, value in {**labels, **own}.items()})
    return key_values(told)


def _left_out(parts: Parts | None) -> dict[str, Any]:
    if parts is None:
        return {}
    return {
        "spans.left_out": (parts.attempts_left_out + parts.calls_left_out) or None,
        "logs.left_out": parts.events_left_out or parts.errors_left_out or None,
    }


def stage_tags(instance: Instance, each: Try, *, is_last_of_row: bool) -> list[KeyValue]:
    """Tags of an attempt. Items, CPU time and memory are those of its row, which the row's last run shows."""
    row, status = each.row, Status(each.episode.status)
    figures: dict[str, Any] = {
        "items.in": row.items_in,
        "items.out": row.items_out,
        "cpu.seconds": row.cpu_seconds,
        "memory.peak_bytes": None if row.memory_peak_bytes is None else round(row.memory_peak_bytes),
    }
    told: dict[str, Any] = {
        "stage.status": status.value,
        **_status(status, each.error),
        "stage.name": row.name,
        "stage.index": row.index,
        "stage.path": " / ".join(instance.path) if len(instance.path) > 1 else None,
        "stage.attempt": each.number or None,
        "source_status": each.episode.word,
        "queued.seconds": _seconds(each.episode.queue_duration),
        **(figures if is_last_of_row else {}),
        "cicd.pipeline.task.name": row.name,
        "cicd.pipeline.task.run.result": RESULTS.get(status),
        "span.kind": "internal",
    }
    return key_values({key: value for key, value in told.items() if value != ""})


def call_tags(call: Call) -> list[KeyValue]:
    """Tags of a call of a language model."""
    error = call.error
    status = Status.SUCCEEDED if error is None else Status.FAILED
    told = (
        None if error is None else {"type": error.type, "category": error.category, "message": error.message}
    )
    return key_values(
        {
            "stage.status": status.value,
            **_status(status, told),
            "gen_ai.operation.name": call.operation,
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.request_model,
            "gen_ai.response.model": call.response_model,
            "gen_ai.usage.input_tokens": call.input_tokens,
            "gen_ai.usage.output_tokens": call.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": call.cached_tokens,
            "gen_ai.response.time_to_first_chunk": call.time_to_first_token_seconds,
            "cost.usd": call.cost_usd,
            "span.kind": "client",
        }
    )


def _status(status: str, error: Mapping[str, Any] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"status": str(status)}
    if Status(status) in FAILING:
        told |= {"error": True, "otel.status_code": "ERROR"}
    if error is not None:
        told |= {
            "error.type": error.get("type"),
            "error.category": error.get("category"),
            "error.severity": error.get("severity"),
            "error.component": error.get("component"),
            "otel.status_description": error["message"] if Status(status) in FAILING else None,
        }
    return told


def error_log(time: int, error: Mapping[str, Any]) -> Log:
    """An error as an event of its span; its stack trace has a place of its own there."""
    context = error.get("context")
    return Log(
        timestamp=within(time) // 1_000,
        fields=key_values(
            {
                "event": "exception",
                "level": error.get("severity") or "error",
                "exception.type": error.get("type"),
                "exception.message": error["message"],
                "component": error.get("component"),
                "context": _json(context),
            }
        ),
    )


def stored_error_log(error: StoredError) -> Log:
    """An error that no attempt of a stage ended with."""
    return error_log(error.time, msgspec.structs.asdict(error))


_EVENTS = {
    "pipeline.log.emitted": "log",
    "pipeline.warning.raised": "warning",
    "pipeline.artifact.produced": "artifact",
}


def event_log(event: TimedEvent) -> Log:
    """A line of the log, a warning or an artifact as an event of its span."""
    kind, told = _EVENTS[event.type], event.told
    levels = {"log": told.level or "info", "warning": "warning", "artifact": None}
    return Log(
        timestamp=within(event.time) // 1_000,
        fields=key_values(
            {
                "event": kind,
                "level": levels[kind],
                "message": told.message,
                "code": told.code,
                "name": told.name,
                "uri": told.uri,
                "bytes": told.bytes,
                "media_type": told.media_type,
                "fields": bytes(told.fields).decode() or None,
            }
        ),
    )


def mark_log(time: int, what: str, **fields: Any) -> Log:
    """A change of state as an event of its span."""
    return Log(timestamp=within(time) // 1_000, fields=key_values({"event": what, **fields}))


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1_000_000


def _json(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None
