"""What is usual: robust statistics over recent successes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MAD_TO_SIGMA = 1.4826
"""A median absolute deviation times this estimates a standard deviation (Rousseeuw, Croux 1993)."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Usual duration: median, median absolute deviation and a high quantile, in seconds, over `runs` successes."""

    runs: int
    median: float
    mad: float
    p95: float

    @property
    def sigma(self) -> float:
        """Spread, comparable with a standard deviation, untouched by a few outliers."""
        return self.mad * MAD_TO_SIGMA


def baseline(durations: Sequence[float]) -> Baseline | None:
    """Baseline of durations in seconds; None without any."""
    if not durations:
        return None
    middle = median(durations)
    return Baseline(
        runs=len(durations),
        median=middle,
        mad=median(abs(duration - middle) for duration in durations),
        p95=quantile(sorted(durations), 0.95),
    )


RECENT = 5
EARLIER = 8
"""Durations that make the recent ones, and that must lie before them for a comparison to mean something."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Median of the latest durations, in seconds, beside the baseline of those before."""

    recent: float
    earlier: Baseline


def trend_of(durations: Sequence[float]) -> Trend | None:
    """The latest durations compared with those before (oldest first, in seconds); None where they are too few."""
    if len(durations) < RECENT + EARLIER:
        return None
    earlier = baseline(durations[:-RECENT])
    assert earlier is not None
    return Trend(median(durations[-RECENT:]), earlier)


def quantile(ordered: Sequence[float], q: float) -> float:
    """Quantile of sorted values, linear between neighbours (type 7 of Hyndman and Fan, 1996)."""
    position = (len(ordered) - 1) * q
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
