"""PromQL that alerts have in common."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.catalogue import metrics as m
from exporter.catalogue.metric import Metric
from exporter.catalogue.own import BUILD_INFO
from exporter.catalogue.promql import Wanted, gauge, select
from exporter.catalogue.recorded import PIPELINE, effective, on
from exporter.catalogue.thresholds import ENABLED, Threshold

ABANDONED_DAYS = 30
"""A pipeline that told nothing for so long is taken for given up."""

SIGMA = 1.4826
"""A median absolute deviation times this compares with a standard deviation (Rousseeuw, Croux 1993)."""


def exceeds(value: str, threshold: Threshold, comparison: str = ">") -> str:
    """Where a value is beyond its pipeline's threshold; the pipeline's owner comes along as a label."""
    return f"{value}\n{comparison} {on()} group_left (owner) {effective(threshold.name)}"


def owned(condition: str) -> str:
    """What a condition yields, with the pipeline's owner; nothing where alerts are switched off."""
    return f"({condition})\n* {on()} group_left (owner) {effective(ENABLED.name)}"


def both(condition: str, *further: str, labels: Iterable[str] = PIPELINE) -> str:
    """What the first condition yields, where the others hold too."""
    return "".join([condition, *(f"\nand {on(labels)} ({each})" for each in further)])


def but(condition: str, *exceptions: str, labels: Iterable[str] = PIPELINE) -> str:
    """What the condition yields, except where one of the others holds."""
    return "".join([condition, *(f"\nunless {on(labels)} ({each})" for each in exceptions)])


def since(metric: Metric, *, by: tuple[str, ...] = PIPELINE) -> str:
    """Seconds since an instant."""
    return f"time() - {gauge(metric, by=by)}"


ALIVE = f"{since(m.LAST_EVENT)} < {ABANDONED_DAYS * 86400}"
"""The pipeline has not been given up."""


def over(
    function: str, metric: Metric, window: str, *, by: tuple[str, ...], offset: str = "", **labels: Wanted
) -> str:
    """A function of what a gauge was within a window, such as `min_over_time`."""
    past = f" offset {offset}" if offset else ""
    inner = f"{function}({select(metric, where=labels)}[{window}]{past})"
    return f"max by ({', '.join(by)}) ({inner})"


def started_counting(metric: Metric, window: str, *, by: tuple[str, ...], **labels: Wanted) -> str:
    """Where a counter of the exporter's own grew within the window, or began: its labels are not there before.

    Each process counts for itself, so processes are added up. A series that only this Prometheus had not seen before
    did not begin: the exporter must have been scraped all along.
    """
    series, keys = select(metric, where=labels), ", ".join(by)
    grew = f"sum by ({keys}) (increase({series}[{window}])) > 0"
    began = f"sum by ({keys}) ({series} unless {series} offset {window}) > 0"
    scraped = f"count by (job) ({select(BUILD_INFO)} offset {window})"
    return f"{grew}\nor ({began}\nand on (job) {scraped})"
