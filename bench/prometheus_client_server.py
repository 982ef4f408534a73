"""A program with many metrics, by prometheus_client alone: `python -m bench.prometheus_client_server PORT FILE`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

LabelValues = tuple[tuple[str, str], ...]


def registry_of(families: Iterable[Metric]) -> CollectorRegistry:
    """A registry with the same series, counted and observed as a program would have done it."""
    registry = CollectorRegistry()
    for family in families:
        names = sorted({name for sample in family.samples for name in sample.labels} - {"le"})
        if family.type == "histogram":
            _observe(family, names, registry)
        elif family.type == "counter":
            counter = Counter(family.name, family.documentation, names, registry=registry)
            for sample in family.samples:
                (counter.labels(**sample.labels) if names else counter).inc(sample.value)
        else:
            gauge = Gauge(family.name, family.documentation, names, registry=registry)
            for sample in family.samples:
                (gauge.labels(**sample.labels) if names else gauge).set(sample.value)
    return registry


def _observe(family: Metric, names: list[str], registry: CollectorRegistry) -> None:
    children: dict[LabelValues, list[Sample]] = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            key = tuple((name, sample.labels[name]) for name in names)
            children.setdefault(key, []).append(sample)
    if not children:
        return
    bounds = [float(sample.labels["le"]) for sample in next(iter(children.values()))]
    histogram = Histogram(family.name, family.documentation, names, buckets=bounds, registry=registry)
    for key, samples in children.items():
        child = histogram.labels(**dict(key)) if names else histogram
        below = [0.0, *(sample.value for sample in samples)]
        for bound, (before, upto) in zip(bounds, pairwise(below), strict=True):
            for _ in range(round(upto - before)):
                child.observe(bound)


def main() -> None:
    """Serve until the end."""
    port, file = sys.argv[1:]
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = registry_of(text_string_to_metric_families(Path(file).read_text()))
    start_http_server(int(port), "127.0.0.1", registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
