"""Spans that wait for each other, and what is told meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from exporter.domain.spans import Span
from exporter.store import schema
from exporter.store.gather import KEPT
from tests.support.otlp import Gathered, gathered, span

LATER = 31


def stages(store: Gathered, *key: str) -> dict[str, str]:
    found = store.rows()["default", *key]["stages"]  # type: ignore[index]  # three names
    return {"/".join(path): str(stage[0]) for (path, _), stage in found.items()}


RUN = f"{1:032x}"


def test_a_child_waits_for_its_parents_up_to_the_root(database_url: str) -> None:
    with gathered(database_url) as store:
        store.put(span(3, 2, "insert"))
        store.put(span(2, 1, "load"))
        assert store.rows() == {}
        store.put(span(1, 0, "run", end=2))
        assert stages(store, "etl", RUN) == {"load": "succeeded", "load/insert": "succeeded"}


def test_an_orphan_is_shown_when_patience_is_over_and_moves_when_its_parent_comes(database_url: str) -> None:
    with gathered(database_url) as store:
        store.put(span(3, 2, "insert"))
        store.store.pass_time(LATER)
        assert stages(store, "etl", RUN) == {"insert": "succeeded"}
        store.put(span(2, 1, "load"))
        store.put(span(1, 0, "run", end=2))
        assert stages(store, "etl", RUN) == {"load": "succeeded", "load/insert": "succeeded"}
        (run,) = store.rows().values()
        assert (run["status"], run["counts"]) == ("succeeded", (1, 1, 0))


def test_a_root_that_comes_late_and_names_the_run_takes_what_was_shown_elsewhere(database_url: str) -> None:
    task = {"cicd.pipeline.task.name": "test", "cicd.pipeline.task.run.result": "success"}
    with gathered(database_url) as store:
        store.put(span(2, 1, "test", attributes=task))
        store.store.pass_time(LATER)
        assert list(store.rows()) == [("default", "etl", RUN)]
        store.put(span(1, attributes={"cicd.pipeline.name": "Build", "cicd.pipeline.run.id": "7"}))
        assert list(store.rows()) == [("default", "Build", "7")]
        assert stages(store, "Build", "7") == {"test": "succeeded"}


def test_a_child_that_comes_after_its_root_is_told_at_once(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(span(1, 0, "run"))
        store.put(span(2, 1, "load"))
        assert stages(store, "etl", RUN) == {"load": "succeeded"}


def test_an_orphan_whose_root_is_known_belongs_to_it(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(span(1, attributes={"cicd.pipeline.name": "Build", "cicd.pipeline.run.id": "7"}))
        store.put(span(3, 2, "lost parent"))
        store.store.pass_time(LATER)
        assert stages(store, "Build", "7") == {"lost parent": "succeeded"}


def test_what_is_called_from_elsewhere_is_an_execution_though_its_caller_is_never_seen(
    sqlite_url: str,
) -> None:
    with gathered(sqlite_url) as store:
        store.put(span(2, 9, "POST /run", kind="server", remote=True), span(3, 2, "load"))
        store.store.pass_time(LATER)
        (run,) = store.rows().values()
        assert run["status"] == "succeeded"
        assert [path for path, _ in run["stages"]] == [("load",)]


def test_spans_that_are_each_others_parents_hurt_nobody(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(span(1, 2), span(2, 1), span(3, 3))
        for _ in range(3):
            store.store.pass_time(LATER)
        store.put(span(4, 0, "run", trace=2))
        assert ("default", "etl", f"{2:032x}") in store.rows()


def test_a_call_is_counted_once_and_moves_to_the_stage_that_made_it(database_url: str) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}
    with gathered(database_url) as store:
        store.put(span(3, 2, "chat m", attributes=call, failed=True))
        store.store.pass_time(LATER)
        assert [(one.execution, one.stage) for one in store.calls()] == [(None, None)]
        store.put(span(2, 1, "answer"), span(1, 0, "run"))
        assert [(one.execution, one.stage) for one in store.calls()] == [(RUN, "answer")]
        (run,) = store.rows().values()
        assert [error[0] for error in run["errors"]] == ["answer"]
        totals = [state.totals for state in store.store.components("model").values()]
        assert len(totals) == 1


def test_a_call_within_a_call_is_the_same_one(sqlite_url: str) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.aggregated_usage.input_tokens": 5}
    with gathered(sqlite_url) as store:
        store.put(
            span(4, 3, "chat m", attributes=call),
            span(3, 2, "chat m", attributes=call),
            span(2, 1, "invoke_agent a", attributes=agent),
            span(1, 0, "run"),
        )
        assert [(one.stage, one.input_tokens) for one in store.calls()] == [("invoke_agent a", 5)]


def test_a_call_without_a_root_is_no_execution(sqlite_url: str) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}
    with gathered(sqlite_url) as store:
        store.put(span(1, 0, "chat m", attributes=call, kind="client"), span(2, 1, "POST", kind="client"))
        assert store.rows() == {}
        assert [(one.pipeline, one.execution) for one in store.calls()] == [("etl", None)]


def test_old_spans_are_forgotten(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(span(1))
        store.store.now += round((KEPT + timedelta(minutes=1)).total_seconds() * 1e6)
        store.store.keeper.look()
        with store.store.engine.connect() as connection:
            assert connection.scalar(select(func.count()).select_from(schema.spans)) == 0


def test_a_root_that_comes_with_a_grandchild_of_an_orphan_takes_both(database_url: str) -> None:
    root = {"cicd.pipeline.name": "p", "cicd.pipeline.run.id": "1"}
    with gathered(database_url) as store:
        store.put(span(5, 4, "a", kind="server"))
        store.store.pass_time(LATER)
        store.put(span(7, 5, "c", kind="client"), span(1, 0, "a", kind="server", attributes=root))
        store.store.pass_time(LATER)
        assert [run for _, _, run in store.rows()] == ["1"]


@st.composite
def trees(draw: st.DrawFn) -> list[Span]:
    """Traces of spans, some of whose parents are never sent."""
    found: list[Span] = []
    for trace in range(1, draw(st.integers(1, 2)) + 1):
        size = draw(st.integers(1, 7))
        missing = draw(st.sets(st.integers(1, size), max_size=2))
        for number in range(1, size + 1):
            parent = 0 if number == 1 else draw(st.integers(1, number - 1))
            start = draw(st.integers(0, 5))
            kind = draw(st.sampled_from(["internal", "client", "server"]))
            attributes = draw(
                st.sampled_from(
                    [
                        {},
                        {"cicd.pipeline.task.name": "t"},
                        {"cicd.pipeline.name": "p", "cicd.pipeline.run.id": "1"},
                    ]
                )
            )
            one = span(
                number,
                parent,
                draw(st.sampled_from("abc")),
                trace=trace,
                start=start,
                end=start + draw(st.integers(0, 3)),
                failed=draw(st.booleans()),
                kind=kind,
                attributes=attributes,
            )
            if number not in missing:
                found.append(one)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), data=st.data())
def test_any_order_any_batches_and_any_delays_end_with_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, tree: list[Span], data: st.DataObject
) -> None:
    with gathered(f"sqlite:///{tmp_path_factory.mktemp('a')}/x.db") as store:
        store.put(*tree)
        store.store.pass_time(LATER)
        expected = store.rows()
    arrived = data.draw(st.permutations(tree + tree[: data.draw(st.integers(0, len(tree)))]))
    with gathered(f"sqlite:///{tmp_path_factory.mktemp('b')}/x.db") as store:
        while arrived:
            size = data.draw(st.integers(1, len(arrived)))
            store.put(*arrived[:size])
            arrived = arrived[size:]
            if data.draw(st.booleans()):
                store.store.pass_time(LATER)
        store.store.pass_time(LATER)
        assert store.rows() == expected
