"""Ends of executions and of attempts, and the errors they had. One end may be told twice, by two ways in."""

from __future__ import annotations

from sqlalchemy import delete

from exporter.catalogue import Scope
from exporter.catalogue.metrics import ERRORS
from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.lifecycle import Mark, Sign, add, episodes, finish
from exporter.domain.status import Status
from exporter.domain.times import SECOND, to_micros
from exporter.store import schema
from exporter.store.records import encode
from exporter.store.rules.news import News
from exporter.store.state import Facts
from exporter.store.work import Work

TOGETHER = 60 * SECOND
"""Two errors of one end are not farther apart: from when the work failed to when its system had noticed."""

_KEPT = "error_kept"


def add_end(
    marks: list[Mark], payload: e.ExecutionFinished | e.StageFinished, status: Status, time: int
) -> bool:
    """Add the mark of an end; whether it is one of its own, rather than one that was told before in other words."""
    mark = finish(
        time,
        status,
        payload.source_status or payload.status,
        queued_at=None if payload.queued_at is None else to_micros(payload.queued_at),
        started_at=None if payload.started_at is None else to_micros(payload.started_at),
        conclusive=payload.conclusive,
    )
    before = _ends(marks)
    add(marks, mark)
    return before == 0 or _ends(marks) > before


def _ends(marks: list[Mark]) -> int:
    if not any(mark.sign is Sign.FINISHED for mark in marks):
        return 0
    return sum(episode.ended_at is not None for episode in episodes(marks))


def record_end(
    work: Work,
    news: News,
    error: ErrorDetail,
    facts: Facts,
    *,
    is_new: bool,
    stage: str = "",
    index: str | None = None,
    attempt: int | None = None,
) -> None:
    """Keep the (cleaned) error of an end and count it, once if the same is told again: then the later one is kept."""
    told = {"identity": news.event.identity.hex(), "type": error.type or ""}
    known = facts.told.get(_KEPT)
    facts.tell(_KEPT, news.time, told)
    place = (stage, index, attempt)
    again = (
        known is not None
        and not is_new
        and known.value["type"] == told["type"]
        and abs(known.time - news.time) <= TOGETHER
    )
    if not again:
        record_error(work, news, error, stage=stage, index=index, attempt=attempt)
    elif known is not None and facts.told[_KEPT].value == told:
        _drop(work, bytes.fromhex(known.value["identity"]))
        _keep(work, news, error, place)


def record_error(
    work: Work,
    news: News,
    error: ErrorDetail,
    *,
    stage: str = "",
    index: str | None = None,
    attempt: int | None = None,
) -> None:
    """Keep a (cleaned) error and count it."""
    _keep(work, news, error, (stage, index, attempt))
    labels = (stage, error.category or "", error.type or "")
    work.component(news.pipeline, Scope.ERROR, labels).state.totals.add(ERRORS)


def _keep(work: Work, news: News, error: ErrorDetail, place: tuple[str, str | None, int | None]) -> None:
    stage, index, attempt = place
    context = None if error.context is None else encode(error.context).decode()
    execution_id = None if news.execution is None else news.execution.id
    where = (execution_id, news.pipeline.id, news.time, stage or None, index, attempt)
    what = (
        error.type,
        error.category,
        error.severity,
        error.component,
        error.message,
        error.stacktrace,
        context,
    )
    work.error_rows.append((news.event.identity, *where, *what))


def _drop(work: Work, identity: bytes) -> None:
    work.error_rows = [row for row in work.error_rows if row[0] != identity]
    work.connection.execute(delete(schema.errors).where(schema.errors.c.identity == identity))
