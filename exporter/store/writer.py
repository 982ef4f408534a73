"""One writer a process: commits queued events in groups; whoever waits hears of it once it is durable."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from exporter.store.apply import Applied, Incoming, apply
from exporter.store.engine import reason_of
from exporter.store.gather import Gatherer
from exporter.store.limits import Limits
from exporter.store.work import Cache

GROUP = 2000
"""Events committed together at the most."""

COMPLAIN_EVERY = 10.0
"""Seconds between two log lines about a database that does not take events."""

log = logging.getLogger(__name__)


class Unavailable(Exception):
    """Events could not be made durable now; the same may be sent again. Says why."""


class Overloaded(Unavailable):
    """Too many events wait already."""


class Observer(Protocol):
    """What wants to know how the store does."""

    def committed(self, seconds: float) -> None: ...
    def failed(self, reason: str) -> None: ...
    def reader_ended(self) -> None: ...
    def upkeep_failed(self, task: str, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the events of one request."""

    accepted: int
    duplicates: int


@dataclass(slots=True)
class _Submission:
    events: Sequence[Incoming]
    future: Future[Receipt] = field(default_factory=Future)
    loop: asyncio.AbstractEventLoop | None = None
    waiter: asyncio.Future[Receipt] | None = None


class Writer:
    """Commits what is submitted, in groups, in a thread of its own."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        *,
        queue_limit: int = 50_000,
        observer: Observer | None = None,
        now: Callable[[], float] = time.time,
        gatherer: Gatherer | None = None,
    ) -> None:
        self.engine = engine
        self.gatherer = gatherer
        self.limits = limits
        self.queue_limit = queue_limit
        self.observer = observer
        self.cache = Cache()
        self.lock = threading.Lock()
        self._now = now
        self._waiting: deque[_Submission] = deque()
        self._depth = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._refused = 0
        self._complained_at = 0.0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    @property
    def depth(self) -> int:
        """Events that wait for a commit."""
        return self._depth

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end. What is submitted later is refused."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, events: Sequence[Incoming]) -> Future[Receipt]:
        """Queue events, to be committed together. Raises Overloaded. The future may raise Unavailable."""
        submission = _Submission(events)
        self._enqueue(submission)
        return submission.future

    async def write(self, events: Sequence[Incoming]) -> Receipt:
        """Commit events and tell what became of them. Raises Unavailable, in which case nothing has happened."""
        loop = asyncio.get_running_loop()
        submission = _Submission(events, loop=loop, waiter=loop.create_future())
        self._enqueue(submission)
        assert submission.waiter is not None
        return await submission.waiter

    def _enqueue(self, submission: _Submission) -> None:
        with self._wake:
            if self._stopping:
                raise Unavailable("the server is stopping")
            # A request of any size is taken while there is room at all, so that none is too large for ever.
            if self._depth >= self.queue_limit:
                raise Overloaded(f"{self._depth} events wait to be committed")
            self._waiting.append(submission)
            self._depth += len(submission.events)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping:
                    self._wake.wait()
                if not self._waiting:
                    return
                group = self._take()
            self._commit(group)
            with self._wake:
                self._depth -= sum(len(submission.events) for submission in group)

    def _take(self) -> list[_Submission]:
        group = [self._waiting.popleft()]
        size = len(group[0].events)
        while self._waiting and size + len(self._waiting[0].events) <= GROUP:
            group.append(self._waiting.popleft())
            size += len(group[-1].events)
        return group

    def _commit(self, group: list[_Submission]) -> None:
        try:
            applied = self._apply([event for submission in group for event in submission.events])
        except (DataError, IntegrityError, ProgrammingError) as error:
            self._one_by_one(group, error)
        except SQLAlchemyError as error:
            self._refuse(group, error)
        except Exception as error:
            self._one_by_one(group, error)
        else:
            _deliver(group, _receipts(group, applied))

    def _apply(self, events: Sequence[Incoming]) -> Applied:
        started = time.perf_counter()
        with self.lock:
            now = int(self._now() * 1_000_000)
            applied = apply(self.engine, self.cache, self.limits, events, now=now, gatherer=self.gatherer)
        if self.observer is not None:
            self.observer.committed(time.perf_counter() - started)
        return applied

    def _refuse(self, group: list[_Submission], error: SQLAlchemyError) -> None:
        reason = reason_of(error)
        self._complain(reason, len(group))
        if self.observer is not None:
            self.observer.failed("database")
        unavailable = Unavailable(f"the database did not take the events: {reason}")
        _deliver(group, [unavailable] * len(group))

    def _complain(self, reason: str, requests: int) -> None:
        """Log why events are not committed, not for each request of a storm of them."""
        self._refused += requests
        if self._now() - self._complained_at < COMPLAIN_EVERY:
            return
        extra = {"reason": reason, "requests": self._refused}
        log.warning("events could not be committed", extra=extra)
        self._complained_at = self._now()
        self._refused = 0

    def _one_by_one(self, group: list[_Submission], error: Exception) -> None:
        """A defect met one request's events: it must not cost the others theirs."""
        if self.observer is not None:
            self.observer.failed("defect")
        if len(group) > 1:
            for submission in group:
                self._commit([submission])
            return
        log.error("events could not be applied", exc_info=error)
        _deliver(group, [error])


def _receipts(group: list[_Submission], applied: Applied) -> list[Receipt]:
    receipts: list[Receipt] = []
    start = 0
    for submission in group:
        fresh = applied.fresh[start : start + len(submission.events)]
        start += len(submission.events)
        receipts.append(Receipt(sum(fresh), len(fresh) - sum(fresh)))
    return receipts


def _deliver(group: list[_Submission], results: Sequence[Receipt | Exception]) -> None:
    """Tell those who wait; once for each event loop, as waking one up costs more than all the rest."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Receipt], Receipt | Exception]]] = {}
    for submission, result in zip(group, results, strict=True):
        if submission.loop is not None and submission.waiter is not None:
            by_loop.setdefault(submission.loop, []).append((submission.waiter, result))
        elif isinstance(result, Receipt):
            submission.future.set_result(result)
        else:
            submission.future.set_exception(result)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, waiting)
        except RuntimeError:  # the loop has ended, and with it everybody who waited
            log.info("an answer came too late", extra={"requests": len(waiting)})


def _resolve(waiting: list[tuple[asyncio.Future[Receipt], Receipt | Exception]]) -> None:
    for waiter, result in waiting:
        if waiter.done():  # the client hung up
            continue
        if isinstance(result, Receipt):
            waiter.set_result(result)
        else:
            waiter.set_exception(result)
