"""Queries narrowed to some exporters, for a Prometheus that scrapes several: `job="mine"` in their selectors.

A matcher goes only where its label can be: one of pipelines (`environment`) not into what the exporter tells of
itself, one of targets (`cluster`, `instance`) not into what is recorded, as its inputs are narrowed already and it
does not keep the label; and none into what Prometheus and Alertmanager tell of themselves, which are other jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from exporter.catalogue.foreign import FOREIGN, UP
from exporter.catalogue.matching import Matcher
from exporter.catalogue.metric import Kind, Metric, Scope
from exporter.catalogue.metrics import CATALOGUE
from exporter.catalogue.promql import REPLICA_LABELS
from exporter.catalogue.recorded import PIPELINE, RECORDED

_OF_TARGETS = (
    "scrape_duration_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    UP.name,
)
"""Series about the exporter's process that dashboards and rules ask for, and other targets have as well."""

_OF_PIPELINES = frozenset(
    label for metric in CATALOGUE if metric.scope is not Scope.EXPORTER for label in metric.labels
)
OF_ALERTS = (
    _OF_PIPELINES
    | {label for metric in (*RECORDED, *FOREIGN) for label in metric.labels}
    | {"alertname", "alertstate", "severity", "scope", "job", *REPLICA_LABELS}
)
"""Labels that alerts have, from what they ask for or of their own."""
_OWN = frozenset(label for metric in CATALOGUE for label in metric.labels)


def _series(metrics: Sequence[Metric]) -> Iterator[tuple[str, Metric]]:
    for metric in metrics:
        histogram = metric.kind is Kind.HISTOGRAM
        for suffix in ("_bucket", "_sum", "_count") if histogram else ("",):
            yield metric.name + suffix, metric


_SCRAPED, _RECORDED = dict(_series(CATALOGUE)), dict(_series(RECORDED))
_NAMES = sorted({*_OF_TARGETS, *_SCRAPED, *_RECORDED}, key=len, reverse=True)
_SELECTOR = re.compile(rf"(?<![\w:\"$])({'|'.join(map(re.escape, _NAMES))})(?![\w:])(\{{)?")


def narrowed(query: str, matchers: Sequence[Matcher]) -> str:
    """The query with the matchers in each of its selectors whose series can have their labels."""

    def widened(found: re.Match[str]) -> str:
        text = ",".join(matcher.text for matcher in matchers if _may_have(found[1], matcher.label))
        if not text:
            return found[0]
        return f"{found[1]}{{{text}{',' if found[2] else '}'}"

    return _SELECTOR.sub(widened, query)


def _may_have(series: str, label: str) -> bool:
    if series in _RECORDED:
        return label in (*PIPELINE, *_RECORDED[series].labels)
    if label not in _OWN:
        return True
    metric = _SCRAPED.get(series)
    if metric is None or (metric.scope is Scope.EXPORTER and label in _OF_PIPELINES):
        return False
    return label in metric.labels
