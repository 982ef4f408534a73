"""What is learnt from recent runs: durations, order, waits, and how often a stage is there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from exporter.domain.history import HALF_LIFE, Span, learn

RUNS: list[Span] = [(number * 1000.0, number * 1000.0 + 100) for number in range(10)]


def in_each(start: float, end: float, runs: Sequence[Span] = RUNS) -> list[Span]:
    """A stage that is in every run, at seconds after the run's start."""
    return [(begin + start, begin + end) for begin, _ in runs]


def test_durations_waits_and_tail_add_up_to_the_run() -> None:
    history = learn(RUNS, {"a": in_each(5, 40), "b": in_each(42, 90)}, {"a": [], "b": ["a"]})
    a, b = history.stages["a"], history.stages["b"]
    assert (a.wait, a.duration.median, b.wait, b.duration.median, history.tail) == (5, 35, 2, 48, 10)
    assert history.total is not None
    assert history.total.median == 100


def test_order_that_nobody_told_is_learnt_from_the_times() -> None:
    spans = {
        "join": in_each(50, 60),
        "left": in_each(10, 30),
        "right": in_each(10, 50),
        "first": in_each(0, 10),
    }
    graph = learn(RUNS, spans, {}).graph
    assert {stage: sorted(names) for stage, names in graph.items()} == {
        "first": [],
        "left": ["first"],
        "right": ["first"],
        "join": ["left", "right"],
    }


def test_only_the_last_stages_before_one_are_its_upstreams() -> None:
    spans = {str(number): in_each(number * 10, number * 10 + 9) for number in range(8)}
    graph = learn(RUNS, spans, {}).graph
    assert graph == {str(number): [str(number - 1)] if number else [] for number in range(8)}


def test_what_was_told_of_a_stage_goes_before_what_was_seen() -> None:
    spans = {"a": in_each(0, 10), "b": in_each(10, 20), "c": in_each(20, 30)}
    assert learn(RUNS, spans, {"c": ["a"]}).graph == {"a": [], "b": ["a"], "c": ["a"]}


def test_stages_that_take_no_time_do_not_wait_for_themselves() -> None:
    graph = learn(RUNS, {"a": in_each(0, 10), "b": in_each(10, 10), "c": in_each(10, 10)}, {}).graph
    assert graph == {"a": [], "b": ["a"], "c": ["a"]}


def test_a_stage_that_is_told_to_wait_but_starts_early_has_a_negative_wait() -> None:
    history = learn(RUNS, {"a": in_each(0, 50), "b": in_each(20, 90)}, {"a": [], "b": ["a"]})
    assert history.stages["b"].wait == -30


def test_instances_of_a_mapped_stage_are_one_stretch_of_time() -> None:
    spans = {"m": in_each(0, 20) + in_each(10, 50) + in_each(40, 70)}
    duration = learn(RUNS, spans, {}).stages["m"].duration
    assert (duration.runs, duration.median) == (10, 70)


def test_a_run_of_which_instances_may_be_forgotten_is_left_out() -> None:
    instances = sorted(in_each(0, 20) + in_each(10, 50) + in_each(40, 70), key=lambda span: span[1])
    duration = learn(RUNS, {"m": instances[-20:]}, {}, kept=20).stages["m"].duration
    assert (duration.runs, duration.median) == (6, 70)


def test_a_run_with_more_instances_than_are_remembered_began_when_the_stage_before_ended() -> None:
    spans = {"list": in_each(0, 10), "m": [(9000.0 + n, 9000.0 + n + 5) for n in range(60, 80)]}
    history = learn(RUNS, spans, {}, kept=20)
    assert history.stages["m"].duration.median == 74
    assert history.graph["m"] == ["list"]


def test_runs_that_overlap_tell_nothing_of_the_order() -> None:
    runs = [(number * 50.0, number * 50.0 + 100) for number in range(10)]
    history = learn(runs, {"a": in_each(0, 10, runs), "b": in_each(10, 90, runs)}, {})
    assert not history.placed
    assert history.graph == {}
    assert history.stages["b"].duration.median == 80


def test_a_stage_that_left_the_pipeline_is_soon_no_longer_expected() -> None:
    gone = in_each(0, 10, RUNS[:-HALF_LIFE])
    history = learn(RUNS, {"gone": gone, "stays": in_each(10, 20)}, {})
    assert history.stages["stays"].share == 1
    assert history.stages["gone"].share < 0.5


def test_a_new_stage_is_expected_from_its_first_run_on() -> None:
    assert learn(RUNS, {"new": in_each(0, 10, RUNS[-1:])}, {}).stages["new"].share == 1
    assert learn(RUNS, {"newer": [(9500.0, 9600.0)]}, {}).stages["newer"].share == 1


def test_a_stage_of_half_of_the_runs_has_a_share_of_a_half() -> None:
    share = learn(RUNS, {"at times": in_each(0, 10, RUNS[::2])}, {}).stages["at times"].share
    assert share == pytest.approx(0.5, abs=0.1)


def test_a_stage_that_only_failed_runs_had_is_not_expected() -> None:
    assert learn(RUNS, {"odd": [(500.0, 600.0)]}, {}).stages["odd"].share == 0


def test_without_runs_there_is_no_history() -> None:
    history = learn([], {}, {"b": ["a"], "a": []})
    assert (history.total, dict(history.stages), history.placed) == (None, {}, False)
    assert history.graph == {"a": [], "b": ["a"]}
