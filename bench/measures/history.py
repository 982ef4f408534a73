"""Lists of executions among many, beside the same among few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter

from bench.client import ask, connect
from bench.filled import NEEDLE
from bench.lifecycles import name_of
from bench.result import Limit, Row, grouped, in_turns
from bench.setting import Setting

PATH = "/api/pipeline/executions?limit=50"
QUERIES: dict[str, Sequence[str]] = {
    "list": ("", "&sort=started_at", "&sort=-duration_seconds"),
    "filter": (
        "&status=failed",
        f"&pipeline={name_of(7)}",
        f"&pipeline={name_of(7)}&status=succeeded&sort=-ended_at",
    ),
    "text search": (f"&q={NEEDLE}", "&q=team", "&q=ValueError+customer"),
}
REPEATS = 5


def measure(setting: Setting) -> Iterator[Row]:
    """Milliseconds of the same queries one after the other over HTTP."""
    few, many = setting.scale.few, setting.scale.many
    with setting.exporter(setting.few) as small, setting.exporter(setting.many) as large:
        for what, queries in QUERIES.items():
            at_large, at_small = in_turns(
                setting.scale.rounds * 3,
                partial(_milliseconds, large.url, queries),
                partial(_milliseconds, small.url, queries),
            )
            yield Row(
                f"{what} among {grouped(many)} executions",
                f"among {grouped(few)}",
                "ms",
                at_large,
                at_small,
                Limit(2, 1.2),
            )


def _milliseconds(url: str, queries: Sequence[str]) -> float:
    connection = connect(url)
    try:
        started = perf_counter()
        for _ in range(REPEATS):
            for query in queries:
                ask(connection, "GET", PATH + query)
        return (perf_counter() - started) * 1000 / REPEATS / len(queries)
    finally:
        connection.close()
