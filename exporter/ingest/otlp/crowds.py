"""Spans of one name side by side are attempts of one stage. Thousands of them are no attempts: a loop, or queries.

All attempts of a stage are looked at when one of them changes. So those beyond some are instances of the stage, each
for itself: nothing is lost, and the thousandth costs no more than the first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from msgspec.structs import replace

from exporter.domain.events import StageFinished
from exporter.domain.spans import Moment, Reading, Span

ATTEMPTS = 128
"""Spans of one name below one parent that are attempts of one stage."""

REMEMBERED = 200_000
"""Spans that are remembered for it, in this process."""


class Crowds:
    """Remembers which spans of a name came first below a parent."""

    def __init__(self, *, attempts: int = ATTEMPTS, remembered: int = REMEMBERED) -> None:
        self._attempts = attempts
        self._left = remembered
        self._first: OrderedDict[tuple[bytes, str], set[str]] = OrderedDict()
        self._lock = threading.Lock()

    def apart(self, span: Span, reading: Reading) -> Reading:
        """The reading, of an instance for itself if enough others of that name came before it."""
        stage = _attempt(span, reading)
        if stage is None or self._among_first(span):
            return reading
        place = replace(reading.place, index=span.id)
        moments = [Moment(one.time, replace(stage, index=span.id)) for one in reading.moments]
        return replace(reading, place=place, moments=moments)

    def _among_first(self, span: Span) -> bool:
        key = (span.parent_key, span.name)
        with self._lock:
            first = self._first.setdefault(key, set())
            self._first.move_to_end(key)
            if span.id in first:
                return True
            if len(first) >= self._attempts:
                return False
            first.add(span.id)
            self._left -= 1
            while self._left < 0:
                _, oldest = self._first.popitem(last=False)
                self._left += len(oldest)
            return True


def _attempt(span: Span, reading: Reading) -> StageFinished | None:
    """The stage that a span is an attempt of by its own id, as nobody numbered it."""
    if not span.parent or len(reading.moments) != 1:
        return None
    told = reading.moments[0].payload
    if isinstance(told, StageFinished) and told.index is None and told.attempt_id == span.id:
        return told
    return None
