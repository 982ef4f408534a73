"""How a pipeline usually runs, as a network of stages, and where in it an execution stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from exporter.domain.graph import acyclic
from exporter.domain.history import History
from exporter.domain.usual import PRIOR_SPREAD, Usual

EXPECTED = 0.5
"""Stages that this part of the runs had belong to the usual run."""

LEAST_WAIT = 1.0
"""Seconds that the news of a start may take before it is missed."""

MOST_OVERLAP = 1.2
"""Work that stages in a row may seem to have, as a part of the time they take together: medians do not add up."""

WAIT_SPREAD = 0.5
"""Waits for a scheduler or a worker vary more than work does."""


@dataclass(frozen=True, slots=True)
class Present:
    """A stage that there is news of, in seconds.

    `elapsed`: since its start, while it runs. `ended`: since its end. It waits if both are None, or, `again`,
    failed and may be tried once more. `blocks`: it failed for good, so that what waits for it will not run.
    `took`: duration of a success. `part` of its work was done `part_after` its start, by its own account or
    count, which has the weight `trust` (0 to 1) against its history.
    """

    elapsed: float | None = None
    ended: float | None = None
    blocks: bool = False
    took: float | None = None
    again: bool = False
    part: float = 0.0
    part_after: float = 0.0
    trust: float = 0.0

    @property
    def begun(self) -> bool:
        """Whether it runs or is over, and what it waited for is over as well."""
        return self.elapsed is not None or self.ended is not None


@dataclass(frozen=True, slots=True)
class Node:
    """A stage of the plan: numbers of those it waits for and of those that wait for it, and what is usual.

    `share`: part of the runs that it is in. `wait`: usual seconds before it starts.
    """

    name: str
    before: Sequence[int] = ()
    after: Sequence[int] = ()
    usual: Usual | None = None
    share: float = 0.0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The usual run of a pipeline: stages in an order in which they can run; good until another run is known.

    `typical`: a stage of no known duration, None if none is known. `tail`: seconds after the last stage.
    `complete`: the stages are known, from earlier runs or because a source declared them, not only those that
    ran so far.
    `placed`: so are their places in earlier runs, which then are made of stages, waits and a tail.
    """

    nodes: Sequence[Node] = ()
    total: Usual | None = None
    typical: Usual | None = None
    tail: float = 0.0
    complete: bool = False
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a stage: nothing if it is `over`; the rest of it if it runs; else a wait and all of it.

    `waited`: seconds of the wait that are over. `chance`: that the stage runs at all, if it has not begun.
    """

    node: Node
    present: Present | None = None
    over: bool = False
    waited: float = 0.0
    chance: float = 1.0

    @property
    def runs(self) -> bool:
        """Whether the stage runs now."""
        return not self.over and self.present is not None and self.present.elapsed is not None


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an execution stands, `elapsed` seconds after its start.

    `idle`: seconds since its last stage ended, if nothing more is expected.
    """

    elapsed: float
    rests: Sequence[Rest]
    idle: float | None


def plan(history: History, declared: Collection[str] = ()) -> Plan:
    """The plan that recent runs and, for stages not seen yet, a declaration give."""
    if history.total is None:
        # Before the first success the stages known are those of runs that are not over, and their durations too.
        history = replace(history, stages={})
    known = [stage.duration.median for stage in history.stages.values() if stage.share > 0]
    return Plan(
        nodes=list(_nodes(history, declared)),
        total=None if history.total is None else Usual.of(history.total),
        typical=Usual(max(median(known), 1e-6), 2 * PRIOR_SPREAD) if known else None,
        tail=history.tail,
        complete=bool(known) or bool(declared),
        placed=history.placed,
    )


def _nodes(history: History, declared: Collection[str]) -> Iterator[Node]:
    graph: dict[str, Sequence[str]] = dict.fromkeys((*declared, *history.stages), ())
    if not history.graph and _in_a_row(history):
        names = list(graph)
        graph.update((stage, (names[number],)) for number, stage in enumerate(names[1:]))
    edges = acyclic({**graph, **history.graph})
    numbers = {stage: number for number, stage in enumerate(edges)}
    after: dict[str, list[int]] = {stage: [] for stage in edges}
    for stage, upstreams in edges.items():
        for name in upstreams:
            after[name].append(numbers[stage])
    for stage, upstreams in edges.items():
        seen = history.stages.get(stage)
        yield Node(
            stage,
            [numbers[name] for name in upstreams],
            after[stage],
            None if seen is None else Usual.of(seen.duration),
            float(stage in declared) if seen is None else seen.share,
            0.0 if seen is None else seen.wait,
        )


def _in_a_row(history: History) -> bool:
    """Whether stages of which no order is known seem to run one after the other: their sum is not above the total."""
    work = sum(stage.duration.median * stage.share for stage in history.stages.values())
    return history.total is None or work <= history.total.median * MOST_OVERLAP


def moment(plan: Plan, elapsed: float, stages: Mapping[str, Present]) -> Moment:
    """Where an execution stands that has run for so many seconds and told that much of its stages."""
    nodes = plan.nodes
    passed = _passed_over(nodes, stages)
    over_for: list[float | None] = []
    blocked: list[bool] = []
    rests: list[Rest] = []
    for number, node in enumerate(nodes):
        present = stages.get(node.name)
        since = [over_for[upstream] for upstream in node.before]
        waited = min([elapsed, *(seconds for seconds in since if seconds is not None)])
        ready = None not in since
        held = any(blocked[upstream] for upstream in node.before) and (present is None or not present.begun)
        over = held or passed[number] or (present is not None and present.ended is not None)
        waited = waited if ready else 0.0
        chance = 1.0 if present is not None else _chance(node, waited)
        rests.append(Rest(node, present, over, waited, chance))
        ended = None if present is None else present.ended
        over_for.append((waited if ended is None else ended) if over else None)
        blocked.append(held or (present is not None and present.blocks))
    planned = {node.name for node in nodes}
    rests += [
        Rest(Node(name), present, over=present.ended is not None)
        for name, present in stages.items()
        if name not in planned
    ]
    return Moment(elapsed, rests, _idle(elapsed, rests))


def _chance(node: Node, waited: float) -> float:
    """That a stage is still to come: if not every run has it, the less the longer it could have begun."""
    if node.share >= 1:
        return 1.0
    late = Usual(max(node.wait, LEAST_WAIT), WAIT_SPREAD).outlasts(waited)
    return node.share * late / (1 - node.share * (1 - late))


def _passed_over(nodes: Sequence[Node], stages: Mapping[str, Present]) -> list[bool]:
    """Stages that will not run, or not again, since others that wait for them have begun."""
    passed = [False] * len(nodes)
    for number in range(len(nodes) - 1, -1, -1):
        node = nodes[number]
        present = stages.get(node.name)
        if present is None or present.again:
            passed[number] = any(
                passed[other] or ((later := stages.get(nodes[other].name)) is not None and later.begun)
                for other in node.after
            )
    return passed


def _idle(elapsed: float, rests: Sequence[Rest]) -> float | None:
    if any(not rest.over and rest.chance >= EXPECTED for rest in rests):
        return None
    ended = [
        rest.present.ended for rest in rests if rest.present is not None and rest.present.ended is not None
    ]
    return min(ended, default=elapsed)
