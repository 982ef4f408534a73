"""Clients that send executions until each of their events is acknowledged, however often the server goes away."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests

STATUSES = ("succeeded", "succeeded", "succeeded", "failed")


def cloud_event(type_: str, id_: str, **data: object) -> dict[str, Any]:
    """A CloudEvent of now, as a client would write it."""
    time = datetime.now(UTC).isoformat()
    return {"specversion": "1.0", "id": id_, "source": "load", "type": type_, "time": time, "data": data}


def execution(pipeline: str, run: str, status: str = "succeeded") -> list[dict[str, Any]]:
    """Events of an execution of two stages."""
    names = {"pipeline": pipeline, "execution": run}
    events = [cloud_event("pipeline.execution.started", f"{run}/started", **names)]
    for stage in ("extract", "load"):
        events.append(cloud_event("pipeline.stage.started", f"{run}/{stage}/started", **names, stage=stage))
        ended = cloud_event(
            "pipeline.stage.finished", f"{run}/{stage}/finished", **names, stage=stage, status="succeeded",
            items={"in": 2, "out": 1},
        )  # fmt: skip
        events.append(ended)
    events.append(cloud_event("pipeline.execution.finished", f"{run}/finished", **names, status=status))
    return events


def post(
    url: str, events: Sequence[dict[str, Any]], session: requests.Session | None = None
) -> requests.Response:
    """Send a batch once."""
    headers = {"content-type": "application/cloudevents-batch+json"}
    return (session or requests).post(f"{url}/api/v1/events", json=list(events), headers=headers, timeout=20)


class Load:
    """Threads that send executions, each in batches cut at random, and repeat what was not acknowledged."""

    def __init__(self, urls: Sequence[str], *, clients: int = 4, name: str = "load") -> None:
        self.urls = list(urls)
        self.name = name
        self.sent: dict[str, str] = {}
        self.acknowledged = 0
        self.unexpected: list[str] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(clients)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def finish(self, *, seconds: float = 60) -> None:
        """Begin nothing new, and wait until all that was begun is acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive(), "not everything was acknowledged in time"

    def _run(self, client: int) -> None:
        dice = random.Random(client)
        session = requests.Session()
        while not self._stop.is_set():
            executions = [self._begin(dice) for _ in range(dice.randint(1, 20))]
            events = [event for one in executions for event in one]
            dice.shuffle(events)
            while events:
                size = dice.randint(1, 80)
                self._send(session, events[:size], dice)
                del events[:size]

    def _begin(self, dice: random.Random) -> list[dict[str, Any]]:
        run = f"{self.name}-{next(self._numbers)}"
        status = dice.choice(STATUSES)
        with self._lock:
            self.sent[run] = status
        return execution(f"p{dice.randint(0, 9)}", run, status)

    def _send(self, session: requests.Session, events: Sequence[dict[str, Any]], dice: random.Random) -> None:
        while True:
            try:
                answer = post(dice.choice(self.urls), events, session)
            except requests.RequestException:
                threading.Event().wait(0.02)
                continue
            if answer.status_code == 202:
                with self._lock:
                    self.acknowledged += len(events)
                return
            if answer.status_code != 503:
                with self._lock:
                    self.unexpected.append(f"{answer.status_code} {answer.text[:300]}")
                return
            threading.Event().wait(0.05)


@contextmanager
def loaded(*urls: str, clients: int = 4) -> Iterator[Load]:
    """Load for the time of a block; at its end everything is acknowledged."""
    load = Load(urls, clients=clients)
    load.start()
    yield load
    load.finish()
    assert load.unexpected == []
