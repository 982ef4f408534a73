"""Graphs of stages: layers, the critical path and the drawing."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.graph import X_STEP, Y_STEP, Graph, acyclic, critical_path, layers, layout

DIAMOND: Graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}

any_graph = st.dictionaries(
    st.sampled_from("abcdefghijkl"), st.lists(st.sampled_from("abcdefghijklxyz"), max_size=6), max_size=12
)
seconds = st.dictionaries(st.sampled_from("abcdefghijklxyz"), st.floats(0, 1e6))


def test_layers_follow_the_longest_chain() -> None:
    assert layers({"a": [], "b": ["a"], "c": ["a", "b"], "d": []}) == [["a", "d"], ["b"], ["c"]]


def test_no_stages_have_no_layers_path_or_drawing() -> None:
    assert (layers({}), critical_path({}, {}), layout({})) == ([], [], {})


def test_unknown_and_repeated_upstreams_are_passed_over() -> None:
    assert acyclic({"b": ["a", "a", "gone", "b"], "a": ["gone"]}) == {"a": [], "b": ["a"]}


def test_a_circle_is_cut_before_the_stage_named_first() -> None:
    assert layers({"a": ["c"], "b": ["a"], "c": ["b"]}) == [["a"], ["b"], ["c"]]


def test_a_stage_that_only_waits_for_a_circle_loses_no_edge() -> None:
    assert layers({"end": ["c"], "a": ["c"], "b": ["a"], "c": ["b"]}) == [["a"], ["b"], ["c"], ["end"]]


def test_a_circle_is_entered_where_a_stage_without_upstreams_leads_into_it() -> None:
    assert layers({"a": ["c"], "b": ["a", "start"], "c": ["b"], "start": []}) == [
        ["start"],
        ["b"],
        ["c"],
        ["a"],
    ]


def test_the_critical_path_takes_the_longest_branch() -> None:
    assert critical_path(DIAMOND, {"a": 1, "b": 5, "c": 7, "d": 1}) == ["a", "c", "d"]


def test_without_durations_the_critical_path_has_the_most_stages() -> None:
    assert critical_path({"a": [], "b": ["a"], "c": ["b"], "d": ["a"]}, {}) == ["a", "b", "c"]


def test_a_chain_is_drawn_straight() -> None:
    assert layout({"a": [], "b": ["a"], "c": ["b"]}) == {"a": (0, 0), "b": (X_STEP, 0), "c": (2 * X_STEP, 0)}


def test_a_fork_is_drawn_symmetrically() -> None:
    places = layout(DIAMOND)
    assert [places[stage] for stage in "abcd"] == [
        (0, 0),
        (X_STEP, -Y_STEP / 2),
        (X_STEP, Y_STEP / 2),
        (2 * X_STEP, 0),
    ]


def test_chains_side_by_side_do_not_cross() -> None:
    graph: Graph = {"a1": [], "b1": [], "c1": [], "c2": ["c1"], "a2": ["a1"], "b2": ["b1"], "b3": ["b2"]}
    places = layout(graph)
    assert all(places[stage][1] == places[names[0]][1] for stage, names in graph.items() if names)


def test_stages_with_one_use_stand_together() -> None:
    graph: Graph = {"a": [], "b": [], "c": [], "d": [], "x": ["a", "c"], "y": ["b", "d"]}
    assert crossings(graph) == 0


def test_a_tree_is_drawn_without_crossings() -> None:
    random = Random(7)
    graph: dict[str, list[str]] = {"0": []}
    for number in range(1, 200):
        graph[str(number)] = [str(random.randrange(number))]
    assert crossings(graph) == 0


def test_barycenters_cross_less_than_the_order_of_declaration() -> None:
    random = Random(1)
    graph: dict[str, list[str]] = {f"0/{number}": [] for number in range(10)}
    for depth in range(1, 5):
        for number in random.sample(range(10), 10):
            graph[f"{depth}/{number}"] = [f"{depth - 1}/{near}" for near in {number, min(number + 1, 9)}]
    declared = {
        stage: (column * X_STEP, row * Y_STEP)
        for column, names in enumerate(layers(graph))
        for row, stage in enumerate(names)
    }
    assert crossings(graph) < crossings(graph, declared) / 4


@given(any_graph)
def test_every_stage_gets_its_own_spot_on_the_grid_right_of_its_upstreams(graph: Graph) -> None:
    places = layout(graph)
    assert list(places) == list(graph)
    edges = acyclic(graph)
    for x in {x for x, _ in places.values()}:
        heights = sorted(y for column, y in places.values() if column == x)
        assert all(below - above >= Y_STEP for above, below in pairwise(heights))
        assert all(height % (Y_STEP / 2) == 0 for height in heights)
    for names in layers(graph):
        assert all(places[stage][0] > places[name][0] for stage in names for name in edges[stage])


@given(any_graph)
def test_only_circles_unknown_stages_and_repetitions_lose_edges(graph: Graph) -> None:
    edges = acyclic(graph)
    assert sorted(edges) == sorted(graph)
    order = list(edges)
    for position, stage in enumerate(order):
        assert set(edges[stage]) <= set(order[:position])
    for stage, names in graph.items():
        for name in set(names) & set(graph) - set(edges[stage]):
            assert name == stage or stage in upstream_of(edges, name)


@given(any_graph, st.lists(st.sampled_from("abcdefghijkl"), min_size=1))
def test_a_stage_added_at_the_end_moves_none_of_the_layers_before(graph: Graph, names: list[str]) -> None:
    feeding = {name for edges in acyclic(graph).values() for name in edges}
    names = [name for name in names if name in feeding or (name in graph and acyclic(graph)[name])]
    before, after = layout(graph), layout({**graph, "new": names})
    if names:
        rows = layers({**graph, "new": names})
        own = next(depth for depth, row in enumerate(rows) if "new" in row)
        assert all(after[stage] == before[stage] for row in rows[:own] for stage in row)


def test_a_large_layer_stands_in_columns_before_the_next() -> None:
    graph: dict[str, list[str]] = {"first": [], **{f"test {number}": ["first"] for number in range(12)}}
    places = layout({**graph, "last": ["test 0"]})
    columns = Counter(x for x, _ in places.values())
    assert columns == {0: 1, X_STEP: 4, 2 * X_STEP: 4, 3 * X_STEP: 4, 4 * X_STEP: 1}
    assert max(y for _, y in places.values()) - min(y for _, y in places.values()) < 4 * Y_STEP


@given(any_graph, seconds)
def test_no_chain_takes_longer_than_the_critical_path(graph: Graph, durations: dict[str, float]) -> None:
    edges = acyclic(graph)
    reach: dict[str, float] = {}
    for stage, names in edges.items():
        reach[stage] = durations.get(stage, 0) + max([reach[name] for name in names], default=0)
    path = critical_path(graph, durations)
    assert sum(durations.get(stage, 0) for stage in path) == max(reach.values(), default=0)
    assert all(stage in edges[following] for stage, following in pairwise(path))


def test_a_thousand_stages_take_less_than_a_twentieth_of_a_second() -> None:
    random = Random(3)
    graph = {
        str(stage): [str(random.randrange(stage)) for _ in range(3)] if stage else [] for stage in range(1000)
    }
    assert min(cpu_seconds(graph) for _ in range(5)) < 0.05


def test_a_chain_of_ten_thousand_stages_is_no_deeper_than_others() -> None:
    graph = {str(stage): [str(stage + 1)] for stage in range(10_000)}
    assert len(layers(graph)) == len(critical_path(graph, {})) == len(layout(graph)) == 10_000


def cpu_seconds(graph: Graph) -> float:
    start = process_time()
    layout(graph)
    return process_time() - start


def upstream_of(edges: Graph, stage: str) -> set[str]:
    """All stages that one waits for, directly or not."""
    found: set[str] = set()
    waiting = [stage]
    while waiting:
        new = set(edges[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def crossings(graph: Graph, places: dict[str, tuple[float, float]] | None = None) -> int:
    """Pairs of edges between two neighbouring layers that cross in the drawing."""
    places = places or layout(graph)
    edges = [(places[name], places[stage]) for stage, names in acyclic(graph).items() for name in names]
    return sum(
        (a[1] - c[1]) * (b[1] - d[1]) < 0
        for number, (a, b) in enumerate(edges)
        for c, d in edges[:number]
        if a[0] == c[0] and b[0] == d[0]
    )
