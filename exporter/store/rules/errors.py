"""Errors are kept and counted. The same error may be told by two ways in, such as spans and the system's storage."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import delete

from exporter.catalogue import Scope
from exporter.catalogue.metrics import ERRORS
from exporter.domain.errors import ErrorDetail
from exporter.store import schema
from exporter.store.records import encode
from exporter.store.rules.news import News
from exporter.store.state import Fact, Facts
from exporter.store.work import Work

_TOLD = "errors_told"
_MOST_KNOWN = 32
"""Errors of one attempt that are withdrawn when a way in that knows more tells them, too."""


class ErrorPlace(Struct, frozen=True):
    """Where in an execution something went wrong; nowhere in particular, if it was the execution itself."""

    stage: str = ""
    index: str | None = None
    attempt: int | None = None


NOWHERE = ErrorPlace()


def record_error_of_end(
    work: Work, news: News, error: ErrorDetail, facts: Facts, place: ErrorPlace = NOWHERE
) -> None:
    """Keep the (cleaned) error of an end, and count it.

    Ways in tell of the same ends: those errors are kept that the last way by name tells, and the number counted is
    the most that any of them told. So the order in which they tell does not matter. `facts`: of what ended.
    """
    told: dict[str, tuple[int, list[str]]] = facts.get(_TOLD, {})
    way = news.event.way
    number, known = told.get(way, (0, []))
    is_more = number + 1 > max((count for count, _ in told.values()), default=0)
    mine = (number + 1, sorted([*known, news.event.identity.hex()])[-_MOST_KNOWN:])
    facts.told[_TOLD] = Fact(0, {**told, way: mine})
    if is_more:
        _count(work, news, error, place)
    others = [name for name in told if name != way]
    if any(name > way for name in others):
        return
    if number == 0:
        for name in others:
            _drop(work, told[name][1])
    _keep(work, news, error, place)


def record_error(work: Work, news: News, error: ErrorDetail, place: ErrorPlace) -> None:
    """Keep a (cleaned) error that is no end, and count it."""
    _keep(work, news, error, place)
    _count(work, news, error, place)


def _count(work: Work, news: News, error: ErrorDetail, place: ErrorPlace) -> None:
    labels = (place.stage, error.category or "", error.type or "")
    work.component(news.pipeline, Scope.ERROR, labels).state.totals.add(ERRORS)


def _keep(work: Work, news: News, error: ErrorDetail, place: ErrorPlace) -> None:
    context = None if error.context is None else encode(error.context).decode()
    execution_id = None if news.execution is None else news.execution.id
    where = (execution_id, news.pipeline.id, news.time, place.stage or None, place.index, place.attempt)
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


def _drop(work: Work, identities: list[str]) -> None:
    gone = [bytes.fromhex(identity) for identity in identities]
    work.error_rows = [row for row in work.error_rows if row[0] not in gone]
    work.connection.execute(delete(schema.errors).where(schema.errors.c.identity.in_(gone)))
