"""How soon the exporter is there again with much to look after."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from time import perf_counter

from bench.client import scrape
from bench.result import Limit, Row, grouped, in_turns
from bench.servers import MeasuredExporter
from bench.setting import Setting


def measure(setting: Setting) -> Iterator[Row]:
    """Seconds from the start of the process until it is ready and has answered a first scrape."""
    folder = setting.new_folder()
    file = folder / "exporter.db"
    shutil.copy(setting.many, file)

    def seconds() -> float:
        exporter = MeasuredExporter(folder, file)
        started = perf_counter()
        exporter.start()
        try:
            exporter.wait_until_ready(seconds=120)
            scrape(exporter.url)
            return perf_counter() - started
        finally:
            exporter.stop()

    [found] = in_turns(setting.scale.rounds, seconds)
    shutil.rmtree(folder)
    many, lines = setting.scale.many, setting.scale.lines
    what = f"start to first scrape, {grouped(many)} executions, {lines // 1000}k lines"
    yield Row(what, "", "s", found, limit=Limit(5, 2))
