"""Traces of very many spans: each turn stays short, and what it leaves comes later."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.domain.spans import Span
from exporter.ingest.otlp import Reader, crowds
from exporter.store import gather, keeper, schema
from tests.support.otlp import gathered, span
from tests.unit.ingest.otlp.test_gather import LATER, RUN, stages, trees


def stage_rows(store: Any) -> int:
    return len(store.store.rows(schema.stages))


def little_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "AT_ONCE", 10)
    monkeypatch.setattr(keeper, "DUE", 10)


def test_one_turn_tells_no_more_than_it_may_and_the_keeper_tells_the_rest(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_at_once(monkeypatch)
    with gathered(database_url) as store:
        store.put(*(span(number, 1, f"part {number}") for number in range(2, 102)))
        assert stage_rows(store) == 0
        store.put(span(1, 0, "run"))
        assert stage_rows(store) <= 10
        store.store.pass_time(1)
        assert stage_rows(store) == 100
        assert len(stages(store, "etl", RUN)) == 100


def test_what_was_shown_without_its_root_moves_in_pieces_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_at_once(monkeypatch)
    root = span(1, attributes={"cicd.pipeline.name": "Build", "cicd.pipeline.run.id": "7"})
    with gathered(database_url) as store:
        store.put(*(span(number, 1, f"part {number}") for number in range(2, 52)))
        store.store.pass_time(LATER)
        assert len(stages(store, "etl", RUN)) == 50
        store.put(root)
        store.store.pass_time(1)
        assert list(store.rows()) == [("default", "Build", "7")]
        assert len(stages(store, "Build", "7")) == 50


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), data=st.data())
def test_rows_are_the_same_when_little_is_told_at_once(
    tmp_path_factory: pytest.TempPathFactory, tree: list[Span], data: st.DataObject
) -> None:
    with gathered(f"sqlite:///{tmp_path_factory.mktemp('a')}/x.db") as store:
        store.put(*tree)
        store.store.pass_time(LATER)
        expected = store.rows()
    arrived = data.draw(st.permutations(tree))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gather, "AT_ONCE", 1)
        with gathered(f"sqlite:///{tmp_path_factory.mktemp('b')}/x.db") as store:
            for one in arrived:
                store.put(one)
            for _ in range(2 * len(tree)):
                store.store.pass_time(LATER)
            assert store.rows() == expected


def test_more_spans_of_one_name_than_anybody_retries_are_instances(database_url: str) -> None:
    crowd = crowds.ATTEMPTS + 20
    with gathered(database_url) as store:
        spans = [span(number, 1, "SELECT", start=number, end=number + 1) for number in range(2, crowd + 2)]
        store.put(span(1, 0, "run", end=crowd))
        store.put(*spans[: crowd // 2])
        store.put(*spans[crowd // 2 :])
        store.put(*spans)
        (run,) = store.rows().values()
        assert stage_rows(store) == crowd
        assert len(run["stages"]) == 21
        assert run["counts"] == (21, 21, 0)
        (select,) = store.store.components("stage").values()
        assert select.totals.counters["pipeline_stage_executions_total"] == {"succeeded": crowd}


def test_spans_below_one_of_a_crowd_are_stages_within_it(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(span(1, 0, "run", end=999))
        store.put(*(span(number, 1, "part") for number in range(2, crowds.ATTEMPTS + 12)))
        store.put(span(999, crowds.ATTEMPTS + 11, "insert"))
        assert stages(store, "etl", RUN)["part/insert"] == "succeeded"


def test_only_so_many_are_remembered(sqlite_url: str) -> None:
    reader = Reader()
    reader._crowds = crowds.Crowds(attempts=2, remembered=3)
    with gathered(sqlite_url, reader) as store:
        store.put(span(1, 0, "run"))
        store.put(*(span(number, 1, name) for number, name in enumerate("aaabbbaaa", 2)))
        assert stage_rows(store) == 9
