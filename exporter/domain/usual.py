"""How long something usually takes, and how much longer once it has taken some time already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log, log1p, sqrt
from statistics import NormalDist

from exporter.domain.baseline import Baseline

PRIOR_SPREAD = 0.3
"""Spread believed in before the first run: a step of a pipeline mostly takes within 30% of its usual time."""

PRIOR_RUNS = 1
"""Runs that this belief weighs as much as. After 20 equal runs a spread of 7% is left, and never none."""

MOST_SPREAD = 2.0
"""Above this the median absolute deviation says nothing but that there is no usual duration."""

OVERRUN = 0.25
"""Part of its overrun that something long overdue is given again, in the median.

A log-normal tail becomes too sure of an end at any moment. What hangs is scale-free: of lengths with a Pareto
tail of exponent 3 half exceed any length by another 26%, of exponent 2 by 41%.
"""

_NORMAL = NormalDist()
_FAR = 6.0
"""Standard deviations beyond which a formula for the tail is used, before probabilities drown at 0."""

_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Usual:
    """A log-normal duration: median in seconds, and standard deviation of its logarithm.

    Durations of work are skewed: they cannot be much shorter than usual, and can be much longer. Two robust
    figures are all that a handful of runs can tell.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, baseline: Baseline) -> Usual:
        """From a baseline; the spread of few runs is mixed with what is usual anywhere."""
        middle = max(baseline.median, _LEAST)
        own = min(baseline.sigma / middle, MOST_SPREAD)
        squares = baseline.runs * own**2 + PRIOR_RUNS * PRIOR_SPREAD**2
        return cls(middle, sqrt(squares / (baseline.runs + PRIOR_RUNS)))

    def paced(self, pace: float) -> Usual:
        """The same work in a run that goes `exp(pace)` times slower."""
        return self if pace == 0 else replace(self, median=self.median * exp(pace))

    def drawn(self, deviations: float) -> float:
        """Duration in seconds, that many standard deviations from the usual one."""
        return self.median * exp(self.spread * deviations)

    def left(self, elapsed: float, part: float = 0.5) -> float:
        """Seconds still to go after `elapsed`, so that a `part` of all that got this far is over by then.

        Never below zero, and never zero for long: past its usual time something goes on for a while.
        """
        if elapsed <= 0:
            return self.drawn(_NORMAL.inv_cdf(part))
        deviations = log(elapsed / self.median) / self.spread
        if deviations < _FAR:
            still = _NORMAL.cdf(-deviations) * (1 - part)
            rest = self.drawn(-_NORMAL.inv_cdf(still)) - elapsed
        else:
            # The hazard of a log-normal duration far out is deviations / (spread * elapsed).
            rest = -log1p(-part) * elapsed * self.spread / deviations
        overrun = elapsed - self.median
        return max(rest, OVERRUN * overrun * log1p(-part) / log(0.5), 0.0)

    def outlasts(self, elapsed: float) -> float:
        """Part of all that take longer than that."""
        return _NORMAL.cdf(-log(elapsed / self.median) / self.spread) if elapsed > 0 else 1.0

    def done(self, elapsed: float) -> float:
        """Part of the work that is done: in proportion to time up to 90%, then ever slower, never all of it.

        The time left after the last tenth of the usual one says little about the work left.
        """
        part = max(elapsed, 0.0) / self.median
        return part if part < 0.9 else 1 - 0.1 * exp(-(part - 0.9) / 0.1)
