"""Calls of language models, in three dialects: OpenTelemetry's `gen_ai.*`, OpenInference's `llm.*`, traceloop's.

A call is no stage: it belongs to the stage around it. Agents and tools are stages; the sums that they repeat of their
calls are passed over. A call within a call is the same one told twice, by a framework and by what it is built on.

Sources:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/,
https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md,
https://www.traceloop.com/docs/openllmetry/contributing/semantic-conventions
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from exporter.domain.events import LlmCalled
from exporter.domain.spans import Call, Moment, Place, Reading, Span
from exporter.domain.times import SECOND
from exporter.ingest.otlp import generic, langfuse, logfire, parts, usage

TRACELOOP = "traceloop"
_OPERATIONS = {
    "chat",
    "text_completion",
    "completion",
    "generate_content",
    "embeddings",
    "embedding",
    "rerank",
}
_OF_OPENINFERENCE = {"LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
_FIRST_TOKEN = ("First Token Stream Event", "gen_ai.content.completion.chunk")


def is_call(span: Span) -> bool:
    """Whether a span is one call of a language model."""
    if operation(span) is None:
        return False
    # What fails before it is answered may not tell its model.
    return model(span) is not None or "openinference.span.kind" in span.attributes or span.kind == "client"


def operation(span: Span) -> str | None:
    """What was asked of the model; None if the span is no call."""
    about = span.attributes
    kind = about.get("openinference.span.kind")
    if kind is not None:
        return _OF_OPENINFERENCE.get(str(kind).upper())
    told = str(about.get("gen_ai.operation.name") or about.get("llm.request.type") or "")
    return told if told in _OPERATIONS else None


def model(span: Span) -> str | None:
    """The model that was asked for."""
    about = span.attributes
    told = (
        about.get("gen_ai.request.model")
        or _invocation(about).get("model")
        or about.get("llm.model_name")
        or about.get("embedding.model_name")
        or about.get("reranker.model_name")
        or about.get("llm.request.model")
        or about.get("gen_ai.response.model")
    )
    return parts.word(told)


def _invocation(about: dict[str, Any]) -> dict[str, Any]:
    return usage.decoded(
        about.get("llm.invocation_parameters") or about.get("embedding.invocation_parameters")
    )


def read_call(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What a call tells; nothing before it is known which stage made it, unless traceloop says so."""
    workflow = _of_workflow(span)
    if parent is not None and parent.call:
        return generic.inside(parent)
    if parent is None and span.parent and not orphan:
        return None
    if workflow is not None and not _is_of_workflow(span, parent):
        parent = replace(workflow, path=_entities(span))
    elif parent is None:
        # Without a root, each call is a trace of its own, and no execution.
        parent = replace(generic.of_trace(span), execution=None)
    place = replace(parent, call=True)
    if logfire.is_opening(span):
        return Reading(place, [], whole=not span.parent)
    moment = Moment(span.end, called(span, parent))
    return Reading(place, [moment], whole=not span.parent, call=known_by(span))


def known_by(span: Span) -> Call:
    """What a call is known by, should another instrument tell of it as well."""
    return Call(
        scope=span.scope,
        model=(model(span) or "").rpartition("/")[2].lower(),
        start=span.start,
        end=span.end,
        response=_word(span.attributes, "gen_ai.response.id", "llm.response.id"),
    )


def called(span: Span, parent: Place) -> LlmCalled:
    """The call as an event."""
    about = span.attributes
    failed = span.failed or about.get("error.type") is not None
    return LlmCalled(
        pipeline=parent.pipeline,
        environment=parent.environment,
        execution=parent.execution,
        stage=parent.path[-1] if parent.path else None,
        provider=(
            _word(about, "gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system") or "unknown"
        ).lower(),
        request_model=model(span) or "unknown",
        response_model=_word(about, "gen_ai.response.model", "llm.response.model", "llm.model_name"),
        operation=_operation(span),
        input_tokens=_whole(
            about, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
        ),
        output_tokens=_whole(
            about, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
            "llm.usage.completion_tokens",
        ),
        cached_tokens=_whole(
            about, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read", "gen_ai.usage.details.cache_read_tokens",
        ),
        reasoning_tokens=_whole(
            about, "gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning.output_tokens",
            "llm.token_count.completion_details.reasoning", "gen_ai.usage.details.reasoning_tokens",
        ),
        duration_seconds=logfire.seconds(span) or max(0, span.end - span.start) / SECOND,
        time_to_first_token_seconds=_first_token(span),
        cost_usd=_cost(about),
        error=parts.error(replace(span, failed=True)) if failed else None,
        prompt=_content(about, "gen_ai.input.messages", "input.value", "gen_ai.prompt", "llm.prompts", langfuse.INPUT),
        response=_content(about, "gen_ai.output.messages", "output.value", "gen_ai.completion", langfuse.OUTPUT),
        template=_content(about, "llm.prompt_template.template"),
    )  # fmt: skip


def _operation(span: Span) -> str:
    told = operation(span) or "chat"
    return {"completion": "text_completion", "embedding": "embeddings"}.get(told, told)


def _word(about: dict[str, Any], *keys: str) -> str | None:
    return next((told for key in keys if (told := parts.word(about.get(key))) is not None), None)


def _whole(about: dict[str, Any], *keys: str) -> int | None:
    return next((told for key in keys if (told := parts.whole(about.get(key))) is not None), None)


def _content(about: dict[str, Any], *keys: str) -> str | None:
    return next((told for key in keys if (told := parts.text(about.get(key))) is not None), None)


def _cost(about: dict[str, Any]) -> float | None:
    for key in ("llm.cost.total", "gen_ai.usage.cost", "gen_ai.cost.total_cost", "operation.cost"):
        told = parts.amount(about.get(key))
        if told is not None:
            return told
    return None


def _first_token(span: Span) -> float | None:
    for key in ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"):
        told = parts.amount(span.attributes.get(key))
        if told is not None:
            return told
    times = [event.time for event in span.events if event.name in _FIRST_TOKEN]
    return (min(times) - span.start) / SECOND if times else None


# Traceloop -----------------------------------------------------------------------------------------------------


def is_of_workflow(span: Span) -> bool:
    """Whether a span is a workflow of traceloop's, or a task, agent or tool in one."""
    return "traceloop.span.kind" in span.attributes and _of_workflow(span) is not None


def read_of_workflow(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What a workflow or a part of one tells; a part nothing before what encloses it is known."""
    place = _of_workflow(span)
    assert place is not None
    if parent is None and span.parent and not orphan:
        return None
    if parent is not None and _is_of_workflow(span, parent):
        # Chains of frameworks call themselves workflows wherever they are.
        place = parent
    elif span.attributes["traceloop.span.kind"] == "workflow":
        return Reading(place, parts.execution(span, place, kind="workflow"), whole=not span.parent)
    if place.call:
        return generic.inside(place)
    stage = parts.name(span.attributes.get("traceloop.entity.name")) or span.name
    place = replace(place, path=parts.below(place, stage))
    kind = parts.word(span.attributes["traceloop.span.kind"])
    moment = parts.stage(span, place, attempt_id=span.id, kind=kind)
    return Reading(place, [moment], whole=not span.parent)


def _is_of_workflow(span: Span, parent: Place | None) -> bool:
    """Whether what encloses a span is a workflow or in one, and not only the service that it runs in."""
    if parent is None or parent.execution != span.trace:
        return False
    return parent.dialect == TRACELOOP or parent.pipeline != parts.service(span)


def _of_workflow(span: Span) -> Place | None:
    workflow = parts.name(span.attributes.get("traceloop.workflow.name"))
    return None if workflow is None else replace(generic.of_trace(span), dialect=TRACELOOP, pipeline=workflow)


def _entities(span: Span) -> list[str]:
    told = parts.text(span.attributes.get("traceloop.entity.path")) or ""
    return [name for one in told.split(".")[:32] if (name := parts.name(one)) is not None]
