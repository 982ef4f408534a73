"""Queries of panels over PostgreSQL, among few executions and among many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg

from bench.filled_panels import fill_panels
from bench.result import Limit, Row, grouped, in_turns
from bench.setting import Setting
from tests.support.postgresql import PostgreSQL

LIMIT = Limit(200, 100)

_FILE = Path(__file__).with_suffix(".sql")


def queries() -> dict[str, str]:
    """The queries by their names."""
    return dict(re.findall(r"^-- (.+)\n([^;]+);", _FILE.read_text(encoding="utf-8"), re.MULTILINE))


def measure(setting: Setting) -> Iterator[Row]:
    """Milliseconds of each query on a connection that is there already, as Grafana's are."""
    few, many = setting.scale.few, setting.scale.many
    with ExitStack() as stack:
        server = PostgreSQL()
        stack.callback(server.close)
        server.start()
        small, large = (_connected(stack, server, number) for number in (few, many))
        for what, query in queries().items():
            at_large, at_small = in_turns(
                setting.scale.rounds, partial(milliseconds, large, query), partial(milliseconds, small, query)
            )
            yield Row(f"panel, {grouped(few)} executions: {what}", "", "ms", at_small)
            yield Row(f"panel, {grouped(many)} executions: {what}", "", "ms", at_large, limit=LIMIT)


def _connected(stack: ExitStack, server: PostgreSQL, executions: int) -> psycopg.Connection[Any]:
    url = server.create_database()
    fill_panels(url, executions)
    plain = url.replace("postgresql+psycopg", "postgresql")
    connection = stack.enter_context(psycopg.connect(plain, autocommit=True))
    connection.execute("SET search_path = pipelines; SET jit = off; SET work_mem = '16MB'")
    return connection


def milliseconds(connection: psycopg.Connection[Any], query: str) -> float:
    """How long a query takes until its last row is here."""
    started = perf_counter()
    connection.execute(query.encode()).fetchall()
    return (perf_counter() - started) * 1000
