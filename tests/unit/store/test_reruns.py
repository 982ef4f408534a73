"""An execution that runs again under its own id: attempts, items and errors of its stages."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.store import schema
from exporter.store.records import Attempt, Execution
from exporter.store.state import Facts
from exporter.web.answers.execution import own_error
from exporter.web.answers.stage import instances
from tests.support.stored import Stored, event, stored

RERUN: dict[str, Any] = {"pipeline": "nightly", "execution": "run-1", "stage": "copy"}


def try_of(number: int, begin: float, status: str, **told: Any) -> list[e.Event]:
    return [
        event(e.StageStarted(**RERUN, attempt=number), begin),
        event(e.StageFinished(**RERUN, attempt=number, status=status, **told), begin + 1),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_execution_that_runs_again_under_its_id_goes_on_with_the_attempts_of_its_stages(
    sqlite_url: str, order: tuple[int, ...]
) -> None:
    parts = [try_of(1, 0, "failed"), try_of(2, 10, "succeeded"), try_of(1, 20, "failed")]
    with stored(sqlite_url) as store:
        for position in order:
            store.put(*parts[position])
        rows = store.attempts()
        assert [(row.attempt, row.last, row.status) for row in rows] == [
            (2, False, "succeeded"),
            (3, True, "failed"),
        ]
        (shown,) = instances([Attempt.from_row(row) for row in rows], [])
        assert [(each.number, each.episode.status) for each in shown.tries] == [
            (1, "failed"),
            (2, "succeeded"),
            (3, "failed"),
        ]
        (component,) = store.components("stage").values()
        assert component.totals.counters["pipeline_stage_retries_total"] == {"": 2}


def test_items_of_each_run_under_one_id_are_counted(store: Stored) -> None:
    store.put(*try_of(1, 0, "succeeded", items=e.Items(in_=100, out=90)))
    store.put(event(e.StageProgressed(**RERUN, attempt=1, items=e.Items(in_=40)), 10.5))
    store.put(*try_of(1, 10, "succeeded", items=e.Items(in_=100, out=80)))
    (component,) = store.components("stage").values()
    assert component.totals.counters["pipeline_stage_items_total"] == {"in": 200, "out": 170}


def failed_try(number: int, begin: float, message: str) -> list[e.Event]:
    return try_of(number, begin, "failed", error=ErrorDetail(message))


def other_failure(begin: float) -> e.Event:
    names = {**RERUN, "stage": "load"}
    return event(e.StageFinished(**names, status="failed", error=ErrorDetail("no space")), begin)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_error_of_a_stage_that_went_well_in_the_end_is_not_the_executions(
    sqlite_url: str, order: tuple[int, ...]
) -> None:
    parts = [failed_try(1, 10, "refused"), try_of(2, 20, "succeeded"), [other_failure(5)]]
    with stored(sqlite_url) as store:
        for position in order:
            store.put(*parts[position])
        facts = msgspec.json.decode(store.execution().facts, type=Facts)
        assert facts.get("stage_error")["message"] == "no space"
        assert facts.get("stage_error")["stage"] == "load"


def test_without_a_stage_that_failed_in_the_end_an_execution_shows_its_own_error(store: Stored) -> None:
    run: dict[str, Any] = {"pipeline": "nightly", "execution": "run-1"}
    store.put(*failed_try(1, 10, "refused"))
    store.put(*try_of(2, 20, "succeeded"))
    store.put(event(e.ExecutionFinished(**run, status="failed", error=ErrorDetail("disk full")), 30))
    (row,) = store.rows(schema.executions)
    shown = own_error(Execution.from_row(row))
    assert shown is not None
    assert shown["message"] == "disk full"
