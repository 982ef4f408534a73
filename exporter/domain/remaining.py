"""What is left of an execution: seconds to go, and the part of the work that is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, sqrt
from statistics import NormalDist, fmean, pstdev
from zlib import crc32

from exporter.domain.plan import EXPECTED, LEAST_WAIT, WAIT_SPREAD, Moment, Plan, Present, Rest, moment
from exporter.domain.usual import Usual

DRAWS = 17
"""Runs that are imagined: their median strays by a third of the spread of one. A prime, see `_ORDERS`."""

MOST_DRAWN = 20_000
"""Durations imagined for one execution at most: huge graphs make do with fewer runs, since a scrape waits."""

TOLD_SPREAD = 0.1
"""How far the end may be from where reported progress points, as a spread of the whole duration."""

MOST_SURPRISE = 2.0
"""Standard deviations of a stage that are a sign of a slow or quick run; more is that stage's own affair."""

_PARTS = tuple((draw + 0.5) / DRAWS for draw in range(DRAWS))
_NORMAL = tuple(NormalDist().inv_cdf(part) for part in _PARTS)
_ORDERS = tuple(
    tuple((draw * step + first) % DRAWS for draw in range(DRAWS))
    for step in range(1, DRAWS)
    for first in range(DRAWS)
)
"""Orders in which stages go through the same parts (Latin hypercube sampling): few draws cover each stage
evenly, and no two stages are long together in all of them. The same at every call, or an ETA would jitter."""


class Outlook:
    """What is to be expected of the executions of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._draws = max(1, min(DRAWS, MOST_DRAWN // max(1, len(plan.nodes))))
        self._fresh = 0.0
        self._run_spread = 0.0
        if plan.typical is not None:
            fresh = self._ends(moment(plan, 0.0, {}), plan.typical)
            self._fresh = middle(fresh)
            if plan.total is not None:
                apart = pstdev([log(max(seconds, 1e-6)) for seconds in fresh])
                self._run_spread = sqrt(max(0.0, plan.total.spread**2 - apart**2))

    def moment(self, elapsed: float, stages: Mapping[str, Present]) -> Moment:
        """Where an execution stands, to ask the following about."""
        return moment(self._plan, elapsed, stages)

    def left(self, now: Moment) -> float | None:
        """Seconds to go, by the middle of imagined runs; None if nothing is known."""
        plan = self._plan
        by_time = None if plan.total is None else plan.total.left(now.elapsed)
        if plan.typical is None:
            return by_time
        by_stages = middle(self._ends(now, plan.typical))
        if plan.placed or plan.total is None or by_time is None:
            return by_stages
        # Stages that are wrongly taken to wait for each other make the plan too long.
        scale = min(1.0, plan.total.median / self._fresh) if self._fresh else 1.0
        return by_stages * scale + by_time * (1 - self._explained())

    def done(self, now: Moment) -> float | None:
        """Part of the work that is done, on the longest way through the stages; None if nothing is known."""
        plan = self._plan
        by_time = None if plan.total is None else plan.total.done(now.elapsed)
        by_stages = _part_done(plan, now) if plan.complete else None
        if by_stages is None or by_time is None:
            return by_time if by_stages is None else by_stages
        explained = self._explained()
        return by_stages * explained + by_time * (1 - explained)

    def _explained(self) -> float:
        """Part of the usual total that the stages account for."""
        total = self._plan.total
        return 1.0 if total is None or self._plan.placed else min(1.0, self._fresh / total.median)

    def _ends(self, now: Moment, typical: Usual) -> list[float]:
        """Seconds to go in each imagined run."""
        pace = self._pace(now)
        nothing = [0.0] * self._draws
        columns: list[list[float]] = []
        for rest in now.rests:
            column = nothing
            if not rest.over:
                before = [columns[number] for number in rest.node.before]
                usual = (rest.node.usual or typical).paced(pace)
                column = self._column(rest, usual, [nothing, *before])
            columns.append(column)
        tail = self._plan.tail
        if now.idle is not None:
            tail = wait_left(max(tail, LEAST_WAIT), now.idle)
        return [max(ends, default=0.0) + tail for ends in zip(nothing, *columns, strict=True)]

    def _column(self, rest: Rest, usual: Usual, before: Sequence[Sequence[float]]) -> list[float]:
        order = crc32(rest.node.name.encode())
        places = _ORDERS[order % len(_ORDERS)][: self._draws]
        if rest.runs and rest.present is not None:
            return [_running_left(rest.present, usual, _PARTS[place]) for place in places]
        wait = wait_left(rest.node.wait, rest.waited)
        chances = _ORDERS[order // len(_ORDERS) % len(_ORDERS)]
        return [
            max(0.0, max(ends) + wait) + usual.drawn(_NORMAL[place])
            if _PARTS[chance] < rest.chance
            else max(ends)
            for place, chance, *ends in zip(places, chances, *before, strict=False)
        ]

    def _pace(self, now: Moment) -> float:
        """Logarithm of how much slower than usual this run is, judging by the stages that succeeded.

        Stages of one run are slow together as far as whole runs differ more than their stages would make them
        if each went by itself. What one run has of that is estimated as usual for a random effect (BLUP).
        """
        if self._run_spread == 0:
            return 0.0
        weights = surprise = 0.0
        for rest in now.rests:
            usual, took = rest.node.usual, rest.present and rest.present.took
            if usual is not None and took:
                own = log(took / usual.median)
                limit = MOST_SURPRISE * usual.spread
                surprise += max(-limit, min(limit, own)) / usual.spread**2
                weights += 1 / usual.spread**2
        return surprise / (weights + 1 / self._run_spread**2)


def middle(values: Sequence[float]) -> float:
    """Mean of the middle half: as deaf to outliers as the median, without leaps where there are two cases."""
    ordered = sorted(values)
    cut = len(ordered) // 4
    return fmean(ordered[cut : len(ordered) - cut])


def pointed_left(part: float, after: float, elapsed: float, quantile: float = 0.5) -> float:
    """Seconds to go of what has done a part (above 0) of its work `after` some of its `elapsed` seconds."""
    return Usual(max(after, 1e-6) / part, TOLD_SPREAD).left(elapsed, quantile)


def wait_left(wait: float, waited: float) -> float:
    """Seconds left of a usual wait of which some is over."""
    return Usual(wait, WAIT_SPREAD).left(waited) if wait > 0 else wait


def _running_left(present: Present, usual: Usual, quantile: float) -> float:
    elapsed = present.elapsed or 0.0
    left = usual.left(elapsed, quantile)
    if present.trust == 0 or present.part == 0 or present.part_after == 0:
        return left
    told = pointed_left(present.part, present.part_after, elapsed, quantile)
    return present.trust * told + (1 - present.trust) * left


def _part_done(plan: Plan, now: Moment) -> float | None:
    """One less the longest way that is left, as a part of the longest way there is, by usual durations."""
    whole: list[float] = []
    left: list[float] = []
    for rest in now.rests:
        node = rest.node
        # Without any known duration all stages count the same.
        work = (node.usual or plan.typical or Usual(1.0, 1.0)).median
        wanted = rest.present is not None or node.share >= EXPECTED
        ready = max((whole[number] for number in node.before), default=0.0)
        whole.append(max(0.0, ready + node.wait) + work if wanted else ready)
        ready = max((left[number] for number in node.before), default=0.0)
        if rest.over:
            left.append(0.0)
        elif rest.runs and rest.present is not None:
            left.append(work * (1 - _running_done(rest.present, node.usual or plan.typical)))
        elif wanted and rest.chance >= EXPECTED:
            left.append(max(0.0, ready + _wait_undone(node.wait, rest.waited)) + work)
        else:
            left.append(ready)
    longest = max(whole, default=0.0) + plan.tail
    if longest <= 0:
        return None
    return 1 - (max(left, default=0.0) + _wait_undone(plan.tail, now.idle or 0.0)) / longest


def _running_done(present: Present, usual: Usual | None) -> float:
    if usual is None:
        return present.part
    return present.trust * present.part + (1 - present.trust) * usual.done(present.elapsed or 0.0)


def _wait_undone(wait: float, waited: float) -> float:
    return wait * (1 - Usual(wait, WAIT_SPREAD).done(waited)) if wait > 0 else wait
