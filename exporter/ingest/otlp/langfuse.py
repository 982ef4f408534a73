"""Langfuse: its client sends spans of OpenTelemetry in words of its own.

Generations and embeddings are calls; spans, chains, agents, tools, retrievers and so on are what they are anywhere.
Source: https://langfuse.com/integrations/native/opentelemetry#property-mapping
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from exporter.domain.spans import Span
from exporter.domain.times import SECOND, to_micros
from exporter.ingest.otlp import parts, usage

_KIND = "langfuse.observation.type"
_CALLS = {"generation": "chat", "embedding": "embeddings"}
INPUT = "langfuse.observation.input"
OUTPUT = "langfuse.observation.output"


def spoken(span: Span) -> Span:
    """The same span, a call in the words of OpenTelemetry."""
    told = span.attributes
    if _KIND not in told:
        return span
    failed = span.failed or told.get("langfuse.observation.level") == "ERROR"
    message = span.message or parts.text(told.get("langfuse.observation.status_message")) or ""
    about = {**_call(span), **told} if told[_KIND] in _CALLS else told
    return replace(span, attributes=about, failed=failed, message=message if failed else span.message)


def _call(span: Span) -> dict[str, Any]:
    told = span.attributes
    model = told.get("langfuse.observation.model.name")
    total = parts.amount(usage.decoded(told.get("langfuse.observation.cost_details")).get("total"))
    found = {
        "gen_ai.operation.name": _CALLS[told[_KIND]],
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.provider.name": _provider(span),
        "gen_ai.usage.cost": None if span.failed or not total else total,
        "gen_ai.response.time_to_first_chunk": _first_token(span),
        **usage.attributes(told.get("langfuse.observation.usage_details")),
    }
    return {key: value for key, value in found.items() if value is not None}


def _provider(span: Span) -> str | None:
    """Langfuse does not tell who answered; spans of its wrapper of OpenAI's client have that in their names."""
    return "openai" if span.name.lower().startswith("openai-") else None


def _first_token(span: Span) -> float | None:
    told = span.attributes.get("langfuse.observation.completion_start_time")
    began = parts.moment(told.strip('"')) if isinstance(told, str) else None
    after = None if began is None else (to_micros(began) - span.start) / SECOND
    return after if after is not None and after >= 0 else None
