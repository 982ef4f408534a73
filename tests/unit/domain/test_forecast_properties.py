"""What holds of every forecast, whatever is told."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite

from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.forecast import ExecutionRun, StageRun, forecast
from exporter.domain.graph import Graph
from exporter.domain.history import learn
from exporter.domain.plan import plan
from exporter.domain.remaining import Outlook
from exporter.domain.status import ACTIVE, Status
from tests.support.forecasts import at, done, left, outlook, running, runs, usual_spans

names = st.sampled_from("abcdefgh")
graphs = st.dictionaries(names, st.lists(names, max_size=3), max_size=8)
seconds = st.floats(-1e4, 1e7, allow_nan=False)
times = st.none() | st.builds(at, seconds)
parts = st.none() | st.floats(0, 1)
stage_runs = st.builds(
    StageRun,
    names,
    st.sampled_from(Status),
    times,
    times,
    parts,
    times,
    st.integers(0, 100),
    st.integers(0, 100),
    st.none() | st.integers(0, 100),
    st.booleans(),
)
executions = st.builds(
    ExecutionRun,
    st.sampled_from(sorted(ACTIVE)),
    times,
    st.lists(stage_runs, max_size=8),
    parts,
    times,
    times,
    times,
)
spans = st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)).map(lambda pair: (min(pair), max(pair)))
outlooks = st.builds(
    lambda runs, stages, graph, declared: Outlook(plan(learn(runs, stages, graph, kept=5), declared)),
    st.lists(spans, max_size=6),
    st.dictionaries(names, st.lists(spans, max_size=5), max_size=8),
    graphs,
    st.sets(names),
)


@given(executions, outlooks, seconds)
def test_whatever_is_told_progress_is_below_one_and_the_end_not_past(
    execution: ExecutionRun, usual: Outlook, moment: float
) -> None:
    shown = forecast(execution, usual, at(moment))
    assert shown.progress is None or 0 <= shown.progress < 1
    assert (shown.progress is None) == (shown.progress_source is None)
    assert shown.eta is None or shown.eta >= at(moment)


@given(executions, outlooks, seconds, st.floats(0, 1e6))
def test_derived_progress_never_falls_while_nothing_is_heard(
    execution: ExecutionRun, usual: Outlook, moment: float, later: float
) -> None:
    before, after = (forecast(execution, usual, at(seconds)).progress for seconds in (moment, moment + later))
    assert before is None or after is None or after >= before - 1e-9


durations = st.fixed_dictionaries({name: st.floats(0.1, 1e5) for name in "abcdefgh"})


@given(graphs, durations, durations, st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_derived_progress_never_falls_in_a_run_without_retries(
    graph: Graph, usual_seconds: dict[str, float], own_seconds: dict[str, float], moments: list[float]
) -> None:
    usual = outlook(graph, usual_seconds, runs=3)
    own = usual_spans(graph, own_seconds, 0.0)
    end = max([last for _, last in own.values()], default=1.0)
    shown = []
    for moment in sorted(end * part for part in moments):
        begun = [(name, span) for name, span in own.items() if span[0] <= moment]
        stages = [done(name, *span) if span[1] <= moment else runs(name, span[0]) for name, span in begun]
        shown.append(forecast(running(*stages), usual, at(moment)).progress or 0.0)
        assert isfinite(shown[-1])
    assert all(after >= before - 1e-9 for before, after in pairwise(shown))


@given(st.integers(1, 12), st.floats(1, 1e5), st.floats(0, 0.99))
def test_stages_side_by_side_take_hardly_longer_than_one(
    count: int, usual_seconds: float, part: float
) -> None:
    graph: Graph = {f"part {number}": [] for number in range(count)}
    usual = outlook(graph, dict.fromkeys(graph, usual_seconds))
    moment = usual_seconds * part
    execution = running(*(runs(stage, 0) for stage in graph))
    assert left(execution, usual, moment) < 1.3 * usual_seconds - moment
