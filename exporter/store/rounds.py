"""What has to be done again and again, in a thread that outlives what goes wrong in it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from exporter.logs import Throttle
from exporter.store.engine import reason_of

COMPLAIN_EVERY = 60.0
"""Seconds between two lines about the same task."""

log = logging.getLogger(__name__)


class Rounds:
    """Does tasks, by name and in their order, with `interval` seconds between two rounds.

    A database that does not answer ends the round, as the tasks after it would wait for it in vain as well. A defect
    costs neither the other tasks their turn nor its own the next one. `failed` is told of each: the task, and
    "database" or "defect".
    """

    def __init__(
        self,
        name: str,
        tasks: Mapping[str, Callable[[], None]],
        interval: float,
        failed: Callable[[str, str], None],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tasks = tasks
        self._interval = interval
        self._failed = failed
        self._complaints = Throttle(COMPLAIN_EVERY, now)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the step under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def is_stopping(self, within: float = 0.0) -> bool:
        """Whether tasks of many steps should end, now or within so many seconds, which this waits for."""
        return self._stop.wait(within) if within else self._stop.is_set()

    def once(self) -> None:
        """One round."""
        for task, act in self._tasks.items():
            try:
                act()
            except SQLAlchemyError as error:
                self._failed(task, "database")
                if self._complaints.may(task):
                    log.warning("upkeep failed", extra={"task": task, "reason": reason_of(error)})
                return
            except Exception as error:
                self._failed(task, "defect")
                if self._complaints.may(task):
                    log.error("upkeep met a defect", exc_info=error, extra={"task": task})

    def _run(self) -> None:
        while True:
            self.once()
            if self._stop.wait(self._interval):
                return
