"""Reads all sources in the background: a thread each, so that one that breaks or is slow stops no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from exporter.domain.events import Event
from exporter.domain.secrets import without_secrets
from exporter.logs import Throttle
from exporter.sources.batch import Away, Batch
from exporter.sources.cursor import Memory
from exporter.sources.source import Source
from exporter.sources.translate import is_undated
from exporter.store.cursors import Cursors
from exporter.store.engine import reason_of
from exporter.store.store import Store
from exporter.store.writer import Unavailable, Writer

MOST_WAIT = 300.0
"""Longest wait between two attempts at a source that is away."""

COMPLAIN_EVERY = 300.0
"""Seconds between two log lines about the same trouble."""

STOP_SECONDS = 10.0
"""How long all sources together may take to end; what they read then is read again next time."""

GROUP = 2000
"""Events handed to the writer together."""

log = logging.getLogger(__name__)


class Observer(Protocol):
    """What wants to know how sources do."""

    def source_known(self, source: str) -> None: ...
    def source_read(self, source: str, rows: int, problems: int, done: float | None) -> None: ...
    def source_up(self, source: str, at: float) -> None: ...
    def source_down(self, source: str, reason: str) -> None: ...


Taken = Callable[[Sequence[Event]], list[Event]]
"""What is done to events on their way in."""


class Sources:
    """The sources of a server. `start` begins to read, `stop` ends after the batch under way."""

    def __init__(
        self,
        sources: Sequence[Source],
        store: Store,
        observer: Observer,
        now: Callable[[], float] = time.time,
        taken: Taken = list,
    ) -> None:
        self._stop = threading.Event()
        memory = Cursors(store.engine)
        for one in sources:
            observer.source_known(one.name)
        self.loops = [
            Loop(one, store.writer, memory, observer, stop=self._stop, now=now, taken=taken)
            for one in sources
        ]
        self._threads = [
            threading.Thread(target=loop.run, name=f"source-{loop.source.name}", daemon=True)
            for loop in self.loops
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what was read and is not durable is read again next time."""
        self._stop.set()
        until = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=max(0.0, until - time.monotonic()))


class Loop:
    """Reads one source, round after round."""

    def __init__(
        self,
        source: Source,
        writer: Writer,
        memory: Memory,
        observer: Observer,
        *,
        stop: threading.Event,
        now: Callable[[], float],
        taken: Taken,
    ) -> None:
        self.source = source
        self._writer = writer
        self._memory = memory
        self._observer = observer
        self._stop = stop
        self._now = now
        self._taken = taken
        self._failures = 0
        self._complaints = Throttle(COMPLAIN_EVERY, now)

    def run(self) -> None:
        """Until told to stop."""
        try:
            while not self._stop.is_set():
                wait = self.round()
                if self._stop.wait(wait):
                    break
        finally:
            self.source.reader.close()

    def round(self) -> float:
        """Read once what is new; returns the seconds to wait."""
        name = self.source.name
        try:
            far = self._read()
        except Unavailable as error:
            # The exporter's own trouble: it says nothing about the source, and the writer tells of it.
            if self._complaints.may("commit"):
                log.warning("what a source told could not be committed", extra=self._about(str(error)))
            return 5.0
        except Away as error:
            self._failures += 1
            self._observer.source_down(name, "away")
            if self._complaints.may("away"):
                log.warning("a source cannot be read", extra=self._about(str(error)))
            return self._patience(error.retry_after)
        except SQLAlchemyError as error:
            if self._complaints.may("position"):
                log.warning("the position of a source could not be kept", extra=self._about(reason_of(error)))
            return 5.0
        except Exception as error:
            # A defect met by one source's rows must not end the reading of it for ever, nor that of others.
            self._failures += 1
            self._observer.source_down(name, "defect")
            log.error("a source met a defect", exc_info=error, extra={"source": name})
            return self._patience(None)
        if self._failures:
            log.info("a source is read again", extra={"source": name, "failures": self._failures})
            self._complaints.forget()
        self._failures = 0
        self._observer.source_up(name, self._now())
        if far < 1:
            self._observer.source_read(name, 0, 0, far)
        return self.source.every

    def _read(self) -> float:
        """Read a round; how far through the source it came."""
        read_at = datetime.fromtimestamp(self._now(), UTC)
        told_at, rows = self._now(), 0
        far: dict[str, float] = {}
        with closing(self.source.reader.batches(self._memory, read_at)) as batches:  # type: ignore[type-var]
            for batch in batches:
                self._take(batch)
                rows += batch.rows
                if batch.done is not None:
                    far[batch.read] = batch.done
                if batch.done is not None and self._now() - told_at > 10:
                    told_at = self._now()
                    extra = {"source": self.source.name, "read": batch.read, "rows": rows}
                    log.info("reading", extra={**extra, "done": f"{batch.done:.0%}"})
                if self._stop.is_set():
                    break
        return min(far.values(), default=1.0)

    def _take(self, batch: Batch) -> None:
        fresh = self.source.fresh(batch.events)
        for start in range(0, len(fresh), GROUP):
            part: list[Event] = fresh[start : start + GROUP]
            self._writer.submit(self._taken(part)).result()
            self.source.sent(part)
        self._observer.source_read(self.source.name, batch.rows, len(batch.problems), batch.done)
        self._doubt(batch, sum(is_undated(event) for event in fresh))
        if batch.problems:
            more = f" (and {len(batch.problems) - 1} more)" if len(batch.problems) > 1 else ""
            if self._complaints.may("row"):
                log.warning("a row could not be understood", extra=self._about(batch.problems[0] + more))

    def _doubt(self, batch: Batch, undated: int) -> None:
        """Say what may mean something else than it seems to."""
        if undated and self._complaints.may("undated"):
            reason = f"{batch.read}: {undated} are dated when they were first read, with a warning"
            log.warning("a source tells ends without a time", extra=self._about(reason))
        if batch.unmapped and self._complaints.may("word"):
            words = ", ".join(sorted(batch.unmapped))
            reason = f"{batch.read}: {words}: say by statuses in the mapping what they mean"
            log.warning("words that stand for no status", extra=self._about(reason))

    def _patience(self, asked: float | None) -> float:
        """Longer after each failure; at least what the source asked for."""
        waited = min(MOST_WAIT, self.source.every * 2.0 ** min(self._failures - 1, 10))
        return max(waited, asked or 0.0)

    def _about(self, reason: str) -> dict[str, str]:
        return {"source": self.source.name, "reason": without_secrets(reason)[:500]}
