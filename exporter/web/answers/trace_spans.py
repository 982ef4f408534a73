"""An execution as a tree of spans: itself, attempts of its stages nested as they ran, and calls of language models."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from exporter.domain.lifecycle import Episode
from exporter.domain.status import ACTIVE, Status
from exporter.domain.text import first_line
from exporter.store.queries.trace_parts import Parts, TimedCall
from exporter.store.records import Attempt, Execution
from exporter.web.answers.execution import own_error
from exporter.web.answers.stage import Instance, Try, instances
from exporter.web.answers.trace import Process, Reference, Span, Trace, within
from exporter.web.answers.trace_tags import (
    Labels,
    call_tags,
    error_log,
    event_log,
    mark_log,
    process_tags,
    root_tags,
    stage_tags,
    stored_error_log,
)

ROOT_OPERATION = "execution"
"""What the span of an execution is called; its status stands behind, as a search shows no more than the name."""

_LOOKED_BACK = 50
"""Spans looked at for one that was going on at an instant."""


def span_id(*parts: str) -> str:
    """Id of a span, from what it stands for."""
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def root_id(execution_id: str) -> str:
    """Id of the span of an execution."""
    return span_id("execution", execution_id)


def short_trace(execution: Execution, declared: Mapping[str, Any], now: int) -> Trace:
    """An execution as searches show it: without what is in it. `declared`: what its pipeline was declared with."""
    root = _root(execution, declared.get("labels") or {}, None, now)
    return _trace(execution, declared, [root])


def whole_trace(
    execution: Execution, declared: Mapping[str, Any], parts: Parts, now: int, *, parent: str | None = None
) -> Trace:
    """An execution with what is in it, up to now (microseconds). `parent`: the id of the one that started it."""
    root = _root(execution, declared.get("labels") or {}, parts, now)
    if parent is not None:
        root.references.append(Reference(refType="FOLLOWS_FROM", traceID=parent, spanID=root_id(parent)))
    _tell_of_itself(execution, root)
    tree = _Tree(execution, root, now)
    tree.add_stages(instances(parts.attempts, parts.errors))
    for call in parts.calls:
        tree.add_call(call)
    for error in parts.errors:
        if error.stage is None:
            if (error.time, first_line(error.message)) != _own_place(execution):
                root.logs.append(stored_error_log(error))
        elif (error.stage, error.index, error.time) not in tree.shown_errors:
            tree.around(error.stage, error.time).logs.append(stored_error_log(error))
    for event in parts.events:
        tree.around(event.told.stage, event.time).logs.append(event_log(event))
    for span in tree.spans:
        span.logs.sort(key=lambda log: log.timestamp)
    tree.spans.sort(key=lambda span: span.startTime)
    return _trace(execution, declared, [root, *tree.spans])


def _trace(execution: Execution, declared: Mapping[str, Any], spans: list[Span]) -> Trace:
    process = Process(serviceName=execution.pipeline, tags=process_tags(execution, declared))
    return Trace(traceID=execution.id, spans=spans, processes={"p1": process})


# The execution


def _root(execution: Execution, labels: Labels, parts: Parts | None, now: int) -> Span:
    start, end = _extent(execution, now)
    return Span(
        traceID=execution.id,
        spanID=root_id(execution.id),
        operationName=f"{ROOT_OPERATION} {execution.status}",
        startTime=within(start),
        duration=within(end - start),
        tags=root_tags(execution, labels, parts),
    )


def _extent(execution: Execution, now: int) -> tuple[int, int]:
    """From the first start, or the wait for it, to the last end or now."""
    found = execution.episodes()
    began = [at for each in found if (at := each.started_at or each.queued_at) is not None]
    start = min(began, default=execution.sort_at)
    if execution.active:
        return start, max(start, now)
    return start, max(start, execution.ended_at or execution.last_at)


def _own_place(execution: Execution) -> tuple[int, str] | None:
    """When the execution's own error was told, and how it begins; None where that of a stage tells more."""
    fact = execution.facts.told.get("error")
    error = own_error(execution)
    if fact is None or error is None or error is not fact.value:
        return None
    return fact.time, first_line(error["message"])


def _tell_of_itself(execution: Execution, root: Span) -> None:
    """Starts and ends of an execution that has more than one, and the error that ended it."""
    found = execution.episodes()
    if len(found) > 1:
        for number, each in enumerate(found, 1):
            if each.started_at is not None:
                root.logs.append(mark_log(each.started_at, "execution started", attempt=number))
            if each.ended_at is not None:
                root.logs.append(
                    mark_log(each.ended_at, "execution ended", attempt=number, status=str(each.status))
                )
    own, error = execution.facts.told.get("error"), own_error(execution)
    if error is not None:
        root.logs.append(error_log(own.time if own is not None else execution.last_at, error))
        if error.get("stacktrace"):
            root.stackTraces.append(error["stacktrace"])


# What is in it


@dataclass(frozen=True, slots=True, order=True)
class _Placed:
    start: int
    id: str
    end: int
    span: Span


class _Along:
    """Spans of one name in the order of their start."""

    def __init__(self) -> None:
        self._placed: list[_Placed] = []

    def put(self, span: Span) -> None:
        """Put a span in its place."""
        insort(
            self._placed,
            _Placed(span.startTime, span.spanID, span.startTime + span.duration, span),
            key=_place,
        )

    def at(self, time: int) -> Span:
        """The span that was going on at an instant; else the one that began last before it, or the first."""
        behind = bisect_right(self._placed, time, key=_start)
        before = self._placed[max(0, behind - _LOOKED_BACK) : behind]
        for placed in reversed(before):
            if placed.end >= time:
                return placed.span
        return (before[-1] if before else self._placed[0]).span


def _place(placed: _Placed) -> tuple[int, str]:
    return placed.start, placed.id


def _start(placed: _Placed) -> int:
    return placed.start


class _Tree:
    """Spans below that of an execution."""

    def __init__(self, execution: Execution, root: Span, now: int) -> None:
        self.execution = execution
        self.root = root
        self.now = now
        self.spans: list[Span] = []
        self.shown_errors: set[tuple[str, str | None, int]] = set()
        self._by_path: dict[tuple[str, ...], _Along] = {}
        self._by_name: dict[str, _Along] = {}

    def add_stages(self, found: Sequence[Instance]) -> None:
        """Attempts, each below the stage around it as it was then."""
        made = [(instance, span) for instance in found for span in self._attempts(instance)]
        for instance, span in made:
            self._by_path.setdefault(instance.path, _Along()).put(span)
            self._by_name.setdefault(instance.path[-1], _Along()).put(span)
        for instance, span in made:
            self._hang(span, self._enclosing(instance.path, span.startTime))

    def add_call(self, each: TimedCall) -> None:
        """A call below the stage that made it; its event tells its end."""
        call = each.call
        duration = round((call.duration_seconds or 0.0) * 1_000_000)
        span = Span(
            traceID=self.execution.id,
            spanID=span_id("call", self.execution.id, str(each.seq)),
            operationName=f"{call.operation} {call.request_model}",
            startTime=within(each.time - duration),
            duration=within(duration),
            tags=call_tags(call),
        )
        if call.error is not None:
            told = {"type": call.error.type, "message": call.error.message}
            span.logs.append(error_log(each.time, told))
        self._hang(span, self.around(call.stage, each.time - duration // 2))

    def around(self, stage: str | None, time: int) -> Span:
        """The span of the stage at that time; the execution's where there is none."""
        along = None if stage is None else self._by_name.get(stage)
        return self.root if along is None else along.at(within(time))

    def _enclosing(self, path: tuple[str, ...], time: int) -> Span:
        for depth in range(len(path) - 1, 0, -1):
            along = self._by_path.get(path[:depth])
            if along is not None:
                return along.at(time)
        return self.root

    def _hang(self, span: Span, parent: Span) -> None:
        span.references.append(Reference(refType="CHILD_OF", traceID=span.traceID, spanID=parent.spanID))
        if span.startTime < self.root.startTime:
            span.warnings.append("begins before its execution: their clocks differ")
        self.spans.append(span)

    def _attempts(self, instance: Instance) -> list[Span]:
        tries = instance.tries or [_skipped(instance.last)]
        behind = [*tries[1:], None]
        lasts = {
            id(each)
            for each, after in zip(tries, behind, strict=True)
            if after is None or after.row is not each.row
        }
        spans = []
        for run, each in enumerate(tries):
            times = self._times(each)
            if times is not None:
                spans.append(self._attempt(instance, each, run, times, is_last_of_row=id(each) in lasts))
        return spans

    def _attempt(
        self, instance: Instance, each: Try, run: int, times: tuple[int, int], *, is_last_of_row: bool
    ) -> Span:
        start, end = times
        row = each.row
        span = Span(
            traceID=self.execution.id,
            spanID=span_id("stage", row.instance.hex(), row.attempt_key, str(run)),
            operationName=row.name,
            startTime=within(start),
            duration=within(end - start),
            tags=stage_tags(instance, each, is_last_of_row=is_last_of_row),
        )
        if end < start:
            span.warnings.append("ends before it begins: clocks differ")
        if each.error is not None:
            ended = each.episode.ended_at
            span.logs.append(error_log(end if ended is None else ended, each.error))
            if each.error.get("stacktrace"):
                span.stackTraces.append(each.error["stacktrace"])
            if ended is not None:
                self.shown_errors.add((row.name, row.index, ended))
        return span

    def _times(self, each: Try) -> tuple[int, int] | None:
        """Start and end in microseconds; None for what never began."""
        episode, row = each.episode, each.row
        start, end = episode.started_at, episode.ended_at
        is_over = episode.status not in ACTIVE
        if start is None and end is None:
            if row.own_status == Status.QUEUED or episode.status is Status.QUEUED:
                return None
            if row.own_status in ACTIVE:
                start = row.first_at
            else:
                # Settled by its source afterwards, which told no times.
                end = row.first_at if self.execution.active else min(row.first_at, self._end)
        if start is None:
            assert end is not None
            return end - (row.duration or 0), end
        if end is None:
            end = max(start, self._end if is_over else self.now)
        return start, end

    @property
    def _end(self) -> int:
        return self.root.startTime + self.root.duration


def _skipped(row: Attempt) -> Try:
    status = Status(row.status or Status.SKIPPED)
    episode = Episode(status, row.source_status or "", row.queued_at, row.started_at, row.ended_at)
    return Try(0, episode, None, row)
