"""PromQL out of the catalogue: a label that a metric lacks, or a rate of a gauge, fails while the query is built.

Replicas of the exporter over one database tell the same totals. So every function folds instances before it adds
anything up: `max without (instance, pod) (…)` inside, `sum by (…)` outside.

Queries are plain text, to be put together with f-strings. A window is a PromQL duration (`5m`) or a variable of
Grafana (`$__rate_interval`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.catalogue.metric import Kind, Metric

REPLICA_LABELS = ("instance", "pod")
"""Labels in which replicas of one exporter differ."""
_TARGET_LABELS = frozenset({*REPLICA_LABELS, "job"})


class WrongQuery(ValueError):
    """A query that the metric can't answer."""


@dataclass(frozen=True, slots=True)
class Regex:
    """Matches where the whole value fits the pattern."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Not:
    """Matches where the value is another, or fits not."""

    value: str | Regex | tuple[str, ...]


Wanted = str | Regex | Not | tuple[str, ...]
"""What a label must be: one value, one of several, a pattern, or anything else than these."""
Where = Mapping[str, Wanted] | None
"""Matchers that many queries have in common, beside the labels that one of them names."""


def select(metric: Metric, suffix: str = "", /, where: Where = None, **labels: Wanted) -> str:
    """Selector of the metric's series whose labels are as wanted: `pipeline_executions_total{status="failed"}`.

    Raises:
        WrongQuery: for a label that the metric lacks.
    """
    labels = {**(where or {}), **labels}
    allowed = {*metric.labels, *_TARGET_LABELS} | ({"le"} if suffix == "_bucket" else set())
    for label in labels:
        if label not in allowed:
            raise WrongQuery(f"{metric.name} has no label {label}; it has {', '.join(metric.labels)}")
    matchers = ",".join(_matcher(label, value) for label, value in labels.items())
    return f"{metric.name}{suffix}" + (f"{{{matchers}}}" if matchers else "")


def gauge(
    metric: Metric, *, by: Iterable[str] = (), fold: str = "max", where: Where = None, **labels: Wanted
) -> str:
    """Value of a gauge, folded over what is not in `by`; with no `by`, every series without its replica labels."""
    _need(metric, Kind.GAUGE, Kind.SUMMARY)
    return _folded(fold, metric, select(metric, where=where, **labels), by)


def count(metric: Metric, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted) -> str:
    """Number of label sets of a gauge."""
    _need(metric, Kind.GAUGE, Kind.SUMMARY)
    inner = _without_replicas(metric, select(metric, where=where, **labels))
    return f"count{_by(metric, by)}({inner})"


def rate(
    metric: Metric, window: str, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted
) -> str:
    """Increase a second of a counter, added up by labels."""
    _need(metric, Kind.COUNTER)
    return _folded("sum", metric, f"rate({select(metric, where=where, **labels)}[{window}])", by)


def increase(
    metric: Metric,
    window: str,
    *,
    by: Iterable[str] = (),
    where: Where = None,
    at_end: bool = False,
    **labels: Wanted,
) -> str:
    """How much a counter grew within the window, added up by labels.

    `at_end`: before the end of a chart, the same at each of its points; it is worked out once.
    """
    _need(metric, Kind.COUNTER)
    at = " @ end()" if at_end else ""
    return _folded("sum", metric, f"increase({select(metric, where=where, **labels)}[{window}]{at})", by)


def total(metric: Metric, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted) -> str:
    """A counter as it stands, since its pipeline was first seen."""
    _need(metric, Kind.COUNTER)
    return _folded("sum", metric, select(metric, where=where, **labels), by)


def observations(
    metric: Metric, window: str, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted
) -> str:
    """How many observations a histogram took within the window."""
    _need(metric, Kind.HISTOGRAM)
    return _folded("sum", metric, f"increase({select(metric, '_count', where, **labels)}[{window}])", by)


def observed(
    metric: Metric, window: str, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted
) -> str:
    """Sum of a histogram's observations within the window, in the metric's unit."""
    _need(metric, Kind.HISTOGRAM)
    return _folded("sum", metric, f"increase({select(metric, '_sum', where, **labels)}[{window}])", by)


def mean(
    metric: Metric, window: str, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted
) -> str:
    """Mean of a histogram's observations; no value where there were none."""
    by = tuple(by)
    sums, counts = (
        observed(metric, window, by=by, where=where, **labels),
        observations(metric, window, by=by, where=where, **labels),
    )
    return f"{sums} / ({counts} > 0)"


def quantile(
    q: float, metric: Metric, window: str, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted
) -> str:
    """Quantile of a histogram's observations, interpolated within its buckets."""
    _need(metric, Kind.HISTOGRAM)
    inner = f"rate({select(metric, '_bucket', where, **labels)}[{window}])"
    return f"histogram_quantile({q:g}, {_folded('sum', metric, inner, ('le', *by))})"


def heat(
    metric: Metric, window: str, *, by: Iterable[str] = (), where: Where = None, **labels: Wanted
) -> str:
    """Observations within the window by bucket, as a heatmap wants them."""
    _need(metric, Kind.HISTOGRAM)
    inner = f"increase({select(metric, '_bucket', where, **labels)}[{window}])"
    return _folded("sum", metric, inner, ("le", *by))


def _need(metric: Metric, *kinds: Kind) -> None:
    if metric.kind not in kinds:
        wanted = " or ".join(kinds)
        raise WrongQuery(f"{metric.name} is a {metric.kind}, and this asks for a {wanted}")


def _folded(operator: str, metric: Metric, inner: str, by: Iterable[str]) -> str:
    by = tuple(by)
    folded = _without_replicas(metric, inner)
    return f"{operator}{_by(metric, by)}({folded})" if by or operator == "sum" else folded


def _by(metric: Metric, by: Iterable[str]) -> str:
    by = tuple(by)
    for label in by:
        if label not in {*metric.labels, "le", "job"}:
            raise WrongQuery(f"{metric.name} has no label {label}; it has {', '.join(metric.labels)}")
    return f" by ({', '.join(by)}) " if by else ""


def _without_replicas(metric: Metric, inner: str) -> str:
    if ":" in metric.name:  # a recorded one, in which replicas are folded already
        return inner
    return f"max without ({', '.join(REPLICA_LABELS)}) ({inner})"


def _matcher(label: str, value: Wanted) -> str:
    match value:
        case Not(value=Regex(pattern=pattern)):
            return f'{label}!~"{_escaped(pattern)}"'
        case Not(value=tuple() as values):
            return f'{label}!~"{_escaped(_alternatives(values))}"'
        case Not(value=str() as text):
            return f'{label}!="{_escaped(text)}"'
        case Regex(pattern=pattern):
            return f'{label}=~"{_escaped(pattern)}"'
        case tuple():
            return f'{label}=~"{_escaped(_alternatives(value))}"'
        case _:
            return f'{label}="{_escaped(str(value))}"'


def _alternatives(values: tuple[str, ...]) -> str:
    return "|".join(str(value) for value in values)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
