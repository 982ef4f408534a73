"""Executions start, go on, progress and end."""

from __future__ import annotations

import msgspec

from exporter.catalogue.own import UNMAPPED
from exporter.domain import events as e
from exporter.domain.lifecycle import Mark, Sign, add, finish
from exporter.domain.status import FINAL, Status, status_of_word
from exporter.domain.text import clean_name
from exporter.domain.times import to_micros
from exporter.store.rules.errors import record_error_of_end
from exporter.store.rules.news import News
from exporter.store.work import Work

_SIGNS: dict[type, Sign] = {
    e.ExecutionQueued: Sign.QUEUED,
    e.ExecutionStarted: Sign.STARTED,
    e.ExecutionPaused: Sign.PAUSED,
    e.ExecutionResumed: Sign.RESUMED,
    e.StageQueued: Sign.QUEUED,
    e.StageStarted: Sign.STARTED,
}
_TOLD = ("kind", "trigger", "parameters", "labels", "parent", "heartbeat_seconds", "link")


def sign_of(payload: e.Payload) -> Sign:
    """What a state event says of its execution or stage."""
    return _SIGNS[type(payload)]


def entered(work: Work, news: News, payload: e.ExecutionState) -> None:
    """An execution was queued, started, paused or resumed."""
    execution = news.run
    told(work, news, payload)
    add(execution.marks, Mark(news.time, sign_of(payload), word=payload.source_status or ""))


def told(work: Work, news: News, payload: e.ExecutionState) -> None:
    """Keep what a state event or a heartbeat tells besides."""
    execution = news.run
    facts = execution.facts
    for name in _TOLD:
        value = getattr(payload, name)
        if value is not None:
            facts.tell(name, news.time, msgspec.to_builtins(value))
    count_unmapped(work, news, payload.source_status)


def progressed(_: Work, news: News, payload: e.ExecutionProgressed) -> None:
    """An execution told how far it is."""
    execution = news.run
    facts = execution.facts
    if payload.progress is not None:
        facts.tell("progress", news.time, payload.progress)
    if payload.message is not None:
        facts.tell("message", news.time, payload.message[:1000])
    if payload.eta is not None:
        facts.tell("eta", news.time, to_micros(payload.eta))


def finished(work: Work, news: News, payload: e.ExecutionFinished) -> None:
    """An execution ended."""
    execution = news.run
    told(work, news, payload)
    status = final_status(payload.status)
    word = payload.source_status or payload.status
    add(execution.marks, finish(news.time, status, word, **figures(payload), conclusive=payload.conclusive))
    if payload.error is not None:
        error = payload.error.cleaned()
        execution.facts.tell("error", news.time, msgspec.to_builtins(error))
        record_error_of_end(work, news, error, execution.facts)


def kept(_work: Work, _news: News, _payload: e.ExecutionPayload) -> None:
    """Artifacts, warnings and logs are read from the events themselves."""


def final_status(word: str) -> Status:
    """Status of an end; the edge let no other word in."""
    status = status_of_word(word)
    assert status in FINAL, word
    return status


def figures(payload: e.ExecutionFinished | e.StageFinished) -> dict[str, int | None]:
    """A source's own figures of when something was queued and started, in microseconds."""
    return {
        "queued_at": None if payload.queued_at is None else to_micros(payload.queued_at),
        "started_at": None if payload.started_at is None else to_micros(payload.started_at),
    }


def count_unmapped(work: Work, news: News, source_status: str | None) -> None:
    """Count a source's word that neither its mapping nor our own words give a status; it is kept all the same."""
    word = news.event.unmapped
    if word is None and source_status is not None and status_of_word(source_status) is None:
        word = source_status
    if word:
        known = work.clock.totals.counters.get(UNMAPPED.name, {})
        shown = clean_name(word, 64)
        work.clock.totals.add(UNMAPPED, 1, shown if shown in known or len(known) < 100 else "__other__")
