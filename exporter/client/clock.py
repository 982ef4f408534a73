"""Time of events: the wall clock when a run starts, and from there on a clock that never steps back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

_monotonic: Callable[[], int] = time.monotonic_ns
if hasattr(time, "CLOCK_BOOTTIME"):
    # It goes on while the machine sleeps, unlike the other.
    _monotonic = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)


class Clock:
    """Nanoseconds since 1970 that only grow, whatever NTP does to the wall clock meanwhile."""

    __slots__ = ("_monotonic", "_offset", "_wall")

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = _monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return self._monotonic() + self._offset


def rfc3339(nanoseconds: int) -> str:
    """UTC with microseconds and `Z`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}Z"
