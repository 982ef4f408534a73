"""What recent runs of a pipeline tell about its stages: how long, how often, after which, after what wait."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp2
from statistics import median
from typing import TypeAlias

from exporter.domain.baseline import Baseline, baseline
from exporter.domain.graph import Graph, acyclic

Span: TypeAlias = tuple[float, float]
"""Start and end, in seconds since any one instant."""

RECENT_RUNS = 20
"""Runs that count. More would tell more if pipelines never changed."""

HALF_LIFE = 5
"""Runs after which a run counts half for whether a stage belongs to the pipeline: one that was in every run
is no longer expected after as many without it."""

_LEAST = 1e-6
"""Seconds. What takes no time is given some, or it would come before itself."""


@dataclass(frozen=True, slots=True)
class StageHistory:
    """A stage in recent runs.

    `share`: part of the runs that had it. `wait`: seconds from the end of what it waits for to its start; below
    zero if it does not wait for all of that.
    """

    duration: Baseline
    share: float = 1.0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """A pipeline's recent successes. `tail`: seconds from the end of its last stage to its own.

    `graph` holds what was told and, for stages of which nothing was told, what they were seen to run after.
    `placed`: stages were found in runs; if not, waits and tail are unknown, and so is an order that nobody
    told.
    """

    total: Baseline | None = None
    stages: Mapping[str, StageHistory] = field(default_factory=dict)
    graph: Graph = field(default_factory=dict)
    tail: float = 0.0
    placed: bool = False


def learn(
    runs: Sequence[Span], spans: Mapping[str, Sequence[Span]], graph: Graph, kept: int | None = None
) -> History:
    """History from successful executions, successful stages by name, and what was told of their order.

    No run and no stage says to which the other belongs, so a stage is looked for within the time of a run
    that was alone at its time. Instances of a mapped stage in one run are one: from the first start to the
    last end. `kept`: spans of one stage that are remembered at most.
    """
    recent = _alone(runs)[-RECENT_RUNS:]
    found = {stage: _by_run(recent, mine) for stage, mine in spans.items()}
    for stage, mine in spans.items():
        if len(mine) == kept:
            _mend_oldest(recent, found, stage, len(mine))
    seen = _seen_order(recent, found)
    edges = acyclic({**seen, **graph})
    stages = {}
    for stage, mine in spans.items():
        duration = baseline(_durations(found[stage], mine))
        if duration is not None:
            share = _share(recent, found[stage], mine)
            stages[stage] = StageHistory(duration, share, _wait(recent, found, stage, edges.get(stage, ())))
    totals = [end - start for start, end in sorted(runs, key=lambda run: run[1])]
    placed = any(found.values())
    return History(baseline(totals[-RECENT_RUNS:]), stages, edges, _tail(recent, found), placed)


def _alone(runs: Sequence[Span]) -> list[Span]:
    ordered = sorted(runs)
    alone = []
    before = float("-inf")
    for (start, end), (after, _) in zip(ordered, [*ordered[1:], (float("inf"), 0.0)], strict=False):
        if before <= start and end <= after:
            alone.append((start, end))
        before = max(before, end)
    return alone


def _by_run(runs: Sequence[Span], spans: Sequence[Span]) -> dict[int, Span]:
    """The stage in each run, by the run's number. Its middle decides, as clocks may differ."""
    starts = [start for start, _ in runs]
    found: dict[int, Span] = {}
    for start, end in spans:
        middle = (start + end) / 2
        run = bisect_right(starts, middle) - 1
        if run >= 0 and middle <= runs[run][1]:
            first, last = found.get(run, (start, end))
            found[run] = (min(start, first), max(end, last))
    return dict(sorted(found.items()))


def _mend_oldest(runs: Sequence[Span], found: Mapping[str, dict[int, Span]], stage: str, spans: int) -> None:
    """Of a mapped stage's oldest run some instances may be forgotten. If it is the only one, it began when
    what was before had ended."""
    mine = found[stage]
    if len(mine) == spans or not mine:
        return
    run = min(mine)
    start, end = mine.pop(run)
    if not mine:
        ends = [other[run][1] for name, other in found.items() if name != stage and run in other]
        mine[run] = (max([other for other in ends if other <= start], default=runs[run][0]), end)


def _durations(found: Mapping[int, Span], spans: Sequence[Span]) -> list[float]:
    chosen = list(found.values()) or sorted(spans, key=lambda span: span[1])[-RECENT_RUNS:]
    return [max(0.0, end - start) for start, end in chosen]


def _share(runs: Sequence[Span], found: Mapping[int, Span], spans: Sequence[Span]) -> float:
    """Part of the runs, since the first that had the stage, that had it; late ones weigh more."""
    first = min(found, default=None)
    if first is None:
        begun = min(start for start, _ in spans)
        return float(all(end <= begun for _, end in runs))
    weights = {run: exp2((run - len(runs)) / HALF_LIFE) for run in range(first, len(runs))}
    return sum(weights[run] for run in found) / sum(weights.values())


def _seen_order(runs: Sequence[Span], found: Mapping[str, Mapping[int, Span]]) -> dict[str, list[str]]:
    """What stages were seen to run after: those whose usual end comes before their usual start.

    Of these only the last ones are named. One is left out if another, that runs after it, is among them: if
    it ends before the latest start of all that are over by then.
    """
    counts = Counter(run for mine in found.values() for run in mine)
    most = max(counts.values(), default=0)
    windows = {}
    for stage, mine in found.items():
        # Times of different runs do not compare well: take those that had most stages, where it was in one.
        chosen = [run for run in mine if counts[run] == most] or list(mine)
        if chosen:
            start = median(mine[run][0] - runs[run][0] for run in chosen)
            end = median(mine[run][1] - runs[run][0] for run in chosen)
            windows[stage] = (start, max(end, start + _LEAST))
    by_end = sorted(windows, key=lambda stage: windows[stage][1])
    ends = [windows[stage][1] for stage in by_end]
    latest = list(accumulate((windows[stage][0] for stage in by_end), max))
    order = {}
    for stage, (start, _) in windows.items():
        over = bisect_right(ends, start)
        order[stage] = by_end[bisect_right(ends, latest[over - 1], hi=over) : over] if over else []
    return order


def _wait(
    runs: Sequence[Span], found: Mapping[str, Mapping[int, Span]], stage: str, upstreams: Sequence[str]
) -> float:
    """Usual wait, in the runs in which most of what it waits for was found."""
    waits: dict[int, list[float]] = {}
    for run, (start, _) in found[stage].items():
        ends = [found[name][run][1] for name in upstreams if run in found.get(name, ())]
        if ends or not upstreams:
            waits.setdefault(len(ends), []).append(start - max(ends, default=runs[run][0]))
    return median(waits[max(waits)]) if waits else 0.0


def _tail(runs: Sequence[Span], found: Mapping[str, Mapping[int, Span]]) -> float:
    last: dict[int, float] = {}
    for mine in found.values():
        for run, (_, end) in mine.items():
            last[run] = max(end, last.get(run, end))
    return median(max(0.0, runs[run][1] - end) for run, end in last.items()) if last else 0.0
