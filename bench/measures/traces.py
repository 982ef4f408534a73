"""Searches for traces among many executions, beside the same among few, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter
from urllib.parse import quote

from bench.client import ask, connect
from bench.filled import database_url
from bench.lifecycles import name_of
from bench.result import Limit, Row, grouped, in_turns
from bench.setting import Setting
from bench.traced import fill_traces
from exporter.domain.times import to_micros
from tests.support.exporter import Exporter
from tests.support.postgresql import PostgreSQL

PATH = "/jaeger/api/traces?limit=20"
_FAILED = quote('{"error":"true"}')
_BATCH = quote('{"execution.status":"failed","kind":"batch","environment":"default"}')
QUERIES: dict[str, Sequence[str]] = {
    "pipeline, tags and time": (f"&service={name_of(7)}&tags={_BATCH}", "&service=.*&tag=customer:c7"),
    "stage and error": (
        f"&service={name_of(7)}&operation=stage_0&tags={_FAILED}",
        f"&service={{{name_of(3)},{name_of(4)}}}&operation=stage_1",
    ),
    "duration": (f"&service={name_of(7)}&minDuration=3600s", "&service=.*&minDuration=3655s"),
}
REPEATS = 5


def measure(setting: Setting) -> Iterator[Row]:
    """Milliseconds of the same searches one after the other over HTTP."""
    few, many = setting.scale.few, setting.scale.many
    with ExitStack() as stack:
        databases: dict[str, Callable[[], str]] = {
            "SQLite": lambda: database_url(setting.new_folder() / "exporter.db"),
            "PostgreSQL": stack.enter_context(_postgresql()).create_database,
        }
        for kind, new in databases.items():
            with _searched(setting, new(), many) as large, _searched(setting, new(), few) as small:
                for what, queries in QUERIES.items():
                    at_large, at_small = in_turns(
                        setting.scale.rounds * 3,
                        partial(_milliseconds, large, queries),
                        partial(_milliseconds, small, queries),
                    )
                    yield Row(
                        f"traces by {what} among {grouped(many)} executions, {kind}",
                        f"among {grouped(few)}",
                        "ms",
                        at_large,
                        at_small,
                        Limit(2, 1.2),
                    )


@contextmanager
def _postgresql() -> Iterator[PostgreSQL]:
    with closing(PostgreSQL()) as server:
        server.start()
        yield server


@contextmanager
def _searched(setting: Setting, database: str, number: int) -> Iterator[str]:
    """URL of an exporter over a database with so many executions."""
    fill_traces(database, number)
    with closing(Exporter(setting.new_folder(), "--retention", "365d", database=database)) as exporter:
        exporter.start()
        exporter.wait_until_ready()
        yield exporter.url


def _milliseconds(url: str, queries: Sequence[str]) -> float:
    until = datetime.now(UTC)
    times = f"&start={to_micros(until - timedelta(days=30))}&end={to_micros(until)}"
    with closing(connect(url)) as connection:
        started = perf_counter()
        for _ in range(REPEATS):
            for query in queries:
                ask(connection, "GET", PATH + times + query)
        return (perf_counter() - started) * 1000 / REPEATS / len(queries)
