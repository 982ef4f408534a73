"""Recordings of real clients in the store: as the model says in every order, and counted once."""

from __future__ import annotations

from collections import Counter

import pytest

from exporter.domain.identity import execution_id
from exporter.store import schema
from tests.support import model
from tests.support.openlineage import OPENLINEAGE, ORDERS, bodies, told
from tests.support.recordings import recordings
from tests.support.stored import micros, stages_of, stored

NAMES = [name for prefix in OPENLINEAGE for name in recordings(prefix)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", NAMES)
def test_rows_are_the_same_for_every_order(sqlite_url: str, name: str, order: str) -> None:
    check_rows(sqlite_url, name, order)


@pytest.mark.parametrize("name", ["airflow3-retry_then_success", "dbt-build_structured", "olpy-unicode_big"])
def test_rows_are_the_same_on_postgresql(migrated_postgresql_url: str, name: str) -> None:
    check_rows(migrated_postgresql_url, name, "doubled and shuffled")


def check_rows(url: str, name: str, order: str) -> None:
    arrived = told(ORDERS[order](bodies(name)))
    expected = model.executions(arrived)
    with stored(url) as store:
        for start in range(0, len(arrived), 7):
            store.put(*arrived[start : start + 7])
        rows = {row.id: row for row in store.rows(schema.executions)}
        assert len(rows) == len(expected)
        for key, execution in expected.items():
            row = rows[execution_id(*key)]
            times = (execution.queued_at, execution.started_at, execution.ended_at)
            assert row.status == execution.status
            assert (row.queued_at, row.started_at, row.ended_at) == tuple(map(micros, times))
            assert stages_of(store, row.id) == {
                place: (
                    stage.status,
                    stage.duration,
                    [(one.number, one.status, one.duration) for one in stage.attempts],
                )
                for place, stage in execution.stages.items()
            }


@pytest.mark.parametrize("name", NAMES)
def test_in_order_each_end_is_counted_once_with_its_status(sqlite_url: str, name: str) -> None:
    arrived = told(bodies(name))
    with stored(sqlite_url) as store:
        for event in arrived:
            store.put(event)
        expected: dict[str, Counter[str]] = {}
        for (_, _, pipeline, _), execution in model.executions(arrived).items():
            if execution.ends:
                expected.setdefault(pipeline, Counter())[execution.status] += execution.ends
        for pipeline, ends in expected.items():
            assert sum(store.counter("pipeline_executions_total", pipeline).values()) == ends.total()
            if name != "olpy-disorder":  # there a success is corrected to a failure after it was counted
                assert store.counter("pipeline_executions_total", pipeline) == ends
