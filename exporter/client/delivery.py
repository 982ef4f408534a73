"""What all runs of a process share: one spool, one sender, and their end with the process."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

from exporter.client import verdicts
from exporter.client.complaints import complain
from exporter.client.record import Kind
from exporter.client.sender import Sender
from exporter.client.settings import BadClientSetting, ClientSettings, client_settings
from exporter.client.shelf import spool_folder
from exporter.client.spool import Spool
from exporter.client.transport import Transport

PATIENCE = 3.0
"""Seconds that the end of a process may take to deliver what is left."""


class Delivery:
    """Takes events from any thread at once, and sees to it that they get to the server."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self._spool = Spool(spool_folder(settings.spool, settings.url), settings.spool_bytes)
        self._sender: Sender | None = None
        self._starting = threading.Lock()

    def tell(self, kind: Kind, time: int, data: str, started: int = 0, number: int = 0) -> int:
        """Keep an event until it is delivered. `data`: JSON object in ASCII; times in ns. Returns its number."""
        number = self._spool.tell(kind, time, started, data, number)
        if self._sender is None:
            self._start()
        return number

    def _start(self) -> None:
        with self._starting:
            if self._sender is None and not sys.is_finalizing():
                try:
                    self._sender = Sender(self._spool, Transport(self.settings), self.settings.url)
                except RuntimeError as error:  # no more threads can be had, or the interpreter is ending
                    complain("thread", f"cannot start a thread ({error}): events wait for the next process")

    def flush(self, seconds: float = PATIENCE) -> bool:
        """Wait until the server has everything; False if it has not within the time."""
        return self._sender is None or self._sender.flush(seconds)

    def close(self, seconds: float = PATIENCE) -> None:
        """Deliver what can be, and leave the rest to the next process."""
        try:
            if self._sender is not None:
                self._sender.flush(seconds, patient=False)
        finally:
            sender, self._sender = self._sender, None
            if sender is not None:
                sender.stop()
            self._spool.close()

    def after_fork(self) -> None:
        """In the child: threads and open files are the parent's."""
        self._starting = threading.Lock()
        if self._sender is not None:
            self._sender.after_fork()
        self._sender = None
        self._spool.after_fork()


class Disabled(Delivery):
    """Takes events and forgets them."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings

    def tell(self, kind: Kind, time: int, data: str, started: int = 0, number: int = 0) -> int:  # noqa: ARG002
        """Nothing."""
        return number

    def flush(self, seconds: float = PATIENCE) -> bool:  # noqa: ARG002 - as its base
        """Nothing waits."""
        return True

    def close(self, seconds: float = PATIENCE) -> None:
        """Nothing to close."""

    def after_fork(self) -> None:
        """Nothing is open."""


def made(environ: Mapping[str, str]) -> Delivery:
    """A delivery as the variables want it; a variable that is wrong switches it off, with one warning."""
    try:
        settings = client_settings(environ)
    except BadClientSetting as error:
        complain("setting", f"{error}: nothing is sent", level=logging.ERROR)
        return Disabled(ClientSettings(disabled=True))
    return Disabled(settings) if settings.disabled else Delivery(settings)


class _Process:
    """The delivery of this process, made when it is first needed."""

    def __init__(self) -> None:
        self.delivery: Delivery | None = None
        self.lock = threading.Lock()


_PROCESS = _Process()


def process_delivery() -> Delivery:
    """The delivery that all runs of this process share."""
    if _PROCESS.delivery is None:
        with _PROCESS.lock:
            if _PROCESS.delivery is None:
                _PROCESS.delivery = made(os.environ)
                atexit.register(_at_exit)
                _at_end_of_worker()
    return _PROCESS.delivery


def flush(seconds: float = PATIENCE) -> bool:
    """Wait until the server has everything that this process told; False if it has not within the time."""
    return _PROCESS.delivery is None or _PROCESS.delivery.flush(seconds)


def _at_exit() -> None:
    verdicts.at_exit()
    if _PROCESS.delivery is not None:
        with suppress(KeyboardInterrupt):  # whoever has no patience for it: what is left goes later
            _PROCESS.delivery.close()


def _at_end_of_worker(_: object = None) -> None:
    """multiprocessing ends its children by os._exit, and runs its own finalizers before."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _at_exit, exitpriority=-100)


def _after_fork() -> None:
    _PROCESS.lock = threading.Lock()
    if _PROCESS.delivery is not None:
        _PROCESS.delivery.after_fork()
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            # A child of multiprocessing forgets all finalizers first, and asks for new ones then.
            util.register_after_fork(_PROCESS, _at_end_of_worker)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
