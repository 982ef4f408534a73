"""What a measure finds, and how rounds of it are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds on a ratio, or on the figure itself where it is compared with nothing: what must be, and the aim."""

    must: float
    aim: float
    at_most: bool = True

    def verdict(self, value: float) -> str:
        """How well a value keeps within the bounds."""
        for bound, word in ((self.aim, "aim reached"), (self.must, "met")):
            if value <= bound if self.at_most else value >= bound:
                return word
        return "**missed**"

    @property
    def sign(self) -> str:
        """Which side of the bounds is the good one."""
        return "≤" if self.at_most else "≥"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: figures of several rounds, in one unit, and those they are compared with.

    `limit` is None for a figure that is only told.
    """

    what: str
    against: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()
    limit: Limit | None = None

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, round by round: neighbours in time share the machine's mood."""
        if not self.theirs:
            return []
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def judged(self) -> float:
        """The figure that the bounds are about."""
        return median(self.ratios or self.ours)


def grouped(number: float) -> str:
    """A whole number as people read it: 144 000."""
    return f"{number:,.0f}".replace(",", " ")


def in_turns(rounds: int, *ways: Callable[[], float]) -> list[list[float]]:
    """Figures of each way, taken in turns (A B A B …); a first round only warms up."""
    found: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for figures, way in zip(found, ways, strict=True):
            figure = way()
            if number > 0:
                figures.append(figure)
    return found
