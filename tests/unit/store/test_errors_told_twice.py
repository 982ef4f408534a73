"""One end that is told in two ways has one error, and is counted once, whichever comes first."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event, ExecutionFinished, StageFinished, StageStarted
from exporter.store import schema
from tests.support.stored import event, stored

ABOUT: dict[str, Any] = {"pipeline": "nightly", "execution": "r1", "stage": "load", "attempt": 1}


def failed(seconds: float, message: str, type_: str = "ValueError") -> Event:
    error = ErrorDetail(message=message, type=type_)
    return event(StageFinished(**ABOUT, status="failed", error=error), seconds)


def started(seconds: float) -> Event:
    return event(StageStarted(**ABOUT), seconds)


def kept(sqlite_url: str, *events: Event) -> tuple[list[str], float]:
    """Messages of the errors that are kept, and how many were counted."""
    with stored(sqlite_url) as store:
        for one in events:
            store.put(one)
        messages = sorted(row.message for row in store.rows(schema.errors))
        counted = [
            sum(state.totals.counters["pipeline_errors_total"].values())
            for state in store.components("error").values()
        ]
        return messages, sum(counted)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_later_of_two_accounts_of_one_end_is_kept_and_counted_once(
    sqlite_url: str, order: tuple[int, ...]
) -> None:
    events = [started(0), failed(10, "row 17"), failed(12, "row 17, as the storage has it")]
    assert kept(sqlite_url, *(events[at] for at in order)) == (["row 17, as the storage has it"], 1)


def test_two_accounts_in_one_group_are_one_error(sqlite_url: str) -> None:
    with stored(sqlite_url) as store:
        store.put(started(0), failed(12, "later"), failed(10, "earlier"))
        assert [row.message for row in store.rows(schema.errors)] == ["later"]


def test_an_attempt_that_began_anew_may_fail_the_same_way_again(sqlite_url: str) -> None:
    events = [started(0), failed(10, "row 17"), started(11), failed(12, "row 17")]
    assert kept(sqlite_url, *events) == (["row 17", "row 17"], 2)


def test_errors_of_other_kinds_or_far_apart_are_errors_of_their_own(sqlite_url: str) -> None:
    assert kept(sqlite_url, failed(1, "a"), failed(2, "b", "KeyError"))[1] == 2
    assert kept(sqlite_url + "2", failed(1, "a"), failed(100, "b"))[1] == 2


def test_an_execution_whose_end_is_told_twice_has_one_error(sqlite_url: str) -> None:
    error = ErrorDetail(message="no space", type="OSError")
    about: dict[str, Any] = {"pipeline": "nightly", "execution": "r1", "status": "failed", "error": error}
    first, second = event(ExecutionFinished(**about), 10), event(ExecutionFinished(**about), 11)
    assert kept(sqlite_url, second, first) == (["no space"], 1)
