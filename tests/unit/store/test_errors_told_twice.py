"""An error that two ways in tell is one error, kept and counted once, in any order."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event, ExecutionFinished, StageFinished
from exporter.store import schema
from tests.support.stored import Stored, event, stored

ABOUT: dict[str, Any] = {"pipeline": "nightly", "execution": "r1"}


def failed(seconds: float, message: str, way: str = "") -> Event:
    error = ErrorDetail(message=message, type="ValueError")
    payload = StageFinished(**ABOUT, stage="load", attempt=1, status="failed", error=error)
    return replace(event(payload, seconds), way=way)


def kept(store: Stored) -> tuple[list[str], float]:
    """Messages of the errors that are kept, and how many were counted."""
    messages = sorted(row.message for row in store.rows(schema.errors))
    totals = [state.totals.counters["pipeline_errors_total"] for state in store.components("error").values()]
    return messages, sum(sum(counted.values()) for counted in totals)


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one group"])
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_way_that_knows_more_is_kept_and_the_most_that_one_told_is_counted(
    sqlite_url: str, order: tuple[int, ...], together: bool
) -> None:
    events = [
        failed(10, "first, by spans", "spans"),
        failed(12, "first, by storage", "source"),
        failed(20, "second, by spans", "spans"),
        failed(13, "first, by OpenLineage"),
    ]
    arrived = [events[at] for at in order]
    with stored(sqlite_url) as store:
        for group in [arrived] if together else [[one] for one in arrived]:
            store.put(*group)
        assert kept(store) == (["first, by spans", "second, by spans"], 2)


def test_one_way_tells_as_many_errors_as_there_are(sqlite_url: str) -> None:
    with stored(sqlite_url) as store:
        for number in range(40):
            store.put(failed(number, f"error {number}"))
        assert kept(store) == (sorted(f"error {number}" for number in range(40)), 40)


def test_an_execution_whose_end_is_told_by_two_ways_has_one_error(sqlite_url: str) -> None:
    payload = ExecutionFinished(
        **ABOUT, status="failed", error=ErrorDetail(message="no space", type="OSError")
    )
    with stored(sqlite_url) as store:
        store.put(replace(event(payload, 11), way="source"))
        store.put(replace(event(payload, 10), way="spans"))
        assert kept(store) == (["no space"], 1)
