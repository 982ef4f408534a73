"""The command `pipeline-exporter demo`: options, the loop that keeps to the wall clock, and a clean end."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import FrameType

import requests

from exporter.demo.clock import Pace, parse_length
from exporter.demo.dispatcher import Dispatcher
from exporter.demo.earlier import latest_start
from exporter.demo.history import Day, History, nothing_known
from exporter.demo.pipelines import all_pipelines
from exporter.demo.sender import MOST_EVENTS, Rejected, Sender, Stopped
from exporter.demo.simulation import Simulation

DESCRIPTION = "Send what lively, realistic pipelines would send, until Ctrl-C."

DEFAULT_URL = "http://127.0.0.1:9877"

_LONGEST_SLEEP = 0.2
_FLUSH_EVERY = 0.4
_STATUS_EVERY = 60.0
_HISTORY_AFTER = 15.0
"""Seconds of the story in which every pipeline starts for the first time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the demo's options to a parser."""
    parser.add_argument(
        "--url",
        help=f"where the exporter is (default: PIPELINE_EXPORTER_URL, else {DEFAULT_URL})",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="N",
        help="let everything take 1/N of its time; times of events stay those of the clock (default: 1)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another number tells another story (default: 1)"
    )
    parser.add_argument(
        "--backfill",
        type=_length,
        metavar="LENGTH",
        help="send so much history, too, like 7d or 12h: fewer executions, the same durations",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out the history that the server knows from an earlier demo",
    )
    parser.add_argument(
        "--history-only",
        action="store_true",
        help="tell the history and end; a Prometheus that begins to scrape after that takes none of it for a burst",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo until it is interrupted. 0 on a clean end, 1 if the server does not take events at all."""
    url = (arguments.url or os.environ.get("PIPELINE_EXPORTER_URL") or DEFAULT_URL).rstrip("/")
    try:
        token = _token(os.environ)
    except OSError as error:
        _say(f"PIPELINE_EXPORTER_TOKEN_FILE: {error.filename}: {error.strerror}")
        return 2
    with _stop_on_signals() as stop, _session(token) as session:
        try:
            demo = _demo(arguments, url, session, stop)
            if arguments.history_only:
                demo.tell_history()
            else:
                demo.run()
        except Rejected as error:
            _say(str(error))
            return 1
        except KeyboardInterrupt:
            _say("interrupted again, leaving at once")
            return 130
    return 0


def _demo(arguments: argparse.Namespace, url: str, session: requests.Session, stop: Stop) -> Demo:
    now, pipelines = datetime.now(UTC), all_pipelines()

    def known(day: Day) -> datetime | None:
        return latest_start(url, session, pipelines, since=day.start, until=day.end, wait=stop.wait, say=_say)

    return Demo(
        simulation=Simulation(Pace(now, speed=arguments.speed), arguments.seed),
        history=History(
            pipelines,
            now,
            arguments.backfill or timedelta(),
            seed=arguments.seed,
            speed=arguments.speed,
            known=known if arguments.resume else nothing_known,
        ),
        sender=Sender(url, session, wait=stop.wait, say=_say),
        stop=stop,
    )


class Stop:
    """Whether the demo shall end, and a wait that this cuts short.

    A plain flag rather than a threading.Event: a signal handler must not take a lock that the main thread may
    hold.
    """

    def __init__(self) -> None:
        self.asked = False

    def wanted(self) -> bool:
        """Whether somebody asked for the end."""
        return self.asked

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the demo shall end; True in that case."""
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LONGEST_SLEEP))
        return self.asked


@dataclass(slots=True)
class Demo:
    """The pipelines, at work in step with the wall clock, and beside them their history while it is being told."""

    simulation: Simulation
    history: History
    sender: Sender
    stop: Stop
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self) -> None:
        """Send what happens until asked to stop, and history in between. Raises Rejected."""
        pace, pipelines = self.simulation.pace, self.history.pipelines
        Dispatcher(self.simulation, pipelines).open()
        settings = f"speed {pace.speed:g}, seed {self.simulation.seed}"
        _say(f"{len(pipelines)} pipelines for {self.sender.url}, {settings}")
        # A history that ends before any start would look like starts missed since then.
        history_from = pace.start + timedelta(seconds=pace.real(_HISTORY_AFTER))
        next_status = self.now() + timedelta(seconds=_STATUS_EVERY)
        try:
            self._send_live()
            _say("live; Ctrl-C ends the demo and cancels what still runs")
            while not self.stop.wanted():
                self._send_live()
                if self.history.over or self.now() < history_from:
                    self.stop.wait(_FLUSH_EVERY)
                else:
                    self._send_history()
                if self.now() >= next_status:
                    next_status += timedelta(seconds=_STATUS_EVERY)
                    under_way = len(self.simulation.open)
                    _say(f"{self.sender.delivered} events delivered, {under_way} executions under way")
            self._end()
        except Stopped as stopped:
            _say(f"stopped while the server was away: {stopped}")

    def tell_history(self) -> None:
        """Send the history, and nothing of what happens now. Raises Rejected."""
        _say(f"history of {len(self.history.pipelines)} pipelines for {self.sender.url}")
        try:
            while not self.stop.wanted() and not self.history.over:
                self._send_history()
        except Stopped as stopped:
            _say(f"stopped while the server was away: {stopped}")

    def _send_live(self) -> None:
        # While the server is away send() does not return, and the story waits; afterwards it catches up.
        events = self.simulation.events_until(self.now())
        while not self.stop.wanted() and (batch := list(islice(events, MOST_EVENTS))):
            self.sender.send(batch)

    def _send_history(self) -> None:
        done = self.history.done
        self.sender.send(self.history.next(MOST_EVENTS))
        if self.history.over:
            known = self.history.told_until
            until = f"; the server knew it until {known:%Y-%m-%d %H:%M}" if known else ""
            _say(f"history: complete, {self.sender.delivered} events delivered{until}")
        elif self.history.done > done:
            _say(f"history: {self.history.done:.0%}, {self.sender.delivered} events delivered")

    def _end(self) -> None:
        """Cancel what runs: nobody goes on with it, and a next demo should not find it still running."""
        events = self.simulation.cancel()
        cancelled = sum(event.type == "pipeline.execution.finished" for event in events)
        self.sender.send(events)
        _say(f"ended: {self.sender.delivered} events delivered, {cancelled} running executions cancelled")


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1000:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and up to 1000, not {text!r}")
    return speed


def _length(text: str) -> timedelta:
    try:
        return parse_length(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _say(line: str) -> None:
    sys.stdout.write(f"demo: {line}\n")
    sys.stdout.flush()


def _session(token: str | None) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = "pipeline-exporter-demo"
    if token is not None:
        session.headers["Authorization"] = f"Bearer {token}"
    return session


def _token(environment: Mapping[str, str]) -> str | None:
    """The token that the server asks for, from the variable, or from the file that another one names."""
    if token := environment.get("PIPELINE_EXPORTER_TOKEN"):
        return token
    file = environment.get("PIPELINE_EXPORTER_TOKEN_FILE")
    return (Path(file).read_text(encoding="utf-8").strip() or None) if file else None


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[Stop]:
    """Stop on Ctrl-C and SIGTERM; a second one interrupts at once."""
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        stop.asked = True
        signal.signal(number, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; whoever runs the demo elsewhere stops it in their own way.
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
