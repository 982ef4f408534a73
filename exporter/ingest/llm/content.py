"""Prompts, answers and secrets in what instrumented programs send.

Two of three dialects send prompts and answers without being asked. They are dropped at the door unless storing them was
switched on (`--llm-content store`), with what quotes them in names and errors; what looks like a secret is taken out
even then.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import LlmCalled
from exporter.domain.secrets import value_without_secrets, without_secrets
from exporter.domain.spans import Attributes, Span, SpanEvent
from exporter.ingest.llm.quotes import Quotes, each_text, texts_in

STORE = "store"
DROP = "drop"

_CONTENT = re.compile(
    r"^(?:gen_ai\.(?:input\.messages|output\.messages|system_instructions|tool\.definitions|prompt|completion"
    r"|tool\.call\.(?:arguments|result)|content\.|event\.content|retrieval\.documents|retrieval\.query)"
    r"|llm\.(?:input_messages|output_messages|prompts|completions|tools|prompt_template|function_call|choices)"
    r"|(?:input|output)\.value$|traceloop\.entity\.(?:input|output)|traceloop\.prompt\.template"
    r"|embedding\.(?:embeddings|text|vector)|retrieval\.documents|reranker\.(?:input|output)_documents|reranker\.query"
    r"|tool\.(?:parameters|json_schema)|tool_call\.function\.arguments|message\.content|document\.content"
    r"|(?:pydantic_ai\.)?all_messages|all_messages_events|final_result|events$|tool_arguments|tool_response"
    r"|langfuse\.(?:observation|trace)\.(?:input|output|metadata|model\.parameters)"
    r"|(?:system|user|assistant|tool)\.message|request_data|response_data|prompt$|completion$|content$)"
)
_CONTENT_EVENT = re.compile(
    r"^gen_ai\.(?:content\.|choice|(?:system|user|assistant|tool)\.message|client\.inference)"
)

_OF_MODELS = re.compile(
    r"^(?:gen_ai|llm|openinference|traceloop|embedding|reranker|retrieval|pydantic_ai|langfuse|langsmith|ai"
    r"|tool_call)\."
    r"|^(?:input|output)\.(?:value|mime_type)$"
)
_PLAIN = re.compile(
    r"^(?:gen_ai\.(?:operation\.name|system$|provider\.name|request\.model|response\.(?:model|id|finish_reasons)"
    r"|output\.type|token\.type|usage\.|tool\.(?:name|type|call\.id)$|agent\.(?:name|id)$|workflow\.name"
    r"|conversation\.id|data_source\.id|openai\.)"
    r"|llm\.(?:system$|provider|model_name|request\.(?:type|model)|response\.model|token_count\.|usage\.|cost\.)"
    r"|openinference\.span\.kind|(?:embedding|reranker)\.model_name|tool\.name$"
    r"|langfuse\.(?:observation\.(?:type|level|model\.name|usage_details|cost_details|completion_start_time)"
    r"|trace\.name|environment|release|version)$|logfire\.(?:span_type|msg_template)$"
    r"|traceloop\.(?:span\.kind|workflow\.name|entity\.(?:name|path|version))"
    r"|(?:error|exception|service|deployment|server|network|thread|code|telemetry|process|host|k8s|container|cloud|otel"
    r"|cicd|vcs|airflow|prefect|dagster|celery|(?:session|user)\.id|http\.(?:method|route|status_code)"
    r"|http\.(?:request\.method|response\.status_code)|url\.(?:scheme|domain|path))\b)"
)
"""What spans of language models tell in words and may keep. Whatever else they tell may be a prompt by another name."""

DEEPEST = 16
"""Values within values that are looked through."""

_ABOUT = frozenset({"error", "generation_info", "headers", "metadata", "response_metadata", "usage"})
"""What requests and answers hold beside what was said: the message of an error is no prompt."""

_PARAMETERS = ("llm.invocation_parameters", "embedding.invocation_parameters")


def is_content(key: str) -> bool:
    """Whether an attribute holds what was said to or by a model."""
    return _CONTENT.match(key) is not None


def is_of_models(span: Span) -> bool:
    """Whether a span was made by what instruments language models: calls, agents, tools, chains."""
    return any(_OF_MODELS.match(key) for key in span.attributes)


class Guard:
    """What may be kept. `store`: prompts and answers, too. `emails`: addresses of people go.

    `named`: attributes that a mapping file asks for, which are kept whatever their names.
    """

    def __init__(
        self, *, store: bool = False, emails: bool = False, named: frozenset[str] = frozenset()
    ) -> None:
        self._store = store
        self._emails = emails
        self._named = named

    def spans(self, spans: Sequence[Span]) -> list[Span]:
        """Spans as they may be kept. What one says is looked for in all of its trace that arrive together."""
        if self._store:
            return [self._without_secrets(span) for span in spans]
        said: defaultdict[str, dict[str, None]] = defaultdict(dict)
        dropped = [self._without_content(span, said[span.trace]) for span in spans]
        quotes: dict[str, Quotes] = {}
        for span in dropped:
            if said[span.trace]:
                quotes.setdefault(span.trace, Quotes()).look_at(_told(span))
        for trace, found in quotes.items():
            found.mark(said[trace])
        return [self._without_secrets(_unquoted(span, quotes.get(span.trace))) for span in dropped]

    def call(self, call: LlmCalled) -> LlmCalled:
        """A call told as an event, as it may be kept."""
        texts = {"prompt": call.prompt, "response": call.response, "template": call.template}
        error, variables = call.error, call.variables
        if error is not None and not self._store:
            quotes = Quotes()
            quotes.look_at([error.message, error.stacktrace or ""])
            quotes.mark(_texts([*texts.values(), variables]))
            error = _changed(error, quotes.removed)
        return replace(
            call,
            **{key: self._clean(text) if text and self._store else None for key, text in texts.items()},
            variables=self._value(variables) if self._store else None,
            error=None if error is None else _changed(error, self._clean),
        )

    def _without_content(self, span: Span, said: dict[str, None]) -> Span:
        strict = is_of_models(span)

        def kept(attributes: Attributes) -> Attributes:
            found: Attributes = {}
            for key, value in attributes.items():
                if key in _PARAMETERS:
                    found[key] = _model_alone(value)
                elif key not in self._named and (is_content(key) or (strict and _is_loose(key, value))):
                    said.update(dict.fromkeys(_texts(value)))
                else:
                    found[key] = value
            return found

        def of_event(event: SpanEvent) -> SpanEvent:
            if not _CONTENT_EVENT.match(event.name):
                return SpanEvent(event.time, event.name, kept(event.attributes))
            said.update(dict.fromkeys(_texts(event.attributes)))
            return SpanEvent(event.time, event.name, {})

        attributes = kept(span.attributes)
        return replace(span, attributes=attributes, events=[of_event(event) for event in span.events])

    def _without_secrets(self, span: Span) -> Span:
        return replace(
            span,
            name=self._clean(span.name),
            message=self._clean(span.message),
            attributes=self._value(span.attributes),
            resource=self._value(span.resource),
            events=[
                SpanEvent(event.time, self._clean(event.name), self._value(event.attributes))
                for event in span.events
            ],
        )

    def _clean(self, text: str) -> str:
        return without_secrets(text, emails=self._emails)

    def _value(self, value: Any) -> Any:
        return value_without_secrets(self._plain(value), emails=self._emails)

    def _plain(self, value: Any) -> Any:
        """A value without prompts and answers, however deep."""
        if self._store or not isinstance(value, dict | list):
            return value
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        return {
            key: self._plain(item) for key, item in value.items() if key in self._named or not is_content(key)
        }


def _is_loose(key: str, value: Any) -> bool:
    """Whether an attribute of a span of a language model may be content by a name that nobody knows."""
    return not isinstance(value, bool | int | float) and not _PLAIN.match(key)


def _model_alone(value: Any) -> str:
    """Of the parameters of a call the model: others hold instructions, tools, examples."""
    try:
        told = msgspec.json.decode(value) if isinstance(value, str) else None
    except (msgspec.DecodeError, RecursionError):
        return "{}"
    model = told.get("model") if isinstance(told, dict) else None
    return msgspec.json.encode({"model": model} if isinstance(model, str) else {}).decode()


def _texts(value: Any, depth: int = DEEPEST) -> Iterator[str]:
    """The texts in a value, also in one that is JSON."""
    if isinstance(value, str):
        told = _decoded(value) if depth else None
        if told is None:
            yield value
        else:
            yield from _texts(told, depth - 1)
    elif isinstance(value, dict) and depth:
        for key, item in value.items():
            if key not in _ABOUT:
                yield from _texts(item, depth - 1)
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _texts(item, depth - 1)


def _decoded(text: str) -> Any:
    if text[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _told(span: Span) -> Iterator[str]:
    """The texts of a span that may quote what was said."""
    yield span.name
    yield span.message
    for attributes in (span.attributes, *(event.attributes for event in span.events)):
        yield from texts_in(attributes)


def _unquoted(span: Span, quotes: Quotes | None) -> Span:
    if quotes is None:
        return span
    return replace(
        span,
        name=quotes.removed(span.name),
        message=quotes.removed(span.message),
        attributes=each_text(span.attributes, quotes.removed),
        events=[
            SpanEvent(event.time, event.name, each_text(event.attributes, quotes.removed))
            for event in span.events
        ],
    )


def _changed(error: ErrorDetail, change: Callable[[str], str]) -> ErrorDetail:
    stacktrace = None if error.stacktrace is None else change(error.stacktrace)
    return replace(error, message=change(error.message), stacktrace=stacktrace)
