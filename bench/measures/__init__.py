"""The measures, in the order of the table. Each is a function from a setting to rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bench.measures import (
    batches,
    change,
    dashboards,
    history,
    memory,
    panels,
    scrape,
    singles,
    start,
    telling,
    traces,
)
from bench.result import Row
from bench.setting import Setting

Measure = Callable[[Setting], Iterator[Row]]

MEASURES: Mapping[str, Measure] = {
    "scrape": scrape.measure,
    "change": change.measure,
    "batches": batches.measure,
    "singles": singles.measure,
    "history": history.measure,
    "traces": traces.measure,
    "panels": panels.measure,
    "dashboards": dashboards.measure,
    "telling": telling.measure,
    "start": start.measure,
    "memory": memory.measure,
}
