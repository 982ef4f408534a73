"""What a scrape reads, keeps and answers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import OperationalError

from exporter.domain import events as e
from exporter.exposition import Exposition
from exporter.store import snapshot
from exporter.store.readings import ExecutionReading
from tests.support.exposed import OPENMETRICS, Exposed, emptied, expose_everything, ran
from tests.support.postgresql import PostgreSQL
from tests.support.stored import event, stored


def run(exposed: Exposed, *pipelines: str, execution: str = "1") -> None:
    for pipeline in pipelines:
        exposed.store.put(*(event(payload, seconds) for seconds, payload in ran(pipeline, execution)))


@contextmanager
def statements(exposed: Exposed) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    found: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    sqlalchemy_event.listen(exposed.store.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sqlalchemy_event.remove(exposed.store.engine, "before_cursor_execute", note)


def test_a_scrape_of_an_unchanged_store_reads_the_clock_only(exposed: Exposed) -> None:
    run(exposed, "a", "b")
    exposed.scrape(encoding="gzip")
    with statements(exposed) as asked:
        exposed.scrape(encoding="gzip")
    assert [sql.partition("FROM ")[2].split()[0] for sql, _ in asked if sql.startswith("SELECT")] == ["clock"]


def test_a_scrape_reads_the_pipelines_that_changed_and_no_others(exposed: Exposed) -> None:
    run(exposed, "a", "b", "c")
    exposed.scrape()
    run(exposed, "b", execution="2")
    with statements(exposed) as asked:
        assert exposed.values("pipeline_executions_total", status="succeeded") == [1, 2, 1]
    parameters = [given for sql, given in asked if "FROM components" in sql]
    assert [len(given) for given in parameters] == [1]


def test_scrapes_at_once_share_the_work_of_reading(exposed: Exposed) -> None:
    run(exposed, "a", "b")
    with statements(exposed) as asked, ThreadPoolExecutor(8) as threads:
        bodies = list(threads.map(lambda _: exposed.scrape(encoding="identity").body, range(16)))
    assert len([sql for sql, _ in asked if "FROM components" in sql]) == 1
    assert {body.split(b"# HELP pipeline_exporter", 1)[0] for body in bodies} == {
        bodies[0].split(b"# HELP pipeline_exporter", 1)[0]
    }


def test_scrapes_that_waited_for_one_share_the_next_and_miss_nothing(exposed: Exposed) -> None:
    run(exposed, "a")
    begun, go_on, looks = threading.Event(), threading.Event(), []

    def forecasts(_: Connection, now: datetime) -> Iterable[ExecutionReading]:
        looks.append(now)
        begun.set()
        assert go_on.wait(30)
        return ()

    slow = Exposition(exposed.store.engine, exposed.store.limits, exposed.own, forecasts)
    with ThreadPoolExecutor(13) as threads:
        first = threads.submit(slow.scrape)
        assert begun.wait(30)
        run(exposed, "b")
        asked = perf_counter()
        others = [
            threads.submit(slow.scrape, asked=asked, names=names) for names in [(), ("pipeline_info",)] * 6
        ]
        go_on.set()
        bodies = [other.result(30).body for other in others]
        assert b'pipeline="b"' not in first.result(30).body
    assert all(b'pipeline="b"' in body for body in bodies)
    assert len(looks) == 2


def test_a_format_is_read_once_it_is_asked_for(exposed: Exposed) -> None:
    run(exposed, "a")
    exposed.scrape()
    run(exposed, "a", execution="2")
    assert b'pipeline_executions_total{environment="default",pipeline="a",status="succeeded"} 2.0\n' in (
        exposed.scrape(OPENMETRICS).body
    )


def test_a_database_restored_from_a_copy_is_read_anew(exposed: Exposed) -> None:
    run(exposed, "a", "b")
    exposed.scrape()
    emptied(exposed.store)
    run(exposed, "c")
    assert {dict(labels)["pipeline"] for name, labels in exposed.samples() if name == "pipeline_info"} == {
        "c"
    }


def test_a_database_that_is_away_is_no_answer(own_postgresql: PostgreSQL) -> None:
    with stored(own_postgresql.create_database()) as store:
        exposed = Exposed(store)
        run(exposed, "a")
        exposed.scrape()
        own_postgresql.stop()
        with pytest.raises(OperationalError):
            exposed.scrape()
        assert exposed.own.registry.get_sample_value("pipeline_exporter_database_up") == 0
        own_postgresql.start()
        assert exposed.values("pipeline_exporter_database_up") == [1]


def test_names_may_be_of_families(exposed: Exposed) -> None:
    run(exposed, "a")
    names = ["pipeline_execution_duration_seconds", "pipeline_executions"]
    told = {line.split(b"{")[0] for line in exposed.scrape(names=names).body.splitlines() if line[:1] != b"#"}
    assert told == {
        b"pipeline_execution_duration_seconds_bucket",
        b"pipeline_execution_duration_seconds_count",
        b"pipeline_execution_duration_seconds_sum",
        b"pipeline_executions_total",
    }


def test_names_of_nothing_get_nothing(exposed: Exposed) -> None:
    run(exposed, "a")
    assert exposed.scrape(names=["no_such_metric"]).body == b""


def test_active_rows_are_found_by_indexes_that_history_does_not_lengthen(sqlite_url: str) -> None:
    with stored(sqlite_url) as store:
        exposed = expose_everything(store)
        with statements(exposed) as asked:
            exposed.scrape()
        with store.engine.connect() as connection:
            plans = [
                connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all()[0][3]
                for sql, given in asked
                if "count(*)" in sql
            ]
    assert plans == [
        "SEARCH executions USING INDEX executions_by_pipeline_status (pipeline_id=? AND status=?)",
        "SEARCH stages USING INDEX stages_active (pipeline_id=?)",
    ]


def test_a_large_store_is_read_in_batches(exposed: Exposed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "BATCH", 2)
    names = [f"pipeline-{number}" for number in range(5)]
    exposed.put(*(e.PipelineDeclared(pipeline=name) for name in names))
    with statements(exposed) as asked:
        found = {dict(labels)["pipeline"] for name, labels in exposed.samples() if name == "pipeline_info"}
    assert found == set(names)
    assert len([sql for sql, _ in asked if "FROM components" in sql]) == 3
