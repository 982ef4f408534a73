"""The store against a plain model of the rules: random events, any order, any duplication, any cut into groups."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.domain.identity import event_identity, execution_id
from exporter.store import long_stages, schema
from exporter.store.work import Cache
from tests.support import model
from tests.support.migrated import migrated
from tests.support.stored import Stored, at, micros, stages_of, stored

TABLES = (
    "executions",
    "stages",
    "long_stages",
    "errors",
    "events",
    "execution_search",
    "pipelines",
    "components",
)
ENDS = ("succeeded", "failed", "cancelled", "timed_out")


def state_payloads() -> st.SearchStrategy[e.Payload]:
    """Payloads that change what an execution or its stages are, over few names, so that they meet."""
    run = st.fixed_dictionaries(
        {"pipeline": st.sampled_from(["a", "b"]), "execution": st.sampled_from(["1", "2"])}
    )
    plain = [
        e.ExecutionQueued,
        e.ExecutionStarted,
        e.ExecutionPaused,
        e.ExecutionResumed,
        e.ExecutionHeartbeat,
    ]
    states = st.builds(lambda kind, names: kind(**names), st.sampled_from(plain), run)
    ends = st.builds(
        lambda names, status, conclusive: e.ExecutionFinished(**names, status=status, conclusive=conclusive),
        run,
        st.sampled_from(ENDS),
        st.booleans(),
    )
    place = st.one_of(
        st.fixed_dictionaries({"stage": st.just("work"), "index": st.sampled_from(["0", "1"])}),
        st.fixed_dictionaries({"stage": st.sampled_from(["load", "work"])}),
        st.fixed_dictionaries({"stage": st.just("inner"), "parent": st.just(["load"])}),
    )
    attempt: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"attempt": st.integers(1, 3)}),
        st.fixed_dictionaries({"attempt_id": st.sampled_from(["x", "y"])}),
    )
    stages = st.builds(
        lambda kind, names, where, which: kind(**names, **where, **which),
        st.sampled_from([e.StageQueued, e.StageStarted, e.StageProgressed]),
        run,
        place,
        attempt,
    )
    stage_ends = st.builds(
        lambda names, where, which, status: e.StageFinished(**names, **where, **which, status=status),
        run,
        place,
        attempt,
        st.sampled_from([*ENDS, "skipped"]),
    )
    settled = st.builds(
        lambda names, stage, status, took: e.StageSettled(
            **names, stage=stage, status=status, duration_seconds=took
        ),
        run,
        st.sampled_from(["load", "work"]),
        st.sampled_from(["succeeded", "failed", "skipped"]),
        st.one_of(st.none(), st.integers(0, 20).map(float)),
    )
    return st.one_of(states, ends, stages, stage_ends, settled)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events, each at an instant of its own: what happens at one instant is for other tests."""
    payloads = draw(st.lists(state_payloads(), min_size=1, max_size=25))
    seconds = draw(st.permutations(range(len(payloads))))
    return [
        Event(event_identity("h", str(number)), at(second * 3), "cloudevents", "", payload)
        for number, (payload, second) in enumerate(zip(payloads, seconds, strict=True))
    ]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    """A history, and groups in which it arrives: shuffled, some of it twice."""
    history = draw(histories())
    again = draw(st.lists(st.sampled_from(history), max_size=5))
    order = draw(st.permutations([*history, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=6)))
    bounds = [0, *cuts, len(order)]
    return history, [order[a:b] for a, b in itertools.pairwise(bounds) if b > a]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    if request.param == "sqlite":
        url = f"sqlite:///{Path(tmp_path_factory.mktemp('model')) / 'exporter.db'}"
    else:
        url = request.getfixturevalue("postgresql").create_database(prepared_by=migrated)
    with stored(url) as store:
        yield store


def emptied(store: Stored) -> Stored:
    with store.engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names from above
        connection.execute(text("UPDATE clock SET version = 0, series = 0").execution_options())
        connection.execute(schema.clock.update().values(state=b"{}"))
    store.writer.cache = Cache()
    return store


FEW = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@FEW
@given(arrivals())
def test_rows_are_what_the_model_says(shared: Stored, arrival: tuple[list[Event], list[list[Event]]]) -> None:
    history, groups = arrival
    store = emptied(shared)
    for group in groups:
        store.put(*group)
    expected = model.executions(history)
    rows = {row.id: row for row in store.rows(schema.executions)}
    assert len(rows) == len(expected)
    for key, execution in expected.items():
        row = rows[execution_id(*key)]
        assert (row.status, row.queued_at, row.started_at, row.ended_at) == (
            execution.status,
            *map(micros, (execution.queued_at, execution.started_at, execution.ended_at)),
        )
        assert stages_of(store, row.id) == {
            place: (stage.status, stage.duration, [(a.number, a.status, a.duration) for a in stage.attempts])
            for place, stage in execution.stages.items()
        }
        top = [stage for (path, _), stage in execution.stages.items() if len(path) == 1]
        assert row.stages_total == len(top)


@FEW
@given(histories())
def test_in_order_every_end_is_counted_once(shared: Stored, history: list[Event]) -> None:
    store = emptied(shared)
    ordered = sorted(history, key=lambda event: event.time)
    for event in ordered:
        store.put(event)
    assert store.clock().totals.counters.get("pipeline_exporter_corrections_total", {}).get("lost") is None
    assert_ends_counted(store, history)


@FEW
@given(arrivals())
def test_however_they_arrive_no_end_is_counted_twice(
    shared: Stored, arrival: tuple[list[Event], list[list[Event]]]
) -> None:
    history, groups = arrival
    plain = [replace_conclusive(event) for event in history]
    by_identity = {event.identity: event for event in plain}
    store = emptied(shared)
    for group in groups:
        store.put(*(by_identity[event.identity] for event in group))
    assert_ends_counted(store, plain)


@FEW
@given(arrivals())
def test_attempts_put_by_change_nothing(
    shared: Stored, arrival: tuple[list[Event], list[list[Event]]]
) -> None:
    _, groups = arrival
    told = {}
    for most in (2, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(long_stages, "MOST", most)
            patch.setattr(long_stages, "KEPT", 2)
            store = emptied(shared)
            for group in groups:
                store.put(*group)
            told[most] = everything(store)
    assert told[2] == told[1000]


def everything(store: Stored) -> dict[str, list[tuple[Any, ...]]]:
    """What a store holds, but for what was put by and numbers that databases give."""
    found = {}
    for name in TABLES:
        table = schema.metadata.tables[name]
        columns = [column.name for column in table.columns if column.name != "seq"]
        rows = [tuple(getattr(row, column) for column in columns) for row in store.rows(table)]
        found[name] = sorted(rows, key=repr)
    del found["long_stages"]
    return found


def assert_ends_counted(store: Stored, history: list[Event]) -> None:
    expected: Counter[str] = Counter()
    for (_, _, pipeline, _), execution in model.executions(history).items():
        expected[pipeline] += execution.ends
    for pipeline, ends in expected.items():
        assert sum(store.counter("pipeline_executions_total", pipeline).values()) == ends


def replace_conclusive(event: Event) -> Event:
    """The same, its end not conclusive: then ends only ever become more."""
    if isinstance(event.payload, e.ExecutionFinished):
        return msgspec.structs.replace(
            event, payload=msgspec.structs.replace(event.payload, conclusive=False)
        )
    return event
