"""The SQL of the dashboards' panels, among few executions and among many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import psycopg

from bench.filled_panels import fill_panels
from bench.panels_asked import panel_queries
from bench.result import Limit, Row, grouped, in_turns
from bench.setting import Setting
from tests.support.boards import Json, boards, chosen
from tests.support.postgresql import PostgreSQL

LIMIT = Limit(200, 100)
DAY = 86_400_000
"""Milliseconds that the dashboards show."""
CHOSEN = {"environment": "default", "pipeline": "pipeline 0007", "stage": "stage 5"}
"""What is chosen of variables that Prometheus answers, where only one value can be."""

Connection = psycopg.Connection[Any]


def measure(setting: Setting) -> Iterator[Row]:
    """Milliseconds of the slowest panel of each dashboard over a day, on a connection that is there already."""
    few, many = setting.scale.few, setting.scale.many
    with ExitStack() as stack:
        server = PostgreSQL()
        stack.callback(server.close)
        server.start()
        small, large = (_connected(stack, server, number) for number in (few, many))
        for board in boards().values():
            found = list(_measured(setting.scale.rounds, board, small, large))
            if found:
                title, at_small, at_large = max(found, key=lambda each: median(each[2]))
                what = f"{board['title']}, slowest of {len(found)} panels over SQL ({title})"
                yield Row(f"{what}, {grouped(few)} executions", "", "ms", at_small)
                yield Row(f"{what}, {grouped(many)} executions", "", "ms", at_large, limit=LIMIT)


def _measured(
    rounds: int, board: Json, small: Connection, large: Connection
) -> Iterator[tuple[str, list[float], list[float]]]:
    asked_small, asked_large = (_asked(board, connection) for connection in (small, large))
    for (title, at_small), (_, at_large) in zip(asked_small, asked_large, strict=True):
        figures = in_turns(
            rounds, partial(milliseconds, small, at_small), partial(milliseconds, large, at_large)
        )
        yield title, figures[0], figures[1]


def _asked(board: Json, connection: Connection) -> list[tuple[str, str]]:
    single = {
        variable["name"]: CHOSEN[variable["name"]]
        for variable in board["templating"]["list"]
        if variable["name"] in CHOSEN
        and not variable["multi"]
        and variable["datasource"]["type"] == "prometheus"
    }
    values = chosen(board, single, lambda query: connection.execute(query.encode()).fetchall())
    return list(panel_queries(board, DAY, values))


def _connected(stack: ExitStack, server: PostgreSQL, executions: int) -> Connection:
    url = server.create_database()
    fill_panels(url, executions)
    plain = url.replace("postgresql+psycopg", "postgresql")
    connection = stack.enter_context(psycopg.connect(plain, autocommit=True))
    connection.execute("SET search_path = pipelines; SET jit = off; SET work_mem = '16MB'")
    return connection


def milliseconds(connection: Connection, query: str) -> float:
    """How long a query takes until its last row is here."""
    started = perf_counter()
    connection.execute(query.encode()).fetchall()
    return (perf_counter() - started) * 1000
