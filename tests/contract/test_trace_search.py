"""Searches find what a plain look at all rows finds, and recorded or simulated runs become valid traces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from starlette.testclient import TestClient

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.domain.status import ACTIVE, FAILING, Status
from exporter.domain.times import to_micros
from exporter.store import schema
from exporter.store.engine import reading
from exporter.store.queries import page as paging
from exporter.store.queries import traces
from exporter.store.queries.order import Order
from exporter.store.queries.traces import Search
from exporter.store.queries.walk import in_order, lasting, walk
from exporter.store.queries.wanted import Condition
from exporter.store.schema import duration_sort
from tests.support.app import serving
from tests.support.openlineage import OPENLINEAGE
from tests.support.recordings import recorded, recordings
from tests.support.stored import Stored, at, event, stored
from tests.support.traces import read
from tests.unit.demo.story import tell

SECOND = 1_000_000
NOW = to_micros(at(600))
COUNT = 120
STAGES = ("extract", "load", "check")


def story(dice: random.Random) -> Iterator[Event]:
    """Executions of three pipelines with stages that end well, badly, or not yet."""
    for number in range(COUNT):
        who: dict[str, Any] = {"pipeline": dice.choice("abc"), "execution": f"run-{number}"}
        start = float(dice.randrange(60))
        trigger = dice.choice(("schedule", "manual", None))
        yield event(e.ExecutionStarted(**who, trigger=trigger), start)
        for stage in dice.sample(STAGES, dice.randrange(4)):
            begin = start + dice.randrange(5)
            yield event(e.StageStarted(**who, stage=stage), begin)
            if dice.random() < 0.8:
                status = dice.choice(("succeeded", "succeeded", "failed"))
                yield event(e.StageFinished(**who, stage=stage, status=status), begin + dice.randrange(9))
        if dice.random() < 0.85:
            status = dice.choice(("succeeded", "failed", "cancelled"))
            yield event(e.ExecutionFinished(**who, status=status), start + 5 + dice.randrange(30))


@pytest.fixture(params=["as set", "small limits"])
def store(
    request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stored]:
    if request.param == "small limits":
        # So that a hundred executions are as many as a million: those few that are common are passed by.
        monkeypatch.setattr(paging, "LOOKS", (9, 40, 80))
        monkeypatch.setattr(paging, "FEW", 30)
        monkeypatch.setattr(traces, "LOOKS", (20, 2_000))
    with stored(database_url) as store:
        store.put(*story(random.Random(5)))
        yield store


def everything(store: Stored) -> list[tuple[Any, list[Any]]]:
    """All executions, each with its stages."""
    stages: dict[str, list[Any]] = {}
    for row in store.rows(schema.stages, schema.stages.c.status.is_not(None)):
        stages.setdefault(row.execution_id, []).append(row)
    return [(row, stages.get(row.id, [])) for row in store.rows(schema.executions)]


def expected(held: list[tuple[Any, list[Any]]], search: Search) -> list[str]:
    """The executions that match, by the plainest means."""
    rows = [row for row, stages in held if matches(row, stages, search)]
    rows.sort(key=lambda row: (row.sort_at, row.id), reverse=True)
    return [row.id for row in rows]


def matches(row: Any, stages: list[Any], search: Search) -> bool:
    names = None if search.services is None else {service.id for service in search.services}
    if names is not None and row.pipeline_id not in names:
        return False
    if any(getattr(row, column) not in values for column, values in search.equal.items()):
        return False
    if not search.stages:
        length = row.duration if row.status not in ACTIVE else NOW - row.started_at
        return _timed(row.sort_at, length, search)
    return any(
        stage.name in search.stages
        and (not search.stage_statuses or stage.status in search.stage_statuses)
        and _timed(stage.first_at, _length(stage), search)
        for stage in stages
    )


def _length(stage: Any) -> int:
    length: int = NOW - stage.first_at if stage.duration is None else stage.duration
    return length


def _timed(start: int, length: int, search: Search) -> bool:
    return (
        (search.since is None or start >= search.since)
        and (search.until is None or start < search.until)
        and (search.shortest is None or length >= search.shortest)
        and (search.longest is None or length <= search.longest)
    )


def some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


MOMENTS = st.none() | st.integers(0, 70).map(lambda seconds: to_micros(at(seconds)))
LENGTHS = st.none() | st.integers(0, 40).map(lambda seconds: seconds * SECOND)
EQUAL = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([("failed",), ("failed", "running"), tuple(Status)]),
        "trigger": st.sampled_from([("manual",), ("manual", "schedule"), ("nobody",)]),
        "external_id": st.sampled_from([("run-7",), ("nope",)]),
    },
)
ERRORS = st.sampled_from([(), ("succeeded",), tuple(sorted(FAILING))])


def test_a_search_finds_the_latest_that_match(store: Stored) -> None:
    with reading(store.engine) as connection:
        known = traces.services(connection)
    held = everything(store)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        names=st.none() | some(("a", "b", "c")),
        equal=EQUAL,
        stages=some(STAGES),
        statuses=ERRORS,
        times=st.tuples(MOMENTS, MOMENTS),
        lengths=st.tuples(LENGTHS, LENGTHS),
        limit=st.integers(1, 200),
    )
    def finds_all(  # noqa: PLR0917 - hypothesis names them
        names: tuple[str, ...] | None, equal: dict[str, tuple[str, ...]], stages: tuple[str, ...],
        statuses: tuple[str, ...], times: Any, lengths: Any, limit: int,
    ) -> None:  # fmt: skip
        search = Search(
            limit=limit,
            now=NOW,
            services=None if names is None else tuple(each for each in known if each.name in names),
            equal=equal,
            stages=stages,
            stage_statuses=statuses if stages else (),
            since=times[0],
            until=times[1],
            shortest=lengths[0],
            longest=lengths[1],
        )
        with reading(store.engine) as connection:
            found = [row.id for row in traces.find(connection, search)]
        wanted = expected(held, search)
        if stages:
            # By their stages they come in the order of those, and are cut in it.
            assert len(found) == min(limit, len(wanted))
            assert set(found) <= set(wanted)
        else:
            assert found == wanted[:limit]

    finds_all()


@pytest.fixture
def client(database_url: str) -> Iterator[TestClient]:
    with serving(database_url) as client:
        yield client


def all_traces(client: TestClient, since: timedelta) -> int:
    """How many spans the traces of all executions have, each trace valid and found by its pipeline."""
    start, end = to_micros(at(0) - since), 2**53
    spans = 0
    for service in client.get("/jaeger/api/services").json()["data"]:
        operations = client.get(f"/jaeger/api/services/{quote(service, safe='')}/operations").json()["data"]
        query: dict[str, Any] = {"service": service, "start": start, "end": end, "limit": 1000}
        for short in read(client.get("/jaeger/api/traces", params=query).json()):
            answer = client.get(f"/jaeger/api/traces/{short.traceID}")
            assert answer.status_code == 200, answer.text
            (whole,) = read(answer.json())
            assert whole.root.told["cicd.pipeline.name"] == service
            names = {span.operationName for span in whole.spans[1:] if "stage.name" in span.told}
            assert names <= set(operations)
            spans += len(whole.spans)
    return spans


# Recordings with no request of OpenLineage leave nothing to look at.
NAMES = [name for prefix in OPENLINEAGE for name in recordings(prefix) if not name.startswith("airflow2")]


@pytest.mark.parametrize("name", NAMES)
def test_recorded_runs_are_valid_traces(client: TestClient, name: str) -> None:
    sent = 0
    for request in recorded(name):
        if request.path.endswith("/lineage"):
            kind = {"content-type": request.headers.get("content-type", "application/json")}
            sent += client.post("/api/v1/lineage", content=request.body, headers=kind).status_code == 200
    listed = client.get("/api/pipeline/executions").json()["executions"]
    spans = all_traces(client, timedelta(days=3650))
    assert spans >= len(listed)
    assert sent


def test_the_demo_is_valid_traces(client: TestClient) -> None:
    told = tell(timedelta(seconds=20), speed=10.0)
    for start in range(0, len(told), 500):
        batch = [each.as_cloudevent() for each in told[start : start + 500]]
        assert client.post("/api/v1/events", json=batch, headers=BATCH).status_code == 202
    assert all_traces(client, timedelta(days=2)) > 50


BATCH = {"content-type": "application/cloudevents-batch+json"}


def test_sqlite_begins_with_the_few(sqlite_url: str) -> None:
    condition = Condition({"pipeline_id": (1,)}, since=5, until=10**15, shortest=10**9)
    with stored(sqlite_url) as store, reading(store.engine) as connection:
        way = walk(connection, condition, Order())
        ids = select(schema.executions.c.id).where(*lasting(duration_sort, condition)).limit(5)
        statement = in_order(way.among(ids), way.order)
        compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]
    used = [step for step in plan if step.startswith("SEARCH")]
    assert "executions_by_duration" in used[0], plan
    assert "sqlite_autoindex_executions" in used[1], plan
