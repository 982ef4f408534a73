"""The few series of many that a chart shows: chosen by the whole time range, so that lines do not come and go."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.catalogue.metric import Metric
from exporter.catalogue.promql import Where, gauge, select


def largest(number: int, expr: str, by: Iterable[str], ranking: str) -> str:
    """The series of a query for which `ranking`, of the same labels and the same at each point, is largest."""
    return f"({expr}) and on ({', '.join(by)}) topk({number}, {ranking})"


def smallest(number: int, expr: str, by: Iterable[str], ranking: str) -> str:
    """The series for which `ranking` is smallest."""
    return f"({expr}) and on ({', '.join(by)}) bottomk({number}, {ranking})"


def highest(number: int, metric: Metric, by: Iterable[str], where: Where) -> str:
    """A gauge, of the series that were highest at any time."""
    return largest(number, gauge(metric, by=by, where=where), by, over_range("max", metric, by, where))


def over_range(figure: str, metric: Metric, by: Iterable[str], where: Where) -> str:
    """A figure (max, avg, count) of a gauge over the time range.

    Without a subquery, which Prometheus would work out anew for each point of a chart.
    """
    return f"max by ({', '.join(by)}) ({figure}_over_time({select(metric, where=where)}[$__range] @ end()))"
