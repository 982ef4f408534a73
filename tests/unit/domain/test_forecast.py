"""Progress and ETA of active executions."""

from __future__ import annotations

from time import process_time

import pytest

from exporter.domain.forecast import ExecutionRun, StageRun, forecast
from exporter.domain.graph import Graph
from exporter.domain.history import Span, learn
from exporter.domain.plan import plan
from exporter.domain.remaining import Outlook
from exporter.domain.status import ACTIVE, Status
from tests.support.forecasts import START, at, done, left, outlook, progress, running, runs

CHAIN: Graph = {"a": [], "b": ["a"], "c": ["b"]}
FORK: Graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
NOTHING_KNOWN = Outlook(plan(learn([], {}, {})))


@pytest.mark.parametrize("told", [True, False])
def test_stages_in_a_row_add_up(told: bool) -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 200, "c": 100}, told=told)
    execution = running(done("a", 0, 100), runs("b", 100))
    assert left(execution, usual, 150) == pytest.approx(250, rel=0.05)
    assert progress(execution, usual, 150) == pytest.approx(150 / 400)


@pytest.mark.parametrize("told", [True, False])
def test_stages_side_by_side_do_not_add_up(told: bool) -> None:
    usual = outlook(FORK, {"a": 100, "b": 100, "c": 100, "d": 100}, told=told)
    execution = running(done("a", 0, 100), runs("b", 100), runs("c", 100))
    assert left(execution, usual, 150) == pytest.approx(150, rel=0.08)
    assert progress(execution, usual, 150) == pytest.approx(0.5)


def test_a_stage_beside_the_critical_path_delays_nothing() -> None:
    usual = outlook(FORK, {"a": 100, "b": 1000, "c": 10, "d": 100})
    quick = running(done("a", 0, 100), runs("b", 100), done("c", 100, 110))
    slow = running(done("a", 0, 100), runs("b", 100), runs("c", 100))
    assert left(quick, usual, 500) == pytest.approx(left(slow, usual, 500))


def test_waits_between_stages_and_the_tail_count() -> None:
    spans: dict[str, list[Span]] = {"a": [], "b": []}
    past: list[Span] = []
    for start in range(0, 20_000, 1000):
        past.append((start, start + 100))
        spans["a"].append((start + 10, start + 20))
        spans["b"].append((start + 60, start + 70))
    usual = Outlook(plan(learn(past, spans, {"b": ["a"]})))
    assert left(running(), usual, 0) == pytest.approx(100, rel=0.05)
    assert left(running(done("a", 10, 20)), usual, 20) == pytest.approx(80, rel=0.05)
    assert left(running(done("a", 10, 20), done("b", 60, 70)), usual, 70) == pytest.approx(30, rel=0.05)


def test_without_stages_the_usual_total_decides() -> None:
    usual = Outlook(plan(learn([(n * 1e4, n * 1e4 + 600) for n in range(20)], {}, {})))
    assert left(running(), usual, 300) == pytest.approx(300, rel=0.05)
    assert progress(running(), usual, 300) == pytest.approx(0.5)


def overlapping(total: float, starts: list[float]) -> Outlook:
    """Runs at the same time tell nothing of the order of their stages, of 50 seconds each."""
    spans = {str(start): [(n * 10.0 + start, n * 10.0 + start + 50) for n in range(20)] for start in starts}
    return Outlook(plan(learn([(n * 10.0, n * 10.0 + total) for n in range(20)], spans, {})))


def test_stages_of_unknown_order_that_add_up_to_the_total_run_one_after_the_other() -> None:
    usual = overlapping(100, [0, 50])
    assert left(running(done("0", 0, 50)), usual, 50) == pytest.approx(50, rel=0.05)
    assert left(running(done("0", 0, 20)), usual, 20) < 60


def test_stages_of_unknown_order_with_more_work_than_time_are_not_added_up() -> None:
    usual = overlapping(100, [0, 1, 2, 50, 51, 52])
    assert left(running(*(runs(name, 0) for name in "012")), usual, 1) == pytest.approx(100, rel=0.1)


def test_an_overdue_stage_is_not_expected_to_end_at_once() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 100, "c": 100})
    rests = [
        left(running(done("a", 0, 100), runs("b", 100)), usual, moment) for moment in (190, 300, 600, 5000)
    ]
    assert rests[1] > 100 + 5
    assert rests[1] < rests[2] < rests[3]
    assert rests[3] == pytest.approx(100 + 0.25 * 4800, rel=0.2)


def test_a_slow_run_is_expected_to_stay_slow_where_runs_differ() -> None:
    spans: dict[str, list[Span]] = {"a": [], "b": []}
    past: list[Span] = []
    for number in range(20):
        start, pace = number * 1e4, 1 + number % 5 / 2
        spans["a"].append((start, start + 100 * pace))
        spans["b"].append((start + 100 * pace, start + 200 * pace))
        past.append((start, start + 200 * pace))
    usual = Outlook(plan(learn(past, spans, {"a": [], "b": ["a"]})))
    slow, quick = running(done("a", 0, 300)), running(done("a", 0, 100))
    assert left(slow, usual, 300) > 1.4 * left(quick, usual, 100)


def test_a_mapped_stage_is_judged_by_its_own_pace() -> None:
    usual = outlook({"m": [], "end": ["m"]}, {"m": 1000, "end": 10})
    stage = runs("m", 0, done=48, running=4, total=100, told_at=at(50))
    assert left(running(stage), usual, 50) == pytest.approx(60, rel=0.1)
    assert progress(running(stage), usual, 50) == pytest.approx(0.5, abs=0.05)


def test_progress_that_a_stage_reports_is_extrapolated_from_when_it_was_reported() -> None:
    usual = outlook({"work": []}, {"work": 1000})
    stage = runs("work", 0, progress=0.5, told_at=at(50))
    assert left(running(stage), usual, 80) == pytest.approx(20, rel=0.2)


def test_a_failed_attempt_is_expected_to_be_repeated() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 100, "c": 100})
    failed = StageRun("b", Status.FAILED, at(100), at(150))
    assert left(running(done("a", 0, 100), failed), usual, 150) == pytest.approx(200, rel=0.05)


def test_what_waits_for_a_stage_that_failed_for_good_is_not_expected() -> None:
    usual = outlook(FORK, {"a": 100, "b": 100, "c": 200, "d": 1000})
    failed = StageRun("b", Status.FAILED, at(100), at(150), final=True)
    assert left(running(done("a", 0, 100), failed, runs("c", 100)), usual, 150) == pytest.approx(150, rel=0.1)


def test_a_failed_stage_that_others_did_not_wait_for_is_not_expected_again() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 1000, "c": 100})
    execution = running(done("a", 0, 100), StageRun("b", Status.FAILED, at(100), at(150)), runs("c", 150))
    assert left(execution, usual, 200) == pytest.approx(50, rel=0.2)


def test_a_stage_that_others_did_not_wait_for_was_skipped() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 1000, "c": 100})
    assert left(running(done("a", 0, 100), runs("c", 100)), usual, 150) == pytest.approx(50, rel=0.2)


def test_a_stage_of_some_runs_is_expected_the_less_the_longer_it_could_have_begun() -> None:
    past: list[Span] = [(n * 1e4, n * 1e4 + (1000 if n % 2 else 2000)) for n in range(20)]
    spans = {
        "a": [(start, start + 10) for start, _ in past],
        "at times": [(start + 12, start + 2000) for start, _ in past[::2]],
        "b": [(start + 10, start + 1000) for start, _ in past],
    }
    usual = Outlook(plan(learn(past, spans, {"a": [], "at times": ["a"], "b": ["a"]})))
    execution = running(done("a", 0, 10), runs("b", 10))
    assert left(execution, usual, 10) > 1200
    assert left(execution, usual, 60) == pytest.approx(940, rel=0.05)


def test_an_unknown_stage_is_taken_for_a_typical_one() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 100, "c": 100})
    execution = running(done("a", 0, 100), done("b", 100, 200), done("c", 200, 300), runs("new", 300))
    assert left(execution, usual, 310) == pytest.approx(90, rel=0.3)
    assert progress(execution, usual, 310) < 0.9


def test_a_first_run_has_progress_only_if_its_stages_were_declared() -> None:
    execution = running(done("a", 0, 100), runs("b", 100))
    assert forecast(execution, NOTHING_KNOWN, at(150)) == forecast(running(), NOTHING_KNOWN, at(150))
    declared = Outlook(plan(learn([], {}, CHAIN), declared=["a", "b", "c"]))
    seen = forecast(execution, declared, at(150))
    assert seen.progress == pytest.approx(1 / 3)
    assert (seen.progress_source, seen.eta) == ("derived", None)


def test_nothing_known_is_none_and_never_zero() -> None:
    nothing = forecast(running(), NOTHING_KNOWN, at(10))
    assert (nothing.progress, nothing.progress_source, nothing.eta) == (None, None, None)


def test_a_queued_execution_takes_its_usual_time_from_now() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 200, "c": 100})
    execution = ExecutionRun(Status.QUEUED)
    assert left(execution, usual, 50) == pytest.approx(400, rel=0.05)
    assert forecast(execution, usual, at(50)).progress is None


def test_a_paused_execution_keeps_its_progress_and_has_no_eta() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 200, "c": 100})
    execution = ExecutionRun(Status.PAUSED, START, [done("a", 0, 100), runs("b", 100)], paused_at=at(150))
    late, later = forecast(execution, usual, at(200)), forecast(execution, usual, at(5000))
    assert late == later
    assert late.progress == pytest.approx(150 / 400)
    assert late.eta is None


def test_an_execution_that_is_over_has_no_eta() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 200, "c": 100})
    over = {status: forecast(ExecutionRun(status, START), usual, at(400)) for status in set(Status) - ACTIVE}
    assert {shown.eta for shown in over.values()} == {None}
    assert {status for status, shown in over.items() if shown.progress == 1} == {Status.SUCCEEDED}


def test_a_start_that_nobody_told_is_that_of_the_first_stage() -> None:
    usual = outlook(CHAIN, {"a": 100, "b": 200, "c": 100})
    execution = ExecutionRun(Status.RUNNING, None, [runs("a", 0)])
    assert left(execution, usual, 50) == pytest.approx(350, rel=0.05)


class TestReported:
    """What an execution tells of itself."""

    usual = outlook(CHAIN, {"a": 100, "b": 200, "c": 100})

    def test_progress_goes_before_what_is_derived(self) -> None:
        shown = forecast(running(runs("a", 0), progress=0.75, progress_at=at(40)), self.usual, at(50))
        assert (shown.progress, shown.progress_source) == (0.75, "reported")

    def test_an_eta_goes_before_what_is_derived_until_it_has_passed(self) -> None:
        execution = running(done("a", 0, 100), runs("b", 100), eta=at(120))
        assert forecast(execution, self.usual, at(50)).eta == at(120)
        assert left(execution, self.usual, 200) == pytest.approx(200, rel=0.05)

    def test_progress_is_extrapolated_from_when_it_was_reported(self) -> None:
        execution = running(progress=0.5, progress_at=at(50))
        assert left(execution, NOTHING_KNOWN, 80) == pytest.approx(20, rel=0.05)

    def test_early_progress_is_mixed_with_the_usual_time(self) -> None:
        execution = running(progress=0.25, progress_at=at(50))
        assert 150 < left(execution, self.usual, 50) < 350

    def test_progress_of_zero_or_from_the_start_tells_no_end(self) -> None:
        assert forecast(running(progress=0.0), NOTHING_KNOWN, at(50)).eta is None
        assert forecast(running(progress=0.5, progress_at=START), NOTHING_KNOWN, at(50)).eta is None

    def test_progress_that_stands_still_moves_the_end_away(self) -> None:
        execution = running(progress=0.5, progress_at=at(50))
        assert left(execution, NOTHING_KNOWN, 1000) > 100

    def test_all_done_is_not_shown_before_the_end(self) -> None:
        assert progress(running(progress=1.0), self.usual, 390) == 0.99


def test_a_thousand_stages_take_less_than_a_tenth_of_a_second() -> None:
    graph = {str(n): [str(m) for m in (n - 1, n - 30, n - 31) if m >= 0] for n in range(1000)}
    usual = outlook(graph, dict.fromkeys(graph, 10.0), runs=2)
    execution = running(*(done(str(n), n * 10, n * 10 + 10) for n in range(300)), runs("300", 3000))
    took = []
    for _ in range(5):
        start = process_time()
        assert left(execution, usual, 3005) == pytest.approx(6995, rel=0.05)
        took.append(process_time() - start)
    assert min(took) < 0.1
