"""Times from the future hide nothing of what happens now."""

from __future__ import annotations

from typing import Any

import msgspec

from exporter.domain import events as e
from exporter.domain.status import FAILING, Status
from exporter.domain.times import SECOND, to_micros
from exporter.store import schema
from exporter.store.state import Duration, Ended, PipelineState, consecutive_failures
from tests.support.stored import Stored, at, event

YEAR = 365 * 24 * 3600


def run(number: int, seconds: float, status: str) -> list[e.Event]:
    names: dict[str, Any] = {"pipeline": "nightly", "execution": f"run-{number}"}
    return [
        event(e.ExecutionStarted(**names), seconds),
        event(e.ExecutionFinished(**names, status=status), seconds + 1),
    ]


def failures(state: PipelineState) -> int:
    return consecutive_failures(state, FAILING, Status.SUCCEEDED)


def test_a_success_from_the_future_is_as_old_as_its_arrival(store: Stored) -> None:
    store.put(*run(0, YEAR, "succeeded"))
    for number in range(1, 4):
        store.pass_time(60)
        store.put(*run(number, number * 60 - 5, "failed"))
    state = store.pipeline()
    assert failures(state) == 3
    assert [entry.status for entry in state.recent] == ["succeeded", "failed", "failed", "failed"]
    assert state.recent[0].ended_at == state.successes[0].ended_at == to_micros(at(0))
    assert state.starts == [to_micros(at(number * 60 - 5)) for number in range(1, 4)]


def test_what_else_is_told_of_a_run_from_the_future_does_not_make_it_the_latest(store: Stored) -> None:
    store.put(*run(0, YEAR, "succeeded"))
    store.pass_time(60)
    store.put(*run(1, 55, "failed"))
    store.pass_time(60)
    store.put(event(e.LogEmitted(pipeline="nightly", execution="run-0", message="late"), 110))
    assert failures(store.pipeline()) == 1


def test_an_end_from_the_future_that_was_stored_as_it_stood_is_forgotten_with_the_next(store: Stored) -> None:
    store.put(*run(0, 0, "succeeded"))
    state = store.pipeline()
    late = to_micros(at(YEAR))
    state.recent.append(Ended(late, "f" * 16, "succeeded", SECOND))
    state.successes.append(Duration(late, "f" * 16, SECOND))
    state.starts.append(late)
    state.last_at = late
    with store.engine.begin() as connection:
        connection.execute(schema.pipelines.update().values(state=msgspec.json.encode(state)))
    store.writer.cache.clear()
    store.put(*run(1, 60, "failed"))
    state = store.pipeline()
    assert failures(state) == 1
    assert [entry.status for entry in state.recent] == ["succeeded", "failed"]
    assert state.starts == [to_micros(at(0)), to_micros(at(60))]
    assert state.last_at == to_micros(at(61))
    assert state.successes[-1].ended_at == to_micros(at(1))
