"""Tokens in the words of those who count them: what a provider answers, or a library made of it, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from exporter.ingest.otlp import parts

INPUT = "gen_ai.usage.input_tokens"
OUTPUT = "gen_ai.usage.output_tokens"
CACHED = "gen_ai.usage.cache_read.input_tokens"
REASONING = "gen_ai.usage.reasoning.output_tokens"

_INPUT = ("prompt_tokens", "input_tokens", "prompt_token_count", "promptTokenCount", "promptTokens")
_OUTPUT = (
    "completion_tokens",
    "output_tokens",
    "candidates_token_count",
    "candidatesTokenCount",
    "completionTokens",
)
_CACHED = (
    "cache_read_input_tokens", "cached_tokens", "input_cached_tokens", "input_cache_read", "cached_content_token_count",
    "cachedContentTokenCount", "cache_read",
)  # fmt: skip
_REASONING = (
    "reasoning_tokens", "output_reasoning_tokens", "output_reasoning", "reasoning", "thoughts_token_count",
    "thoughtsTokenCount",
)  # fmt: skip
_DETAILS = (
    "prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details",
    "input_token_details", "output_token_details",
)  # fmt: skip


def decoded(told: object) -> dict[str, Any]:
    """An object that is written as JSON; empty if it is none."""
    if not isinstance(told, str):
        return {}
    try:
        found = msgspec.json.decode(told)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def attributes(told: object) -> dict[str, int]:
    """Tokens as OpenTelemetry calls them. Parts that have no share in `input` and `output` are added to those."""
    figures = decoded(told)
    flat = {**figures, **{k: v for key in _DETAILS for k, v in _object(figures.get(key)).items()}}
    found = {
        INPUT: _first(flat, _INPUT),
        OUTPUT: _first(flat, _OUTPUT),
        CACHED: _first(flat, _CACHED),
        REASONING: _first(flat, _REASONING),
    }
    if "input" in flat:
        found[INPUT] = _sum(flat, "input", "cache")
    if "output" in flat:
        found[OUTPUT] = _sum(flat, "output")
    return {key: number for key, number in found.items() if number is not None}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(figures: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((told for key in keys if (told := parts.whole(figures.get(key))) is not None), None)


def _sum(figures: dict[str, Any], *beginnings: str) -> int:
    return sum(parts.whole(value) or 0 for key, value in figures.items() if key.startswith(beginnings))
