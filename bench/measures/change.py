"""A scrape after a few pipelines changed, beside one after nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

from bench.client import ask, connect, scrape
from bench.filled import pipelines_for
from bench.lifecycles import BATCH, body, execution, name_of
from bench.result import Limit, Row, in_turns
from bench.setting import Setting


def measure(setting: Setting) -> Iterator[Row]:
    """Milliseconds of a scrape after one in a hundred pipelines ran, and of the next scrape."""
    pipelines = pipelines_for(setting.scale.lines)
    runs = count()
    with setting.exporter(setting.lines) as exporter:
        poster = connect(exporter.url)

        def changed() -> float:
            run = next(runs)
            for number in range(run % 100, pipelines, 100):
                events = list(execution(name_of(number), f"change-{run}", datetime.now(UTC)))
                ask(poster, "POST", "/api/v1/events", body(events), BATCH)
            return scrape(exporter.url).seconds * 1000

        after_change, unchanged = in_turns(
            setting.scale.rounds * 3, changed, lambda: scrape(exporter.url).seconds * 1000
        )
        poster.close()
    yield Row(
        "scrape after 1 % of the pipelines ran",
        "nothing changed",
        "ms",
        after_change,
        unchanged,
        Limit(3, 1.5),
    )
