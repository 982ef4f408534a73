"""Readings as lines of text, in the same bytes as prometheus_client writes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.utils import floatToGoString

from exporter.catalogue import Kind, Metric
from exporter.domain.times import SECOND
from exporter.store.readings import Reading
from exporter.store.state import Histogram

EXEMPLAR_LABEL = "execution_id"

_PLAIN_BELOW = 1_000_000
"""From here on Go, whose way of writing numbers is followed, uses an exponent."""


def number(value: float) -> str:
    """A value as it stands in a line."""
    if -_PLAIN_BELOW < value < _PLAIN_BELOW:
        return repr(float(value))
    return _go(value)


def _go(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # prometheus_client types it not


def bounds(metric: Metric) -> list[str]:
    """Values of `le` of a histogram."""
    return [_go(bound) for bound in (*metric.buckets, float("inf"))]


def cumulative(metric: Metric, histogram: Histogram) -> list[int]:
    """Observations up to each bound of a histogram; the last is their number."""
    return list(accumulate(histogram.counts.get(bucket, 0) for bucket in range(len(metric.buckets) + 1)))


class Escaped(dict[str, str]):
    """Label values as they stand between quotes; each is escaped once."""

    def __missing__(self, value: str) -> str:
        text = self[value] = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        return text


class Lines:
    """Writes the lines of one metric. `exemplars`: whether they are shown, which only OpenMetrics can."""

    def __init__(self, metric: Metric, *, exemplars: bool) -> None:
        self._metric = metric
        self._exemplars = exemplars
        # Labels are sorted by name, and `le` is one of them.
        texts = [(name, f'{name}="{{{position}}}"') for position, name in enumerate(metric.labels)]
        labels = ",".join(text for _, text in sorted(texts))
        self._line = _pattern(metric.name, labels)
        if metric.kind is Kind.HISTOGRAM:
            with_le = ",".join(text for _, text in sorted([*texts, ("le", 'le="\0"')]))
            self._before, self._after = _pattern(f"{metric.name}_bucket", with_le).split("\0")
            self._count = _pattern(f"{metric.name}_count", labels)
            self._sum = _pattern(f"{metric.name}_sum", labels)
            self._bounds = bounds(metric)

    def text(self, readings: Iterable[Reading], escaped: Escaped) -> str:
        """Lines of readings."""
        lines: list[str] = []
        for labels, value in readings:
            shown = [escaped[label] for label in labels]
            if isinstance(value, Histogram):
                self._histogram(shown, value, lines)
            else:
                lines.append(f"{self._line.format(*shown)}{number(value)}\n")
        return "".join(lines)

    def starts(self, readings: Iterable[Reading], escaped: Escaped) -> list[tuple[str, float]]:
        """Lines without their values, and the values: for what is worked out anew at each scrape."""
        return [
            (self._line.format(*[escaped[label] for label in labels]), value)
            for labels, value in readings
            if not isinstance(value, Histogram)
        ]

    def _histogram(self, labels: list[str], histogram: Histogram, lines: list[str]) -> None:
        before, after = self._before.format(*labels), self._after.format(*labels)
        counts = cumulative(self._metric, histogram)
        if self._exemplars and histogram.exemplars:
            for bucket, (bound, count) in enumerate(zip(self._bounds, counts, strict=True)):
                exemplar = histogram.exemplars.get(bucket)
                behind = "" if exemplar is None else _exemplar(*exemplar)
                lines.append(f"{before}{bound}{after}{number(count)}{behind}\n")
        else:
            lines += [
                f"{before}{bound}{after}{number(count)}\n"
                for bound, count in zip(self._bounds, counts, strict=True)
            ]
        lines.append(f"{self._count.format(*labels)}{number(counts[-1])}\n")
        lines.append(f"{self._sum.format(*labels)}{number(histogram.total)}\n")


def _pattern(name: str, labels: str) -> str:
    return f"{name}{{{{{labels}}}}} " if labels else f"{name} "


def _exemplar(execution_id: str, value: float, micros: int) -> str:
    return f' # {{{EXEMPLAR_LABEL}="{execution_id}"}} {number(value)} {micros / SECOND}'
