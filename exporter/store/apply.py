"""A group of events becomes rows and totals, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from exporter.catalogue.own import EVENTS
from exporter.domain.clean import without_nul
from exporter.domain.events import Event, ExecutionPayload
from exporter.domain.redaction import redacted
from exporter.domain.spans import Span
from exporter.domain.times import to_micros
from exporter.store import schema
from exporter.store.bulk import present
from exporter.store.engine import writing
from exporter.store.gather import Gatherer
from exporter.store.limits import Limits
from exporter.store.recent import note_event
from exporter.store.records import encode
from exporter.store.rules import RULES
from exporter.store.rules.news import News
from exporter.store.settle import settle
from exporter.store.work import Cache, Work, id_of
from exporter.store.writes import write


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a group: which of its events were new, in their order, and the version they made."""

    fresh: list[bool]
    version: int


Incoming = Event | Span
"""What a writer takes: events, and spans that have yet to become some."""


def apply(
    engine: Engine,
    cache: Cache,
    limits: Limits,
    events: Sequence[Incoming],
    *,
    now: int,
    gatherer: Gatherer | None = None,
) -> Applied:
    """Apply events and commit. All or nothing: on any error nothing has happened, and the cache is empty.

    `now`: when they arrived, in microseconds. Repeats, of stored events or within the group, change nothing.
    """
    try:
        with writing(engine) as connection:
            work = Work(connection, cache, limits, now)
            fresh = take(work, events, gatherer)
            if gatherer is not None:
                gatherer.revisit(work, [each for each in work.executions.values() if each.new])
            write(work)
    except BaseException:
        cache.clear()
        raise
    work.finish()
    return Applied(fresh, work.version)


def take(work: Work, incoming: Sequence[Incoming], gatherer: Gatherer | None) -> list[bool]:
    """Apply events, and what spans come to, in a transaction; which of them were new."""
    spans = [one for one in incoming if isinstance(one, Span)]
    if not spans:
        return _apply(work, [one for one in incoming if isinstance(one, Event)])
    assert gatherer is not None
    news, told = gatherer.gather(work, spans)
    events = [one for one in incoming if isinstance(one, Event)]
    applied = iter(_apply(work, [*events, *told]))
    of_spans = iter(news)
    return [next(of_spans) if isinstance(one, Span) else next(applied) for one in incoming]


def take_due(work: Work, gatherer: Gatherer) -> int:
    """Take what has waited long enough; how many events that were. They have yet to be settled."""
    events = gatherer.due(work)
    gatherer.forget(work)
    _take_all(work, events)
    return len(events)


def _apply(work: Work, events: Sequence[Event]) -> list[bool]:
    fresh = _take_all(work, events)
    settle(work)
    return fresh


def _take_all(work: Work, events: Sequence[Event]) -> list[bool]:
    seen = present(work.connection, schema.events, "identity", [event.identity for event in events])
    fresh: list[bool] = []
    todo: list[tuple[Event, str | None]] = []
    for event in events:
        is_new = event.identity not in seen
        fresh.append(is_new)
        if is_new:
            seen.add(event.identity)
            todo.append((redacted(event, emails=work.limits.emails), id_of(event)))
    work.load(todo)
    for event, id_ in todo:
        _take(work, event, id_)
    _count_events(work, events, fresh)
    return fresh


def _take(work: Work, event: Event, id_: str | None) -> None:
    payload, body = event.payload, event.body
    if b"\\u0000" in body:
        payload = without_nul(payload)
        body = encode(payload)
    time = to_micros(event.time)
    pipeline = work.pipeline(payload.environment, payload.pipeline)
    state = pipeline.state
    pipeline.dirty = True
    note_event(state, time, work.now)
    if work.meter(pipeline) is not pipeline:
        work.meter(pipeline).dirty = True
    if id_ is not None and work.is_buried(event, id_, time):
        id_ = None
        if isinstance(payload, ExecutionPayload):
            work.event_rows.append((event.identity, pipeline.id, None, payload.type, time, work.now, None))
            return
    execution = None if id_ is None else work.execution(event, id_, pipeline, time)
    if execution is not None and state.facts.get("source") != event.source:
        state.facts.tell("source", time, event.source)
    RULES[type(payload)](work, News(event, pipeline, execution, time), payload)
    work.event_rows.append((event.identity, pipeline.id, id_, payload.type, time, work.now, body))


def _count_events(work: Work, events: Sequence[Event], fresh: Sequence[bool]) -> None:
    sources = [event.source for event in events]
    for (source, is_new), number in Counter(zip(sources, fresh, strict=True)).items():
        work.clock.totals.add(EVENTS, number, f"{source}\x1f{'accepted' if is_new else 'duplicate'}")
        if is_new:
            work.clock.facts.tell(f"last {source}", work.now, work.now)
