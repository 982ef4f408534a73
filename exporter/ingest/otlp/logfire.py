"""Pydantic's Logfire: its client of OpenTelemetry tells a streamed answer by two spans, and some figures as JSON alone.

The first span of a stream ends when the answer begins, and knows nothing of it. The second is a log: it takes no time,
comes when the stream was read, and has the tokens and how long reading took.
Source: https://logfire.pydantic.dev/docs/integrations/llms/openai/#streaming-responses
"""

from __future__ import annotations

from msgspec.structs import replace

from exporter.domain.spans import Span
from exporter.ingest.otlp import parts, usage

_SCOPES = ("logfire.openai", "logfire.anthropic")
_RAW = "gen_ai.usage.raw"


def is_opening(span: Span) -> bool:
    """Whether a span is the first of two of a streamed answer."""
    told = span.attributes
    return (
        span.scope in _SCOPES
        and told.get("logfire.span_type") == "span"
        and not span.failed
        and "gen_ai.response.id" not in told
        and not any(key.startswith("gen_ai.usage.") for key in told)
    )


def seconds(span: Span) -> float | None:
    """How long it took to read a streamed answer; None for any other span."""
    if span.scope not in _SCOPES or span.attributes.get("logfire.span_type") != "log":
        return None
    return parts.amount(span.attributes.get("duration"))


def spoken(span: Span) -> Span:
    """The same span with the figures that it tells as JSON in the words of OpenTelemetry."""
    raw = span.attributes.get(_RAW)
    return span if raw is None else replace(span, attributes={**usage.attributes(raw), **span.attributes})
