"""What the fields of events mean, for `docs/events.md`: of each struct the fields that it adds to its base."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail

_STAGE_OR_NONE = "the stage it belongs to, if any"
_EXECUTION_OR_NONE = "the run it belongs to; exemplars and the run's page lead back to it"
_TRANSLATORS = "for translators of other protocols: "

MEANINGS: Mapping[type[Struct], Mapping[str, str]] = {
    e.Payload: {
        "pipeline": "the pipeline's name",
        "environment": "keeps pipelines of one name apart, such as those of production and test",
    },
    e.ExecutionPayload: {
        "execution": "the run, in the producer's own words; one id is one run of this pipeline in this environment",
    },
    e.ExecutionState: {
        "kind": "what sort of run it is, to filter by",
        "trigger": "what started it: `schedule`, `manual`, …",
        "parameters": "what it was started with, kept as it is but for secrets",
        "labels": "facts to find it by; the search reads them as `name=value`",
        "parent": "the run that started this one",
        "heartbeat_seconds": "silence longer than this, of any event, makes the run `lost`",
        "source_status": "the producer's own word, kept beside the status",
        "link": "where the producer shows the run",
    },
    e.StagePayload: {
        "stage": "the stage's name",
        "index": "which instance of a mapped stage; metrics leave it out",
        "parent": "names of the enclosing stages, outermost first",
        "attempt": "number of the try; without one it is the first",
        "attempt_id": _TRANSLATORS
        + "names a try whose number is not known; such tries are numbered by their start",
    },
    e.StageState: {
        "depends_on": "stages that it waits for; they make the graph",
        "items": "items in and out so far, in this attempt",
        "kind": "what sort of stage it is",
        "source_status": "the producer's own word, kept beside the status",
    },
    e.PipelineDeclared: {
        "kind": "what sort of pipeline it is",
        "owner": "who looks after it",
        "description": "what it does, for people",
        "labels": "facts about it; those named `alerts.…` set [thresholds of alerts](#thresholds-of-alerts)",
        "stages": "its graph; each stage shows 0 in the metrics from now on",
        "streams": "its inputs; each shows 0 in the metrics from now on",
        "schedule": "when it is due",
        "paused": "whether its schedule is suspended: no start is missed meanwhile",
        "llm_budget_usd": "what its language model calls may cost, within 30 days unless `alerts.llm_budget_days` "
        "says otherwise",
    },
    e.ExecutionProgressed: {
        "progress": "part that is done",
        "message": "what it is at; the first 1000 characters are kept",
        "eta": "when it expects to end",
    },
    e.ExecutionFinished: {
        "status": "how it ended, see [status words](#status-words)",
        "error": "what went wrong",
        "queued_at": "when it was queued, if better known than by the time of an event",
        "started_at": "when it started, if better known than by the time of an event",
        "conclusive": _TRANSLATORS + "nothing starts again under this id",
    },
    e.StageProgressed: {
        "progress": "part that is done",
        "message": "what it is at; the first 1000 characters are kept",
    },
    e.StageFinished: {
        "status": "how it ended, see [status words](#status-words)",
        "error": "what went wrong",
        "retry": "whether another attempt follows; then its error is not yet the run's",
        "queued_at": "when it was queued, if better known than by the time of an event",
        "started_at": "when it started, if better known than by the time of an event",
        "conclusive": _TRANSLATORS + "nothing starts again under this attempt",
    },
    e.StageSettled: {
        "status": "how the stage ended, see [status words](#status-words)",
        "source_status": "the producer's own word, kept beside the status",
        "duration_seconds": "how long its last attempt took",
    },
    e.ResourcesSampled: {
        "stage": "the stage that was measured; without one, the run as a whole",
        "index": "which instance of a mapped stage",
        "parent": "names of the enclosing stages, outermost first",
        "attempt": "number of the try; without one it is the first",
        "cpu_seconds": "CPU time since the start, all processes together",
        "memory_bytes": "memory held now",
        "memory_peak_bytes": "most memory held so far",
        "io_read_bytes": "bytes read since the start",
        "io_written_bytes": "bytes written since the start",
        "accelerator_memory_bytes": "memory held on GPUs and the like",
    },
    e.ArtifactProduced: {
        "stage": _STAGE_OR_NONE,
        "name": "what it is called",
        "uri": "where it is",
        "bytes": "how large it is",
        "media_type": "what it is, as in HTTP's Content-Type",
    },
    e.WarningRaised: {
        "stage": _STAGE_OR_NONE,
        "message": "what is worth a look",
        "code": "a short name for this kind of warning",
    },
    e.LogEmitted: {
        "stage": _STAGE_OR_NONE,
        "level": "how severe: `debug`, `info`, `warning`, `error`, …",
        "message": "the line",
        "fields": "facts beside the line",
    },
    e.StreamMeasured: {
        "execution": _EXECUTION_OR_NONE,
        "stream": "table, topic or queue",
        "direction": "`in`: consumed, `out`: produced",
        "stage": _STAGE_OR_NONE,
        "target_rate": "events per second that a traffic pattern asks for now",
        "phase": "phase of a traffic pattern",
        "events": "how many went through since the last measurement, by operation",
        "watermark": "up to when the stream has been processed; the lag is counted from here",
        "buffer_depth": "how many wait now",
        "dead_letters": "how many were set aside since the last measurement",
        "latency_seconds": "time from origin to processing of each event measured since",
        "commits": "commits written since",
        "files": "files written since",
        "bytes": "bytes written since",
    },
    e.RecordsChecked: {
        "execution": _EXECUTION_OR_NONE,
        "stream": "the stream that was checked",
        "stage": "the stage that was checked",
        "valid": "how many passed since the last check",
        "invalid": "how many did not",
        "rules": "how many broke each rule; a rule that 0 broke is there as well",
        "completeness": "part of the expected values that were present",
    },
    e.LlmCalled: {
        "execution": _EXECUTION_OR_NONE,
        "stage": _STAGE_OR_NONE,
        "provider": "as in OpenTelemetry's `gen_ai.provider.name`",
        "request_model": "the model that was asked for",
        "response_model": "the model that answered; without it, the one asked for",
        "operation": "as in OpenTelemetry's `gen_ai.operation.name`",
        "input_tokens": "tokens of the prompt, cached ones among them",
        "output_tokens": "tokens of the answer",
        "cached_tokens": "tokens of the prompt that came from the provider's cache",
        "reasoning_tokens": "tokens of the answer that the model thought with and did not show",
        "duration_seconds": "how long the call took",
        "time_to_first_token_seconds": "how long until a streamed answer began",
        "cost_usd": "what the call cost, in US dollars",
        "error": "what went wrong",
        "prompt": "the text sent; dropped unless the server was told to store it, without secrets even then",
        "response": "the text received; the same holds",
        "template": "the prompt before its variables were filled in",
        "variables": "what was filled in",
    },
    e.Schedule: {
        "cron": "five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`",
        "every_seconds": "a period, counted from the latest start; either this or `cron`, not both",
        "timezone": "zone of the cron expression, such as `Europe/Berlin`",
        "grace_seconds": "how late a start may be; without it a fifth of the time to the next, at least 30 s",
    },
    e.StageDeclaration: {
        "name": "the stage's name",
        "depends_on": "stages that it waits for",
        "kind": "what sort of stage it is",
    },
    e.Parent: {
        "pipeline": "that run's pipeline",
        "execution": "that run, in its producer's own words",
    },
    e.Items: {
        "in": "items taken in so far",
        "out": "items given out so far",
    },
    ErrorDetail: {
        "message": "what happened; the first 16384 characters are kept",
        "type": "kind of error, such as the exception's class; else read from the message or the stack trace",
        "stacktrace": "where; the first 65536 characters are kept",
        "category": "who can do something about it; else told by the words of type and message",
        "severity": "how bad it is; else `error`",
        "component": "the system that failed, such as a database or service",
        "context": "facts around it, kept as they are",
    },
}
