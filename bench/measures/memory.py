"""Memory at many lines, beside a Pushgateway that holds the same."""

from __future__ import annotations

from collections.abc import Iterator

from bench.client import lines, number_of_samples, scrape
from bench.result import Limit, Row
from bench.servers import MeasuredPushgateway, peak_memory, push
from bench.setting import Setting

SCRAPES = 10
ROUNDS = 3


def measure(setting: Setting) -> Iterator[Row]:
    """Most memory since the start, in MiB, after some scrapes."""
    ours: list[float] = []
    theirs: list[float] = []
    number = 0
    for _ in range(ROUNDS):
        with setting.exporter(setting.lines) as exporter:
            text = lines(scrape(exporter.url))
            number = number_of_samples(text)
            for _ in range(SCRAPES):
                scrape(exporter.url)
            ours.append(peak_memory(exporter))
        pushgateway = MeasuredPushgateway(setting.new_folder())
        pushgateway.start()
        try:
            pushgateway.wait_until_ready()
            push(pushgateway, text)
            for _ in range(SCRAPES):
                scrape(pushgateway.url)
            theirs.append(peak_memory(pushgateway))
        finally:
            pushgateway.stop()
    what = f"memory at {number // 1000}k lines, after {SCRAPES} scrapes, at most"
    yield Row(what, "Pushgateway", "MiB", ours, theirs, Limit(2, 1))
