"""The thread that delivers: batches, retries, and what to do with what the server refuses."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from json import loads
from typing import NamedTuple

from exporter.client.complaints import complain
from exporter.client.settings import shown_url
from exporter.client.spool import Spool
from exporter.client.transport import Answer, Away, Transport

MOST_EVENTS = 500
MOST_BYTES = 2_000_000
MOST_COMPLAINTS = 10
"""Refusals that are logged one by one."""
INTERVAL = 0.25
"""Seconds between looks at the spool: how late the server may hear of something."""
ADOPT_EVERY = 10.0
"""Seconds between looks for what dead processes left."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
LONG_PAUSE = 30.0
"""Seconds to wait where somebody has to change a setting first."""


class Waiting(NamedTuple):
    """An event on its way: what it is as JSON, and what to call it in a complaint."""

    json: str
    type: str

    @property
    def of(self) -> str:
        """Which pipeline it is of, as a complaint says it."""
        pipeline = loads(self.json).get("data", {}).get("pipeline")
        return "" if pipeline is None else f" of pipeline {pipeline!r}"


class Sender:
    """Delivers what is in the spool, in order, until told to stop. The spool outlives it."""

    def __init__(self, spool: Spool, transport: Transport, url: str) -> None:
        self.away = False
        self._spool = spool
        self._transport = transport
        self._url = shown_url(url)
        self._wake = threading.Event()
        self._turned = threading.Condition()
        self._turns = 0
        self._stopping = False
        self._refusals = 0
        self._complain_at = 0.0
        self._said_away = False
        """Of this time that it is away; and of several in a minute only of the first."""
        self._say_away_at = 0.0
        self._pause = 0.0
        self._adopted = -ADOPT_EVERY
        spool.full = self.wake
        self._thread = threading.Thread(target=self._run, name="exporter.client sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look at the spool now."""
        self._wake.set()

    def flush(self, seconds: float, *, patient: bool = True) -> bool:
        """Wait until all is delivered; True if it is. Who is not patient waits for no server that is away."""
        deadline = time.monotonic() + seconds
        self._spool.adopt(look=True)  # children that ended just now tell no more by themselves
        with self._turned:
            turns = self._turns
            self._pause = 0.0
        self._wake.set()
        while not self._spool.is_empty:
            with self._turned:
                # Two whole turns: the first may have begun before this was asked for.
                tried = self._turns - turns >= 2 and self.away and not patient
                left = deadline - time.monotonic()
                if left <= 0 or tried or not self._thread.is_alive():
                    return False
                self._turned.wait(min(left, 0.5 if self.away and patient else 0.05))
            self._wake.set()
        return True

    def stop(self) -> None:
        """End with the turn under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join(0.2)

    def after_fork(self) -> None:
        """In the child: let go of the parent's connection."""
        self._transport.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception as error:  # the pipeline must not lose its sender to a defect of ours
                self._failed(error)
            with self._turned:
                self._turns += 1
                self._turned.notify_all()
            self._wake.wait(max(self._pause, INTERVAL))
            self._wake.clear()
        self._transport.close()

    def _failed(self, error: Exception) -> None:
        if self._stopping:
            return  # the spool was closed under it
        if isinstance(error, OSError):
            complain("reading", f"cannot read what waits ({error}); it is sent later")
        else:
            complain("defect", f"a defect of the client: {type(error).__name__}: {error}")
        self._pause = LONG_PAUSE

    def _turn(self) -> None:
        now = time.monotonic()
        if now - self._adopted >= ADOPT_EVERY:
            self._adopted = now
            self._spool.adopt(look=True)
        self._spool.shrink()
        while not self._stopping:
            segment = self._spool.waiting()
            if segment is None:
                if self._spool.has_left and self._spool.adopt():
                    continue
                return
            batch: list[Waiting] = []
            size, end = 0, segment.acked
            for position, record in segment.records(segment.acked):
                if record is not None:
                    event = record.cloudevent(segment.source)
                    if batch and (len(batch) >= MOST_EVENTS or size + len(event) > MOST_BYTES):
                        break
                    batch.append(Waiting(event, record.kind.type))
                    size += len(event)
                end = position
            if batch and not self._delivered(batch):
                return
            segment.acked = max(end, segment.acked) if batch else segment.position

    def _delivered(self, batch: Sequence[Waiting]) -> bool:
        """Whether the batch needs no more: taken, or refused for good."""
        try:
            answer = self._transport.post(f"[{','.join(each.json for each in batch)}]".encode("ascii"))
        except Away as error:
            self._gone(f"{self._url} does not answer ({error}); events are kept and sent later")
            return False
        if answer.status < 300:
            self._back()
            return True
        if answer.status == 413 or (answer.status in (400, 422) and answer.problem):
            self._back()
            return self._without_refused(batch, answer)
        if answer.status >= 500 or answer.status in (408, 429):
            self._gone(f"{self._url} answers {answer}; events are kept and sent later")
            if answer.retry_after is not None:
                self._pause = answer.retry_after
        else:
            self._gone(f"{self._url} does not take events: {answer}; they are kept")
            self._pause = LONG_PAUSE
        return False

    def _without_refused(self, batch: Sequence[Waiting], answer: Answer) -> bool:
        """Drop the events that the answer points at, and send the others; without pointers, in halves.

        A 400 that is no problem document (RFC 9457) is none of the exporter's, which then has not judged them.
        """
        wrong: dict[int, str] = {}
        for pointer, message in answer.refused:
            position = pointer.split("/")[1] if pointer.startswith("/") else ""
            if position.isdecimal() and int(position) < len(batch):
                wrong.setdefault(int(position), f"{pointer}: {message}")
        if not wrong and len(batch) > 1:
            middle = len(batch) // 2
            return self._delivered(batch[:middle]) and self._delivered(batch[middle:])
        for number in wrong or (0,):
            reason = wrong.get(number) or str(answer)
            self._complain_of(f"the server refused a {batch[number].type}{batch[number].of}: {reason}")
        rest = [each for position, each in enumerate(batch) if wrong and position not in wrong]
        return not rest or self._delivered(rest)

    def _complain_of(self, refusal: str) -> None:
        """The first refusals one by one, and then one a minute: a defect in a loop must not fill the program's log."""
        self._refusals += 1
        now = time.monotonic()
        if self._refusals > MOST_COMPLAINTS and now < self._complain_at:
            return
        self._complain_at = now + 60.0
        more = "" if self._refusals <= MOST_COMPLAINTS else f" ({self._refusals} refused so far)"
        complain("refused", refusal + more, again=True)

    def _gone(self, why: str) -> None:
        self.away = True
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        now = time.monotonic()
        if not self._said_away and now >= self._say_away_at:
            self._said_away = True
            self._say_away_at = now + 60.0
            complain("away", why, again=True)

    def _back(self) -> None:
        self.away = self._said_away = False
        self._pause = 0.0
