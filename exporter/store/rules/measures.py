"""Streams are measured, records checked, language models called."""

from __future__ import annotations

from exporter.catalogue import Scope
from exporter.catalogue import metrics as m
from exporter.domain import events as e
from exporter.domain.times import SECOND, to_micros
from exporter.store.rules.errors import ErrorPlace, record_error
from exporter.store.rules.news import News
from exporter.store.work import Work


def streamed(work: Work, news: News, payload: e.StreamMeasured) -> None:
    """Add what went through a stream; keep where it stands."""
    component = work.component(news.pipeline, Scope.STREAM, (payload.stream, payload.direction))
    totals, facts = component.state.totals, component.state.facts
    for operation, count in (payload.events or {}).items():
        totals.add(m.STREAM_EVENTS, count, work.part(component, m.STREAM_EVENTS, operation))
    if payload.events and any(payload.events.values()):
        facts.tell(m.STREAM_LAST_EVENT.name, news.time, news.time / SECOND)
    exemplar = None if news.execution is None else (news.execution.id, news.time)
    for latency in payload.latency_seconds or ():
        totals.observe(m.STREAM_LATENCY, latency, exemplar=exemplar)
    for metric, amount in (
        (m.STREAM_DEAD_LETTERS, payload.dead_letters),
        (m.STREAM_COMMITS, payload.commits),
        (m.STREAM_FILES, payload.files),
        (m.STREAM_BYTES, payload.bytes),
    ):
        if amount is not None:
            totals.add(metric, amount)
    if payload.watermark is not None:
        facts.tell(m.STREAM_WATERMARK.name, news.time, to_micros(payload.watermark) / SECOND)
    if payload.buffer_depth is not None:
        facts.tell(m.STREAM_BUFFER.name, news.time, payload.buffer_depth)
    if payload.target_rate is not None:
        facts.tell(m.STREAM_TARGET_RATE.name, news.time, payload.target_rate)
    if payload.phase is not None:
        facts.tell(m.STREAM_PHASE.name, news.time, payload.phase)


def checked(work: Work, news: News, payload: e.RecordsChecked) -> None:
    """Add what was found valid and not; the score is that of the latest check."""
    place = (payload.stage or "", payload.stream or "")
    component = work.component(news.pipeline, Scope.CHECK, place)
    totals, facts = component.state.totals, component.state.facts
    for validity, count in (("valid", payload.valid), ("invalid", payload.invalid)):
        if count is not None:
            totals.add(m.RECORDS, count, validity)
    if payload.valid is not None and payload.valid + (payload.invalid or 0) > 0:
        facts.tell(m.QUALITY_SCORE.name, news.time, payload.valid / (payload.valid + (payload.invalid or 0)))
    if payload.completeness is not None:
        facts.tell(m.COMPLETENESS.name, news.time, payload.completeness)
    for rule, failures in (payload.rules or {}).items():
        work.component(news.pipeline, Scope.RULE, (*place, rule)).state.totals.add(m.RULE_FAILURES, failures)


def called(work: Work, news: News, payload: e.LlmCalled) -> None:
    """Add a language model call: its duration, tokens, cost and error."""
    labels = (
        payload.stage or "",
        payload.provider,
        payload.request_model,
        payload.response_model or payload.request_model,
        payload.operation,
    )
    component = work.component(news.pipeline, Scope.MODEL, labels)
    totals = component.state.totals
    exemplar = None if news.execution is None else (news.execution.id, news.time)
    error = None if payload.error is None else payload.error.cleaned()
    kind = "" if error is None else error.type or "unknown"
    if payload.duration_seconds is not None:
        part = work.part(component, m.GEN_AI_DURATION, kind)
        totals.observe(m.GEN_AI_DURATION, payload.duration_seconds, part, exemplar)
    if payload.time_to_first_token_seconds is not None:
        totals.observe(m.GEN_AI_FIRST_TOKEN, payload.time_to_first_token_seconds, exemplar=exemplar)
    for part, tokens in (("input", payload.input_tokens), ("output", payload.output_tokens)):
        if tokens is not None:
            totals.observe(m.GEN_AI_TOKENS, tokens, part, exemplar)
    if payload.cached_tokens is not None:
        totals.add(m.LLM_CACHED_TOKENS, payload.cached_tokens)
    if payload.reasoning_tokens is not None:
        totals.add(m.LLM_REASONING_TOKENS, payload.reasoning_tokens)
    # A call that failed before it used a token costs nothing. One whose tokens nobody told, as a stream's, does.
    if payload.cost_usd is None and (error is None or payload.input_tokens or payload.output_tokens):
        totals.add(m.LLM_UNPRICED)
    if payload.cost_usd is not None:
        totals.add(m.LLM_COST, payload.cost_usd)
    if error is not None:
        record_error(work, news, error, ErrorPlace(payload.stage or ""))
