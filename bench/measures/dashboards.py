"""Everything that each dashboard asks of Prometheus, over a day of many pipelines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import requests

from bench.fleet import SECOND, SPAN
from bench.lifecycles import name_of
from bench.panels_asked import Range, Request, panel_requests, variable_requests
from bench.result import Limit, Row
from bench.setting import Setting
from bench.watched import BLOCK, SCRAPE, Day
from tests.support.boards import Json, boards
from tests.support.prometheus import Prometheus

CONNECTIONS = 6
"""Requests at once, as a browser sends them to a server."""
LIMIT = Limit(2, 1)

_ONE_PIPELINE = {"pipelines-pipeline", "pipelines-stage", "pipelines-execution"}
_RUN = "0" * 32


def measure(setting: Setting) -> Iterator[Row]:
    """Seconds until the last answer: of a Prometheus that has just started, and once more."""
    pipelines = setting.scale.lines // 480
    end = time.time_ns() // 10**6 // BLOCK * BLOCK
    folder = setting.new_folder()
    Day(pipelines, end).write(folder / "prometheus")
    prometheus = _prometheus(folder)
    range_ = Range(end - SPAN, end, SCRAPE)
    for board in boards().values():
        first, again = [], []
        for _ in range(setting.scale.rounds):
            prometheus.start()
            try:
                prometheus.wait_until_ready()
                first.append(seconds(prometheus, board, range_))
                again.append(seconds(prometheus, board, range_))
            finally:
                prometheus.stop()
        what = f"dashboard {board['title'].removeprefix('Pipelines / ')}, {pipelines} pipelines, 24 h"
        yield Row(f"{what}, just started", "", "s", first, limit=LIMIT)
        yield Row(what, "", "s", again, limit=LIMIT)


def _prometheus(folder: Path) -> Prometheus:
    os.environ["GOMAXPROCS"] = "2"
    # Blocks stay as they were written: no compaction beside the queries, and none is too old.
    flags = ("--storage.tsdb.max-block-duration=6h", "--storage.tsdb.retention.time=100y")
    return Prometheus(folder, {"scrape_configs": []}, *flags)


def seconds(prometheus: Prometheus, board: Json, range_: Range) -> float:
    """From opening a dashboard to the last of its answers: variables first, then panels side by side."""
    values = {"asked_at": str(range_.end // SECOND)}
    if board["uid"] in _ONE_PIPELINE:
        values |= {"environment": "production", "pipeline": name_of(0), "stage": "stage_0"}
        values |= {"quoted_environment": '"production"', "quoted_pipeline": f'"{name_of(0)}"'}
        values |= {"execution_id": _RUN, "running_id": _RUN}
    with requests.Session() as session, ThreadPoolExecutor(CONNECTIONS) as connections:

        def ask(questions: Iterable[Request]) -> None:
            for question in questions:
                _ask(session, prometheus, question)

        started = perf_counter()
        ask(variable_requests(board, range_, values))
        for _ in connections.map(ask, panel_requests(board, range_, values)):
            pass
        return perf_counter() - started


def _ask(session: requests.Session, prometheus: Prometheus, question: Request) -> None:
    url = f"{prometheus.url}/api/v1/{question.path}"
    if question.path.startswith("label"):
        answer = session.get(url, params=question.parameters, timeout=300)
    else:
        answer = session.post(url, data=question.parameters, timeout=300)
    if not answer.ok:
        raise ValueError(f"{question.place}: {answer.text[:300]}")
