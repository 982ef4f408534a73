"""Readings as lines of text, in the same bytes as prometheus_client writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    counts = [0] * (len(metric.buckets) + 1)
    for bucket, count in histogram.counts.items():
        counts[bucket] = count
    return list(accumulate(counts))


class Escaped(dict[str, str]):
    """Values of labels as they stand between quotes."""

    def __missing__(self, value: str) -> str:
        text = self[value] = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        return text


class Labels(dict[tuple[str, ...], str]):
    """What stands between a metric's name and a value, by the values of the labels. Sorted by label name."""

    def __init__(self, names: Sequence[str], escaped: Escaped) -> None:
        super().__init__()
        self._order = sorted(range(len(names)), key=names.__getitem__)
        labels = ",".join(f'{names[position]}="%s"' for position in self._order)
        self._pattern = f"{{{labels}}} " if labels else " "
        self._escaped = escaped

    def __missing__(self, values: tuple[str, ...]) -> str:
        text = self[values] = self._pattern % tuple(
            [self._escaped[values[position]] for position in self._order]
        )
        return text


class LabelSets(dict[tuple[str, ...], Labels]):
    """Labels by their names. Most metrics of a stage, say, have the same ones: they are written once."""

    def __init__(self) -> None:
        super().__init__()
        self._escaped = Escaped()

    def __missing__(self, names: tuple[str, ...]) -> Labels:
        found = self[names] = Labels(names, self._escaped)
        return found


class Lines:
    """Writes the lines of one metric. `exemplars`: whether they are shown, which only OpenMetrics can."""

    def __init__(self, metric: Metric, *, exemplars: bool) -> None:
        self._metric = metric
        self._exemplars = exemplars
        self._names = metric.labels
        self._bounds = bounds(metric)

    def text(self, readings: Iterable[Reading], sets: LabelSets) -> str:
        """Lines of readings."""
        if self._metric.kind is not Kind.HISTOGRAM:
            return "".join([f"{start}{number(value)}\n" for start, value in self.starts(readings, sets)])
        lines: list[str] = []
        for labels, value in readings:
            if isinstance(value, Histogram):
                lines += self._histogram(labels, value, sets)
        return "".join(lines)

    def starts(self, readings: Iterable[Reading], sets: LabelSets) -> list[tuple[str, float]]:
        """Lines without their values, and the values."""
        name, behind = self._metric.name, sets[self._names]
        return [
            (f"{name}{behind[labels]}", value)
            for labels, value in readings
            if not isinstance(value, Histogram)
        ]

    def _histogram(self, labels: tuple[str, ...], histogram: Histogram, sets: LabelSets) -> list[str]:
        name, behind = self._metric.name, sets[self._names][labels]
        before, _, after = sets[*self._names, "le"][*labels, ""].partition(_NO_BOUND)
        before = f"{name}_bucket{before}"
        counts = cumulative(self._metric, histogram)
        plain = counts[-1] < _PLAIN_BELOW
        values = [f"{count}.0" if plain else number(count) for count in counts]
        number_of_all = values[-1]
        if self._exemplars:
            for bucket, exemplar in histogram.exemplars.items():
                values[bucket] += _exemplar(*exemplar)
        lines = [f'{before}le="{le}"{after}{value}\n' for le, value in zip(self._bounds, values, strict=True)]
        lines += (f"{name}_count{behind}{number_of_all}\n", f"{name}_sum{behind}{number(histogram.total)}\n")
        return lines


_NO_BOUND = 'le=""'
"""Stands where a bound is put in. In no value of a label, as quotes are escaped there, and in no other's name."""


def _exemplar(execution_id: str, value: float, micros: int) -> str:
    return f' # {{{EXEMPLAR_LABEL}="{execution_id}"}} {number(value)} {micros / SECOND}'
