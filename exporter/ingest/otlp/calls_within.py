"""Calls within a call of a language model, or beside it: the same one, told by a framework and by its client.

The outer one counts, as it is what the program asked for. Frameworks tell less than clients, so what it lacks is taken
from those within it: of several, as of a framework that tries again, the tokens and costs are added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from exporter.domain.events import LlmCalled
from exporter.domain.spans import Call, Moment, Place, Reading, Span
from exporter.domain.times import SECOND
from exporter.ingest.otlp import genai

Figure = TypeVar("Figure", int, float)


def filled(span: Span, reading: Reading, others: Sequence[Span]) -> Reading:
    """The reading of a call with what it lacks and calls within or beside it tell."""
    if not others:
        return reading
    below: dict[str, list[Span]] = {}
    for one in others:
        below.setdefault(one.parent, []).append(one)
    first = [*_beside(span, below.get(span.parent, ())), *below.get(span.id, ())]
    moments = [
        Moment(moment.time, _completed(span, moment.payload, reading.place, below, first))
        if isinstance(moment.payload, LlmCalled)
        else moment
        for moment in reading.moments
    ]
    return replace(reading, moments=moments)


def _beside(span: Span, siblings: Sequence[Span]) -> list[Span]:
    """The span of another instrument that tells the same call, if there is one: of several that which began next."""
    known = genai.known_by(span)
    same = [one for one in siblings if genai.is_call(one) and genai.known_by(one).is_same_as(known)]
    return [min(same, key=lambda one: (abs(one.start - span.start), one.id))] if same else []


def _completed(
    span: Span, call: LlmCalled, place: Place, below: dict[str, list[Span]], first: Sequence[Span]
) -> LlmCalled:
    inner = [
        (one, _completed(one, genai.called(one, place), place, below, below.get(one.id, ())))
        for one in _distinct(first, below)
    ]
    if not inner:
        return call
    began = min(
        (
            (one.start - span.start) / SECOND + told.time_to_first_token_seconds
            for one, told in inner
            if told.time_to_first_token_seconds is not None
        ),
        default=None,
    )
    if call.time_to_first_token_seconds is None and began is not None and began >= 0:
        call = replace(call, time_to_first_token_seconds=began)
    told = [each for _, each in inner]
    if call.provider == "unknown":
        call = replace(call, provider=told[0].provider)
    if call.request_model == "unknown":
        call = replace(call, request_model=told[0].request_model, response_model=told[0].response_model)
    if call.input_tokens is None and call.output_tokens is None:
        call = replace(
            call,
            input_tokens=_sum(one.input_tokens for one in told),
            output_tokens=_sum(one.output_tokens for one in told),
        )
    return replace(
        call,
        cached_tokens=_unless(call.cached_tokens, (one.cached_tokens for one in told)),
        reasoning_tokens=_unless(call.reasoning_tokens, (one.reasoning_tokens for one in told)),
        cost_usd=_unless(call.cost_usd, (one.cost_usd for one in told)),
    )


def _distinct(first: Sequence[Span], below: dict[str, list[Span]]) -> list[Span]:
    """The uppermost calls among spans and what is within them, each once."""
    found: list[tuple[Span, Call]] = []
    waiting = list(first)
    while waiting:
        one = waiting.pop(0)
        if not genai.is_call(one):
            waiting += below.get(one.id, ())
            continue
        known = genai.known_by(one)
        if not any(known.is_same_as(other) for _, other in found):
            found.append((one, known))
    return [one for one, _ in found]


def _sum(figures: Iterable[Figure | None]) -> Figure | None:
    told = [figure for figure in figures if figure is not None]
    return sum(told[1:], told[0]) if told else None


def _unless(told: Figure | None, figures: Iterable[Figure | None]) -> Figure | None:
    return _sum(figures) if told is None else told
