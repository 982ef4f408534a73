"""Spans of programs in a run that client or wrapper told: they join it, in any order, and make no run of their own."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from exporter.client.context import Place
from exporter.domain.events import Event, ExecutionFinished, ExecutionStarted, StageStarted
from exporter.domain.spans import Span
from tests.support.otlp import Gathered, gathered, span
from tests.support.stored import event

LATER = 31
ABOUT: dict[str, Any] = {"pipeline": "p", "environment": "default", "execution": "7"}
RUN = Place("p", "default", "7")
LOAD = Place("p", "default", "7", ("load",), instance="3")


def below(place: Place, id_: int, name: str, **more: Any) -> Span:
    """A span whose parent is a place in the run."""
    _, trace, parent, _ = place.traceparent.split("-")
    return span(id_, int(parent, 16), name, trace=int(trace, 16), service="p", **more)


def told() -> list[Event]:
    return [
        event(ExecutionStarted(**ABOUT), 0),
        event(StageStarted(**ABOUT, stage="load", index="3"), 1),
        event(ExecutionFinished(**ABOUT, status="succeeded"), 20),
    ]


def spans() -> list[Span]:
    trace = int(RUN.traceparent.split("-")[1], 16)
    return [
        below(RUN, 2, "fetch"),
        below(LOAD, 3, "insert", kind="client", remote=True),
        span(4, 3, "commit", trace=trace, service="p"),
    ]


EXPECTED = {
    (("load",), "3"),
    (("load", "insert"), "3"),
    (("load", "insert", "commit"), "3"),
    (("fetch",), None),
}


def stages(store: Gathered) -> set[Any]:
    rows = store.rows()
    assert list(rows) == [("default", "p", "7")]
    (run,) = rows.values()
    assert (run["status"], run["source"]) == ("succeeded", "cloudevents")
    return set(run["stages"])


def test_spans_below_a_run_and_its_stages_are_stages_of_it_at_once(database_url: str) -> None:
    with gathered(database_url) as store:
        store.put(*told())
        store.put(*spans())
        assert stages(store) == EXPECTED


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_any_order_and_with_any_delay_they_end_there(sqlite_url: str, order: tuple[int, ...]) -> None:
    groups: list[list[Event | Span]] = [[*told()], [*spans()[:2]], [*spans()[2:]]]
    with gathered(sqlite_url) as store:
        for position in order:
            store.put(*groups[position])
            store.store.pass_time(LATER)
        store.store.pass_time(LATER)
        assert stages(store) == EXPECTED


def test_a_span_below_one_that_is_never_sent_is_in_the_run(sqlite_url: str) -> None:
    trace = int(RUN.traceparent.split("-")[1], 16)
    with gathered(sqlite_url) as store:
        store.put(*told())
        store.put(span(9, 8, "orphan", trace=trace, service="other", kind="server", remote=True))
        store.store.pass_time(LATER)
        assert (("orphan",), None) in stages(store)


def test_a_run_that_spans_leave_again_stays(sqlite_url: str) -> None:
    trace = int(RUN.traceparent.split("-")[1], 16)
    build = {"cicd.pipeline.name": "Build", "cicd.pipeline.run.id": "1"}
    with gathered(sqlite_url) as store:
        store.put(*told())
        store.put(span(9, 8, "step", trace=trace))
        store.store.pass_time(LATER)
        store.put(span(8, 0, "build", trace=trace, attributes=build))
        assert ("default", "p", "7") in store.rows()
        assert (("step",), None) in store.rows()["default", "Build", "1"]["stages"]


def test_a_call_of_a_language_model_is_in_the_stage_that_made_it(sqlite_url: str) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}
    with gathered(sqlite_url) as store:
        store.put(*told())
        store.put(below(LOAD, 5, "chat m", attributes=call))
        assert [(one.pipeline, one.execution, one.stage) for one in store.calls()] == [("p", "7", "load")]
