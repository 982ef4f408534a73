"""Delivers events over the public interface, each of them once, however often the server has to be asked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from email.utils import parsedate_to_datetime

import requests

from exporter.demo.event import Event

MOST_EVENTS = 2000
"""Events in one batch."""

_TIMEOUT = (5.0, 30.0)
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_CONTENT_TYPE = "application/cloudevents-batch+json"

Wait = Callable[[float], bool]
"""Waits so many seconds; True if the demo shall stop."""

Say = Callable[[str], None]
"""Tells the person at the terminal one line."""


class SenderError(Exception):
    """Base of what keeps events from being delivered.

    SenderError
    ├── Stopped    the demo shall end, and the server was away
    └── Rejected   the server will not take them, now or later
    """


class Stopped(SenderError):
    """The demo shall end while the server is away. `undelivered`: how many events it did not get."""

    def __init__(self, undelivered: int) -> None:
        super().__init__(f"{undelivered} events were not delivered")
        self.undelivered = undelivered


class Rejected(SenderError):
    """The server answered with a status that no repetition changes."""


class Sender:
    """Sends batches in order, and keeps a batch until the server has taken it.

    A batch is repeated with the same event ids after a 503 (when `Retry-After` says, if it does), any other
    5xx or 429, and after any failure of the connection, so that a batch whose answer got lost is not counted
    twice.
    """

    def __init__(self, url: str, session: requests.Session, *, wait: Wait, say: Say) -> None:
        self.url = url
        self.delivered = 0
        self.refused = 0
        self._session = session
        self._wait = wait
        self._say = say
        self._away = False

    def send(self, events: Iterable[Event]) -> None:
        """Deliver the events. Raises Stopped or Rejected."""
        waiting = list(events)
        while waiting:
            batch = waiting[:MOST_EVENTS]
            try:
                self._deliver(batch)
            except Stopped:
                raise Stopped(len(waiting)) from None
            del waiting[: len(batch)]

    def _deliver(self, batch: Sequence[Event]) -> None:
        body = gzip.compress(_encode(batch), compresslevel=5)
        pause = _FIRST_PAUSE
        while True:
            response = self._post(body)
            if isinstance(response, requests.Response) and not _worth_repeating(response.status_code):
                self._back()
                self._settle(batch, response)
                return
            told = None if isinstance(response, str) else _retry_after(response)
            self._gone(response if isinstance(response, str) else f"it answers {_summary(response)}")
            if self._wait(pause if told is None else told):
                raise Stopped(len(batch))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _post(self, body: bytes) -> requests.Response | str:
        """The answer, or why there was none."""
        headers = {"Content-Type": _CONTENT_TYPE, "Content-Encoding": "gzip"}
        try:
            return self._session.post(f"{self.url}/api/v1/events", body, headers=headers, timeout=_TIMEOUT)
        except requests.Timeout:
            return "no answer in time"
        except requests.ConnectionError:
            return "cannot connect"

    def _settle(self, batch: Sequence[Event], response: requests.Response) -> None:
        if response.ok:
            self.delivered += len(batch)
        elif response.status_code in {413, 422} and len(batch) > 1:
            # A batch is taken whole or not at all: halve it, so that one bad event costs no good one.
            middle = len(batch) // 2
            self._deliver(batch[:middle])
            self._deliver(batch[middle:])
        elif response.status_code in {413, 422}:
            self.refused += 1
            self._say(f"{self.url} refused a {batch[0].type} ({batch[0].id}): {_summary(response)}")
        else:
            raise Rejected(f"{self.url}/api/v1/events does not take events: {_summary(response)}")

    def _gone(self, why: str) -> None:
        if not self._away:
            self._say(f"{self.url} is away ({why}); keeping events and trying again")
        self._away = True

    def _back(self) -> None:
        if self._away:
            self._say(f"{self.url} is back; nothing was lost")
        self._away = False


def _encode(batch: Sequence[Event]) -> bytes:
    return json.dumps([event.as_cloudevent() for event in batch], separators=(",", ":")).encode()


def _worth_repeating(status: int) -> bool:
    return status >= 500 or status in {408, 429}


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asked to wait, bounded; None if it did not say or nobody can read it."""
    text = response.headers.get("Retry-After", "")
    try:
        seconds = float(text) if text[:1].isdigit() else _seconds_until(text, response)
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.1), 60.0)


def _seconds_until(date: str, response: requests.Response) -> float:
    """From the server's own clock to the date, as clocks differ."""
    now = parsedate_to_datetime(response.headers["Date"]) if "Date" in response.headers else None
    if now is None:
        raise ValueError("no date to compare with")
    return (parsedate_to_datetime(date) - now).total_seconds()


def _summary(response: requests.Response) -> str:
    """Status, and the detail and first field of an RFC 9457 problem if the server sent one."""
    try:
        problem = response.json()
    except requests.JSONDecodeError:
        problem = None
    if not isinstance(problem, dict):
        return f"{response.status_code} {response.reason}"
    fields = problem.get("errors") or []
    first = f" ({fields[0].get('pointer')}: {fields[0].get('message')})" if fields else ""
    return f"{response.status_code} {problem.get('detail') or problem.get('title') or response.reason}{first}"
