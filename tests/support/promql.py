"""What a PromQL query reads: its selectors, and whether the catalogue knows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser

from exporter.catalogue.foreign import FOREIGN
from exporter.catalogue.metric import Kind, Metric
from exporter.catalogue.metrics import CATALOGUE
from exporter.catalogue.recorded import RECORDED

_ALERT = frozenset({"alertname", "alertstate", "severity", "scope", "pipeline", "environment", "owner"})
OF_OTHERS: dict[str, frozenset[str]] = {
    "scrape_duration_seconds": frozenset(),
    "process_resident_memory_bytes": frozenset(),
    "process_cpu_seconds_total": frozenset(),
    "ALERTS": _ALERT,
    "ALERTS_FOR_STATE": _ALERT,
}
"""Series that Prometheus and prometheus_client make, and the labels that may be asked of them."""
_TARGET = frozenset({"job", "instance", "pod"})


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric and the labels that are asked of it."""

    metric: str
    labels: frozenset[str]


def parsed(query: str) -> Any:
    """The query's tree. Raises ValueError where it does not parse."""
    return promql_parser.parse(query)


def selectors(query: str) -> list[Selector]:
    """Every selector of the query."""
    return [
        Selector(node.name or "", frozenset(matcher.name for matcher in node.matchers.matchers))
        for node in _nodes(parsed(query))
        if isinstance(node, promql_parser.VectorSelector)
    ]


def unknown(query: str) -> list[str]:
    """What the query asks for and nobody exposes: metrics or labels."""
    found: list[str] = []
    for selector in selectors(query):
        labels = labels_of(selector.metric)
        if labels is None:
            found.append(selector.metric)
        else:
            found += sorted(f"{selector.metric}{{{label}}}" for label in selector.labels - labels - _TARGET)
    return found


def labels_of(series: str) -> frozenset[str] | None:
    """Labels of a series by its name; None if nobody exposes it."""
    return _EXPOSED.get(series, OF_OTHERS.get(series))


def metric_of(series: str) -> str:
    """The catalogue's name of the metric that a series belongs to."""
    for suffix in ("_bucket", "_sum", "_count"):
        if series.removesuffix(suffix) in _HISTOGRAMS:
            return series.removesuffix(suffix)
    return series


def _exposed(metric: Metric) -> dict[str, frozenset[str]]:
    labels = frozenset(metric.labels)
    if metric.kind is not Kind.HISTOGRAM:
        return {metric.name: labels}
    return {
        f"{metric.name}_bucket": labels | {"le"},
        f"{metric.name}_sum": labels,
        f"{metric.name}_count": labels,
    }


_ALL = (*CATALOGUE, *RECORDED, *FOREIGN)
_HISTOGRAMS = frozenset(metric.name for metric in _ALL if metric.kind is Kind.HISTOGRAM)
_EXPOSED = {name: labels for metric in _ALL for name, labels in _exposed(metric).items()}


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    if isinstance(node, promql_parser.MatrixSelector):
        yield from _nodes(node.vector_selector)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _nodes(argument)
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from _nodes(node.lhs)
        yield from _nodes(node.rhs)
    elif isinstance(node, promql_parser.AggregateExpr):
        yield from _nodes(node.expr)
        if node.param is not None:
            yield from _nodes(node.param)
    elif isinstance(node, promql_parser.SubqueryExpr | promql_parser.ParenExpr | promql_parser.UnaryExpr):
        yield from _nodes(node.expr)
