"""Graphs of stages: in which order they can run, the chain that holds a pipeline up, and how to draw one.

A graph maps each stage to the stages that it waits for, as sources tell them. It need not be clean: upstreams
that are no stage of the graph and upstreams named twice are passed over, and a circle is cut (see `acyclic`).
Everything here takes time in proportion to stages and edges, and nothing recurses, since sources have graphs
of 10^4 stages in a chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Graph: TypeAlias = Mapping[str, Sequence[str]]
"""Stage → names of its upstream stages. The order of the stages, at best the declared one, breaks ties."""

X_STEP = 160.0
"""Pixels between layers: a name of twenty letters fits under a node of Grafana's node graph."""

Y_STEP = 120.0
"""Least pixels between stages of one layer: a node with its two lines of text."""

MOST_IN_COLUMN = 5
"""A larger layer stands in several columns of four: in one it would be higher than a screen, or too close."""

_GRID = Y_STEP / 2
"""Stages stand on half steps: a fork of two is symmetric, and a drawing in text can use them as rows."""


def acyclic(graph: Graph) -> dict[str, list[str]]:
    """The same graph, in an order in which it can run, without the edges that cannot be followed.

    A circle loses the edge that leads back into it, for one who walks downstream from the stages without
    upstreams, then from the others as they stand: of a circle that nothing leads into, the first stage named
    comes first.
    """
    upstreams = {stage: _known(stage, names, graph) for stage, names in graph.items()}
    downstreams: dict[str, list[str]] = {stage: [] for stage in graph}
    for stage, names in upstreams.items():
        for name in names:
            downstreams[name].append(stage)
    order, cut = _walk(upstreams, downstreams)
    for upstream, stage in cut:
        upstreams[stage].remove(upstream)
    return {stage: upstreams[stage] for stage in order}


def layers(graph: Graph) -> list[list[str]]:
    """Stages by the length of the longest chain before them; those of one layer never wait for each other."""
    depths = _depths(acyclic(graph))
    rows: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for stage in graph:
        rows[depths[stage]].append(stage)
    return rows


def critical_path(graph: Graph, durations: Mapping[str, float]) -> list[str]:
    """The chain of stages that takes longest, first to last; durations in seconds, an unknown one counts 0.

    Of equally long chains the one with more stages is taken, then the one whose end was named first.
    """
    edges = acyclic(graph)
    reach: dict[str, tuple[float, int]] = {}
    before: dict[str, str | None] = {}
    for stage, names in edges.items():
        upstream = max(names, key=reach.__getitem__, default=None)
        seconds, count = (0.0, 0) if upstream is None else reach[upstream]
        own = durations.get(stage, 0.0)
        reach[stage] = (seconds + own if own > 0 else seconds, count + 1)
        before[stage] = upstream
    path = []
    stage_or_none = max(graph, key=reach.__getitem__, default=None)
    while stage_or_none is not None:
        path.append(stage_or_none)
        stage_or_none = before[stage_or_none]
    return path[::-1]


def layout(graph: Graph) -> dict[str, tuple[float, float]]:
    """Where to draw each stage, in pixels: layers from left to right, y downwards and around 0.

    A layer of many stages stands in several columns. In a layer, stages are sorted by the mean height of their
    upstreams (the barycenter rule of Sugiyama, Tagawa and Toda, 1981) and stand as close to it as their neighbours
    let them. What is to the right has no say: a stage that is added downstream of the others moves none in the
    layers before its own, except that a stage which fed none before may change places with others like it.
    """
    edges = acyclic(graph)
    depths = _depths(edges)
    rows: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for stage in _by_use(graph, edges):
        rows[depths[stage]].append(stage)
    places: dict[str, tuple[float, float]] = {}
    x = 0.0
    for row in rows:
        wanted = {stage: _mean([places[name][1] for name in edges[stage]]) for stage in row}
        row.sort(key=wanted.__getitem__)
        columns = -(-len(row) // (MOST_IN_COLUMN - 1)) if len(row) > MOST_IN_COLUMN else 1
        for column in range(columns):
            part = row[column::columns]
            # Every other column stands half a step lower, so that an edge into the one behind passes between two.
            lower = column % 2 * _GRID
            for stage, y in zip(part, _spread([wanted[stage] for stage in part]), strict=True):
                places[stage] = (x, y + lower)
            x += X_STEP
    return {stage: places[stage] for stage in graph}


def _known(stage: str, upstreams: Sequence[str], graph: Graph) -> list[str]:
    return [name for name in dict.fromkeys(upstreams) if name in graph and name != stage]


def _walk(
    upstreams: Mapping[str, Sequence[str]], downstreams: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Depth first, downstream: stages in an order in which they can run, and edges that close a circle."""
    finished: list[str] = []
    cut: list[tuple[str, str]] = []
    open_: dict[str, bool] = {}
    roots = [stage for stage in upstreams if not upstreams[stage]]
    # Backwards, so that what is named first is finished last and comes out first.
    for root in [*roots[::-1], *(stage for stage in upstreams if upstreams[stage])]:
        if root in open_:
            continue
        open_[root] = True
        path = [(root, reversed(downstreams[root]))]
        while path:
            stage, following = path[-1]
            for name in following:
                if name not in open_:
                    open_[name] = True
                    path.append((name, reversed(downstreams[name])))
                    break
                if open_[name]:
                    cut.append((stage, name))
            else:
                open_[stage] = False
                finished.append(stage)
                path.pop()
    return finished[::-1], cut


def _depths(edges: Mapping[str, Sequence[str]]) -> dict[str, int]:
    depths: dict[str, int] = {}
    for stage, names in edges.items():
        depths[stage] = max([depths[name] for name in names], default=-1) + 1
    return depths


def _by_use(graph: Graph, edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Stages as those in the order of the graph need them, so that stages of one use stand together."""
    found: dict[str, None] = {}
    for root in [*(stage for stage in graph if edges[stage]), *graph]:
        if root in found:
            continue
        path = [(root, iter(edges[root]))]
        while path:
            stage, needed = path[-1]
            name = next((name for name in needed if name not in found), None)
            if name is None:
                found[stage] = None
                path.pop()
            else:
                path.append((name, iter(edges[name])))
    return list(found)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _spread(wanted: Sequence[float]) -> list[float]:
    """Heights a step apart or more and closest to the wanted ones, which ascend (pooled least squares)."""
    blocks: list[tuple[float, int]] = []
    for position, height in enumerate(wanted):
        total, count = height - position * Y_STEP, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before, size = blocks.pop()
            total, count = total + before, count + size
        blocks.append((total, count))
    heights: list[float] = []
    for total, count in blocks:
        offset = round(total / count / _GRID) * _GRID
        heights += [offset + (len(heights) + step) * Y_STEP for step in range(count)]
    return heights
