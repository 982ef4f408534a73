"""Stages start, work, end, and are settled by their source."""

from __future__ import annotations

import msgspec

from exporter.domain import events as e
from exporter.domain.lifecycle import Mark, add, finish
from exporter.domain.status import FAILING
from exporter.store.records import SETTLED, Attempt, Instance
from exporter.store.rules.declared import describe_stage
from exporter.store.rules.errors import ErrorPlace, record_error_of_end
from exporter.store.rules.executions import count_unmapped, figures, final_status, sign_of
from exporter.store.rules.news import News
from exporter.store.work import Work, attempt_key, place


def entered(work: Work, news: News, payload: e.StageState) -> None:
    """A stage was queued or an attempt of it started."""
    attempt = _attempt(work, news, payload)
    _tell(work, news, attempt, payload)
    add(attempt.marks, Mark(news.time, sign_of(payload), word=payload.source_status or ""))


def told(work: Work, news: News, payload: e.StageProgressed) -> None:
    """A stage told of its work."""
    attempt = _attempt(work, news, payload)
    _tell(work, news, attempt, payload)
    attempt.facts.tell("alive", news.time, True)
    if payload.progress is not None:
        attempt.facts.tell("progress", news.time, payload.progress)
    if payload.message is not None:
        attempt.facts.tell("message", news.time, payload.message[:1000])


def finished(work: Work, news: News, payload: e.StageFinished) -> None:
    """An attempt of a stage ended."""
    attempt = _attempt(work, news, payload)
    _tell(work, news, attempt, payload)
    status = final_status(payload.status)
    word = payload.source_status or payload.status
    told = payload.items or e.Items()
    mark = finish(
        news.time,
        status,
        word,
        **figures(payload),
        conclusive=payload.conclusive,
        items_in=told.in_,
        items_out=told.out,
    )
    add(attempt.marks, mark)
    if payload.error is None:
        return
    error = payload.error.cleaned()
    attempt.facts.tell("error", news.time, msgspec.to_builtins(error))
    if status in FAILING and not payload.retry:
        attempt.facts.tell("failed_for_good", news.time, True)
    number = attempt.told_number or attempt.attempt or None
    place = ErrorPlace(payload.stage, attempt.index, number)
    record_error_of_end(work, news, error, attempt.facts, place)


def settled(work: Work, news: News, payload: e.StageSettled) -> None:
    """A source said, after the fact, how a stage ended."""
    execution = news.run
    instance = _instance(work, news, payload)
    row = instance.attempt(SETTLED, news.time)
    duration = payload.duration_seconds
    row.facts.tell(
        "settled",
        news.time,
        {
            "status": final_status(payload.status),
            "word": payload.source_status or payload.status,
            "duration": None if duration is None else round(duration * 1e6),
        },
    )
    if instance.index is None and work.has_mapped(execution, instance.path):
        _void(instance)
    count_unmapped(work, news, payload.source_status)
    describe_stage(work, news, payload.stage)


def sampled(work: Work, news: News, payload: e.ResourcesSampled) -> None:
    """Resources were measured. Those of the execution itself are read from the events."""
    if payload.stage is None:
        return
    attempt = _attempt(work, news, payload)
    if payload.cpu_seconds is not None:
        attempt.cpu_seconds = max(attempt.cpu_seconds or 0.0, payload.cpu_seconds)
    peak = max(payload.memory_bytes or 0.0, payload.memory_peak_bytes or 0.0)
    if payload.memory_bytes is not None or payload.memory_peak_bytes is not None:
        attempt.memory_peak_bytes = max(attempt.memory_peak_bytes or 0.0, peak)


def _attempt(work: Work, news: News, payload: e.StagePayload | e.ResourcesSampled) -> Attempt:
    instance = _instance(work, news, payload)
    return work.attempt(instance, attempt_key(payload), news.time)


def _instance(work: Work, news: News, payload: e.StagePayload | e.ResourcesSampled) -> Instance:
    assert payload.stage is not None
    execution = news.run
    parent, index = place(payload)
    path = (*parent, payload.stage)
    if index is not None and not work.is_mapped(execution, path):
        # The first news of a mapped instance takes the floor from what the source said of the stage as a whole.
        whole = work.known_instance(execution, path, None)
        if whole is not None and SETTLED in whole.attempts:
            _void(whole)
    return work.instance(execution, news.pipeline, path, index)


def _void(instance: Instance) -> None:
    instance.void = True
    row = instance.attempts[SETTLED]
    row.facts.tell("void", row.first_at, True)


def _tell(work: Work, news: News, attempt: Attempt, payload: e.StageState) -> None:
    if payload.items is not None:
        if payload.items.in_ is not None:
            attempt.items_in = max(attempt.items_in or 0, payload.items.in_)
        if payload.items.out is not None:
            attempt.items_out = max(attempt.items_out or 0, payload.items.out)
    if payload.depends_on is not None:
        attempt.facts.tell("depends_on", news.time, payload.depends_on)
    describe_stage(work, news, payload.stage, kind=payload.kind, depends_on=payload.depends_on)
    count_unmapped(work, news, payload.source_status)
