"""The price file of a server that runs: an edit holds within seconds, a mistake in one leaves the prices that held."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from exporter.ingest.llm.prices import PriceList, read
from exporter.ingest.yaml_files import BadFile

log = logging.getLogger(__name__)

SOURCE = "llm-prices"
"""What the file is called among the sources of the configuration, in metrics and alerts."""

EVERY = 5.0
"""Seconds between looks at the file."""


class Observer(Protocol):
    """Who is told whether the file can be read."""

    def source_known(self, source: str) -> None: ...
    def source_up(self, source: str, at: float) -> None: ...
    def source_down(self, source: str, reason: str) -> None: ...


class PriceFile:
    """Prices from a file, called to get those that hold. Raises yaml_files.BadFile if it cannot be read at first."""

    def __init__(self, path: str, observer: Observer, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._observer = observer
        self._now = now
        self._stamp = self._stamped()
        self._prices = read(path)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=SOURCE, daemon=True)
        observer.source_known(SOURCE)
        observer.source_up(SOURCE, now())

    def __call__(self) -> PriceList:
        """The prices that hold."""
        return self._prices

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look every few seconds whether the file changed, for as long as this lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(timeout=EVERY)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Read the file anew if it is not the one that was read last."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._prices = read(self._path)
        except BadFile as error:
            self._observer.source_down(SOURCE, "row")
            log.warning(
                "prices cannot be read, those before hold on",
                extra={"source": SOURCE, "reason": str(error)[:500]},
            )
            return
        self._observer.source_up(SOURCE, self._now())
        log.info("prices were read anew", extra={"source": SOURCE, "models": len(self._prices.models)})

    def _stamped(self) -> tuple[int, ...] | None:
        """What changes with the file: some editors write in place, others and Kubernetes put another one there."""
        try:
            found = Path(self._path).stat()
        except OSError:
            return None
        return (found.st_ino, found.st_size, found.st_mtime_ns)
