"""What an earlier demo told the same server, so that the next one goes on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import requests

from exporter.demo.event import timestamp
from exporter.demo.pipeline import Pipeline
from exporter.demo.sender import Rejected, Say, Stopped, Wait

_TIMEOUT = (5.0, 30.0)
_PAUSE = 2.0


def latest_start(
    url: str,
    session: requests.Session,
    pipelines: Sequence[Pipeline],
    *,
    since: datetime,
    until: datetime,
    wait: Wait,
    say: Say,
) -> datetime | None:
    """When the latest execution of these pipelines started, or was queued, if any was from the one time to the other.

    Waits for a server that is away. Raises Stopped, or Rejected if what answers is not an exporter.
    """
    names = sorted({pipeline.name for pipeline in pipelines})
    wanted: dict[str, str | Sequence[str]] = {
        "pipeline": names,
        "from": timestamp(since),
        "to": timestamp(until),
        "sort": "-started_at",
        "limit": "1",
    }
    while True:
        answer = _get(f"{url}/api/pipeline/executions", session, wanted)
        if answer is not None and answer.status_code < 500:
            return _started(answer)
        say(f"{url} is away; waiting to learn what it knows already")
        if wait(_PAUSE):
            raise Stopped(0)


def _get(
    url: str, session: requests.Session, wanted: Mapping[str, str | Sequence[str]]
) -> requests.Response | None:
    try:
        return session.get(url, params=wanted, timeout=_TIMEOUT)
    except (requests.Timeout, requests.ConnectionError):
        return None


def _started(answer: requests.Response) -> datetime | None:
    try:
        executions = answer.json()["executions"]
        # One that was cancelled in the queue never started, and is listed by when it was queued.
        times = [row["started_at"] or row["queued_at"] for row in executions]
        return datetime.fromisoformat(times[0]) if times else None
    except (requests.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Rejected(f"{answer.url.partition('?')[0]} does not list executions") from error
