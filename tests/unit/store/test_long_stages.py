"""Stages with very many attempts: what was put by, and what takes it up again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event
from exporter.store import schema
from exporter.store.limits import Limits
from exporter.store.long_stages import KEPT, MOST
from exporter.store.records import Attempt, PutBy
from exporter.store.retention import Retention
from tests.support.stored import Stored, event

RUN: dict[str, Any] = {"pipeline": "nightly", "execution": "run-1"}
MANY = 3 * MOST
NAMES: list[Callable[[int], dict[str, Any]]] = [lambda k: {"attempt": k}, lambda k: {"attempt_id": f"x{k}"}]


def tried(number: int, named: dict[str, Any], *, final: bool = False) -> list[Event]:
    """An attempt that began and failed, ten seconds after the one before."""
    error = ErrorDetail(message=f"try {number}", type="Broken")
    failed = e.StageFinished(
        **RUN, stage="load", **named, status="failed", error=error, retry=not final, items=e.Items(out=2)
    )
    return [
        event(e.StageStarted(**RUN, stage="load", **named), 10 * number),
        event(failed, 10 * number + number % 7),
    ]


def filled(store: Stored, name: Callable[[int], dict[str, Any]], many: int = MANY) -> None:
    in_groups(store, [one for number in range(1, many + 1) for one in tried(number, name(number))])


def in_groups(store: Stored, events: list[Event]) -> None:
    store.put(event(e.ExecutionStarted(**RUN)))
    for start in range(0, len(events), 50):
        store.put(*events[start : start + 50])


def begun(first: int, last: int) -> list[Event]:
    """Attempts that do not end."""
    return [
        event(e.StageStarted(**RUN, stage="load", attempt=number), 10 * number)
        for number in range(first, last + 1)
    ]


def put_by(store: Stored) -> list[PutBy]:
    return [msgspec.json.decode(row.state, type=PutBy) for row in store.rows(schema.long_stages)]


def counted(store: Stored, name: str) -> dict[str, float]:
    return store.components("stage")[("load",)].totals.counters.get(name, {})


@pytest.mark.parametrize("name", NAMES, ids=["numbered", "named"])
def test_a_group_works_on_few_attempts_however_many_there_are(
    store: Stored, name: Callable[[int], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, name)
    read = 0
    from_row = Attempt.from_row

    def counting(values: Any) -> Attempt:
        nonlocal read
        read += 1
        return from_row(values)

    monkeypatch.setattr(Attempt, "from_row", counting)
    store.put(*tried(MANY + 1, name(MANY + 1)))
    assert KEPT <= read <= MOST
    shown = [(row.attempt, row.status, row.last) for row in store.attempts()]
    assert shown == [(number, "failed", number == MANY + 1) for number in range(1, MANY + 2)]
    assert counted(store, "pipeline_stage_executions_total") == {"failed": MANY + 1}
    assert counted(store, "pipeline_stage_retries_total") == {"": MANY}
    assert counted(store, "pipeline_stage_items_total") == {"out": 2 * (MANY + 1)}


def test_a_stage_with_few_attempts_has_none_put_by(store: Stored) -> None:
    filled(store, NAMES[0], MOST)
    assert put_by(store) == []


@pytest.mark.parametrize("name", NAMES, ids=["numbered", "named"])
def test_late_news_of_an_attempt_that_was_put_by_is_taken(
    store: Stored, name: Callable[[int], dict[str, Any]]
) -> None:
    filled(store, name)
    late = e.StageFinished(**RUN, stage="load", **name(3), status="succeeded", items=e.Items(out=5))
    store.put(event(late, 39))
    (third,) = [row for row in store.attempts() if row.attempt == 3]
    assert (third.status, third.duration) == ("succeeded", 9_000_000)
    assert counted(store, "pipeline_stage_items_total") == {"out": 2 * MANY + 3}
    assert sum(counted(store, "pipeline_stage_executions_total").values()) == MANY


def test_an_attempt_that_comes_late_finds_its_place_among_those_put_by(store: Stored) -> None:
    numbers = [number for number in range(1, MANY + 1) if number != 3]
    store.put(*(one for number in numbers for one in tried(number, {"attempt_id": f"x{number}"})))
    assert len(put_by(store)) == 1
    store.put(*tried(3, {"attempt_id": "late"}))
    assert [row.attempt for row in store.attempts()] == list(range(1, MANY + 1))
    (third,) = [row for row in store.attempts() if row.attempt == 3]
    assert third.attempt_key == "id:late"


def test_a_stage_whose_attempts_begin_again_is_worked_on_as_a_whole(store: Stored) -> None:
    filled(store, NAMES[0])
    store.put(event(e.StageStarted(**RUN, stage="load", attempt=1), 10 * MANY + 3600))
    last = [row.attempt_key for row in store.attempts() if row.last]
    assert last == ["1"]
    assert put_by(store) == []


def test_the_error_of_an_attempt_put_by_is_the_runs_while_no_other_went_well(store: Stored) -> None:
    in_groups(store, [*tried(1, {"attempt": 1}, final=True), *begun(2, MANY - 1)])
    (rest,) = put_by(store)
    assert rest.error is not None
    assert rest.error.value["message"] == "try 1"
    store.put(event(e.StageFinished(**RUN, stage="load", attempt=MANY - 1, status="succeeded"), 10 * MANY))
    assert "stage_error" not in msgspec.json.decode(store.execution().facts)["told"]
    store.put(event(e.StageStarted(**RUN, stage="load", attempt=MANY), 10 * MANY + 1))
    facts = msgspec.json.decode(store.execution().facts)
    assert facts["told"]["stage_error"][1]["message"] == "try 1"


def test_attempts_put_by_are_lost_with_their_execution_and_run_again_with_it(store: Stored) -> None:
    in_groups(store, begun(1, MANY))
    store.put(event(e.ExecutionFinished(**RUN, status="succeeded"), 10 * MANY + 10))
    assert {row.status for row in store.attempts()} == {"lost"}
    assert store.execution().stages_active == 0
    store.put(event(e.ExecutionStarted(**RUN), 10 * MANY + 3600))
    assert {row.status for row in store.attempts()} == {"running"}
    assert store.execution().stages_active == MANY


def test_what_was_put_by_goes_with_its_execution(store: Stored) -> None:
    filled(store, NAMES[0])
    store.put(event(e.ExecutionFinished(**RUN, status="failed"), 10 * MANY + 10))
    assert len(put_by(store)) == 1
    Retention().step(store.engine, Limits(retention=timedelta(days=1)), store.now + 3 * 86_400_000_000)
    assert store.rows(schema.executions) == []
    assert put_by(store) == []
