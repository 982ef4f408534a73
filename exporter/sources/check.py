"""Reads a source once, from its beginning, and says what it would send; changes nothing, here or there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.domain.redaction import redacted
from exporter.domain.secrets import without_secrets
from exporter.domain.status import Status
from exporter.sources.batch import Away
from exporter.sources.cursor import Forgetful
from exporter.sources.source import Source
from exporter.sources.translate import is_undated

MOST_PROBLEMS = 5
MOST_WORDS = 20
_OPEN: dict[type[e.ExecutionState], Status] = {
    e.ExecutionQueued: Status.QUEUED,
    e.ExecutionStarted: Status.RUNNING,
    e.ExecutionResumed: Status.RUNNING,
    e.ExecutionPaused: Status.PAUSED,
}


@dataclass(slots=True)
class Found:
    """What one read of a source gave. `open` has the status of each run that has not ended."""

    rows: int = 0
    types: Counter[str] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    wrong: int = 0
    first: datetime | None = None
    last: datetime | None = None
    samples: list[Event] = field(default_factory=list)
    open: dict[tuple[str, str, str], str] = field(default_factory=dict)
    unmapped: Counter[str] = field(default_factory=Counter)
    undated: int = 0

    def take(self, event: Event) -> None:
        """Count an event."""
        self.types[event.payload.type] += 1
        self.first = event.time if self.first is None else min(self.first, event.time)
        self.last = event.time if self.last is None else max(self.last, event.time)
        payload = event.payload
        self.undated += is_undated(event)
        if isinstance(payload, e.ExecutionFinished):
            self.ends[payload.pipeline, payload.status] += 1
        if isinstance(payload, e.ExecutionState):
            run = (payload.pipeline, payload.environment, payload.execution)
            if type(payload) in _OPEN:
                self.open[run] = _OPEN[type(payload)].value
            elif isinstance(payload, e.ExecutionFinished):
                self.open.pop(run, None)


@dataclass(slots=True)
class Report:
    """What a source gave; `away` says why it could not be read."""

    source: str
    reads: dict[str, Found]
    away: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether it could be read, and every row understood."""
        return self.away is None and not any(found.wrong for found in self.reads.values())


def check(source: Source, read_at: datetime, samples: int = 0, *, emails: bool = False) -> Report:
    """Read it once, holding no more rows than a server would.

    What can be printed of it is without secrets, as the store keeps it; `emails`: without addresses of people, too.
    """
    report = Report(source.name, {read.name: Found() for read in source.mapping.reads})
    try:
        with closing(source.reader.batches(Forgetful(), read_at)) as batches:  # type: ignore[type-var]
            for batch in batches:
                found = report.reads[batch.read]
                found.rows += batch.rows
                found.wrong += len(batch.problems)
                found.unmapped += batch.unmapped
                problems = batch.problems[: MOST_PROBLEMS - len(found.problems)]
                found.problems += [without_secrets(problem, emails=emails) for problem in problems]
                for event in source.fresh(batch.events):
                    found.take(event)
                    if len(found.samples) < samples:
                        found.samples.append(redacted(event, emails=emails))
                source.sent(batch.events)
    except Away as error:
        report.away = str(error)
    finally:
        source.reader.close()
    return report


def lines(report: Report) -> Iterator[str]:
    """The report, for people."""
    state = "ok" if report.is_good else "some rows could not be understood"
    yield f"{report.source}: {state if report.away is None else f'cannot be read: {report.away}'}"
    for name, found in report.reads.items():
        if report.away is not None and not found.rows:
            continue
        told = ", ".join(f"{count} {type_}" for type_, count in sorted(found.types.items()))
        yield f"  {name}: {found.rows} rows: {told or 'nothing to send'}"
        if found.first is not None and found.last is not None:
            yield f"    from {found.first:%Y-%m-%dT%H:%M:%SZ} to {found.last:%Y-%m-%dT%H:%M:%SZ}"
        for (pipeline, status), count in sorted(found.ends.items()):
            yield f"    {pipeline}: {count} {status}"
        for (pipeline, status), count in sorted(Counter((k[0], v) for k, v in found.open.items()).items()):
            yield f"    {pipeline}: {count} {status}, not ended"
        yield from _doubts(found)
        for problem in found.problems:
            yield f"    not understood: {problem}"
        if found.wrong > len(found.problems):
            yield f"    not understood: {found.wrong - len(found.problems)} more"
        for event in found.samples:
            yield f"    {event.time:%Y-%m-%dT%H:%M:%S.%fZ} {event.payload.type} {event.body.decode()}"


def _doubts(found: Found) -> Iterator[str]:
    """What is told, and may mean something else than it seems to."""
    if found.unmapped:
        words = ", ".join(f"{word} ({count})" for word, count in found.unmapped.most_common(MOST_WORDS))
        more = ", …" if len(found.unmapped) > MOST_WORDS else ""
        yield f"    words that stand for no status, say by statuses what they mean: {words}{more}"
    if found.undated:
        yield f"    ends without a time: {found.undated}, dated when they are first read, with a warning"
