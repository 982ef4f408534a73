"""Pages put together are the whole list: sorted, nothing twice, nothing missing, for every filter and order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event
from exporter.domain.status import ACTIVE, FINAL, Status
from exporter.store import schema
from exporter.store.engine import reading
from exporter.store.queries import executions
from exporter.store.queries import page as paging
from exporter.store.queries.order import By, Order, Position
from exporter.store.queries.walk import PATHS, Walk
from exporter.store.queries.wanted import Condition, Wanted
from tests.support.stored import Stored, event, stored

PIPELINES = ("alpha", "beta", "gamma")
ENVIRONMENTS = ("default", "lab")
KINDS = ("etl", "ml")
WORDS = ("alpha", "run-1", "un-", "team=red", "no such table", "z", "%", "_", "nowhere", "'; --", '"')
COUNT = 260


def story(dice: random.Random) -> list[Event]:
    """Executions in every status; many began at the same instant, many have no end or duration."""
    told: list[Event] = []
    for number in range(COUNT):
        who: dict[str, Any] = {
            "pipeline": dice.choice(PIPELINES),
            "environment": dice.choice(ENVIRONMENTS),
            "execution": f"run-{number}",
        }
        at = float(dice.randrange(60))
        kind = dice.choice((*KINDS, None))
        labels: dict[str, Any] | None = (
            {"team": dice.choice(("red", "blue"))} if dice.random() < 0.4 else None
        )
        source = dice.choice(("cloudevents", "airflow"))
        if dice.random() < 0.8:
            told.append(event(e.ExecutionStarted(**who, kind=kind, labels=labels), at, source=source))
        else:
            told.append(event(e.ExecutionQueued(**who, kind=kind), at, source=source))
        if dice.random() < 0.85:
            status = dice.choice([each for each in Status if each in FINAL and each is not Status.LOST])
            error = (
                ErrorDetail("OperationalError: no such table: Orders") if status is Status.FAILED else None
            )
            end = at + dice.choice((0, 1, 1, 5, 5, 60))
            told.append(event(e.ExecutionFinished(**who, status=status, error=error), end, source=source))
    dice.shuffle(told)
    return told


@pytest.fixture
def store(database_url: str) -> Any:
    with stored(database_url) as store:
        store.put(*story(random.Random(11)))
        yield store


def matches(row: Any, text: str, wanted: Wanted) -> bool:
    return (
        (not wanted.pipelines or row.pipeline in wanted.pipelines)
        and wanted.environment in (None, row.environment)
        and (not wanted.statuses or row.status in wanted.statuses)
        and (not wanted.kinds or row.kind in wanted.kinds)
        and wanted.source in (None, row.source)
        and wanted.external_id in (None, row.external_id)
        and (wanted.since is None or row.sort_at >= wanted.since)
        and (wanted.until is None or row.sort_at < wanted.until)
        and all(word.lower() in text for word in wanted.words)
    )


_VALUES: dict[By, Callable[[Any], int]] = {
    By.STARTED: lambda row: row.sort_at,
    By.ENDED: lambda row: row.ended_at or 0,
    By.DURATION: lambda row: -1 if row.duration is None else row.duration,
}


def everything(store: Stored) -> list[tuple[Any, str]]:
    """All executions, each with the text that it is found by."""
    texts = {row.execution_id: row.text for row in store.rows(schema.execution_search)}
    return [(row, texts[row.id]) for row in store.rows(schema.executions)]


def expected(held: list[tuple[Any, str]], wanted: Wanted, order: Order) -> list[Any]:
    """The whole list, by the plainest means."""
    rows = [row for row, text in held if matches(row, text, wanted)]
    return sorted(rows, key=lambda row: (_VALUES[order.by](row), row.id), reverse=order.descending)


def pages(engine: Engine, wanted: Wanted, order: Order, size: int) -> list[str]:
    """The ids of all pages, one after the other, each asked for with the cursor of the one before."""
    found: list[str] = []
    after: Position | None = None
    for _ in range(20 * COUNT):
        with reading(engine) as connection:
            rows, following = executions.find(connection, wanted, order, after, size)
        assert len(rows) <= size
        found += [row.id for row in rows]
        if following is None:
            return found
        after = Position.of_cursor(following.cursor(order), order)
    raise AssertionError("the pages do not come to an end")


def some(values: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


MOMENTS = st.one_of(st.none(), st.integers(0, 70))
WANTED = st.builds(
    lambda since, until, **rest: Wanted(since=instant(since), until=instant(until), **rest),
    since=MOMENTS,
    until=MOMENTS,
    pipelines=some((*PIPELINES, "unknown")),
    environment=st.sampled_from((None, None, *ENVIRONMENTS)),
    statuses=some(tuple(Status)),
    kinds=some(KINDS),
    source=st.sampled_from((None, None, "airflow", "cloudevents", "dbt")),
    external_id=st.sampled_from((None, None, None, "run-7", "nope")),
    words=some(WORDS),
)
ORDERS = st.builds(Order, by=st.sampled_from(By), descending=st.booleans())


def instant(seconds: int | None) -> int | None:
    if seconds is None:
        return None
    noon = 1_795_348_800_000_000
    return noon + seconds * 1_000_000


# Small limits, so that a few hundred executions are as many as a million.
@pytest.mark.parametrize("small", [False, True], ids=["as set", "small limits"])
def test_pages_are_the_whole_list(store: Stored, monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    if small:
        monkeypatch.setattr(paging, "LOOKS", (9, 17, 20))
        monkeypatch.setattr(paging, "LOOKS_AT_TEXTS", (9, 13, 20))
        monkeypatch.setattr(paging, "LOOKS_ALONG_TEXTS", (8, 30))
        monkeypatch.setattr(paging, "FEW", 12)
        monkeypatch.setattr(paging, "FEW_TEXTS", 5)

    held = everything(store)

    @settings(max_examples=70, suppress_health_check=list(HealthCheck))
    @given(wanted=WANTED, order=ORDERS, size=st.sampled_from((1, 3, 10, 500)))
    def pages_are_the_list(wanted: Wanted, order: Order, size: int) -> None:
        rows = expected(held, wanted, order)
        found = pages(store.engine, wanted, order, size)
        if wanted.words and order.by is By.STARTED:
            # Texts of one instant come in an order of their own.
            instants = {row.id: row.sort_at for row in rows}
            assert sorted(found) == sorted(row.id for row in rows)
            assert [instants[id_] for id_ in found] == [row.sort_at for row in rows]
        else:
            assert found == [row.id for row in rows]

    pages_are_the_list()


def test_a_page_holds_what_it_can_hold(store: Stored) -> None:
    wanted = Wanted(statuses=(Status.FAILED, Status.SUCCEEDED), kinds=("etl",), words=("run",))
    with reading(store.engine) as connection:
        rows, following = executions.find(connection, wanted, Order(), None, 5)
    assert len(rows) == 5
    assert following is not None


def test_active_executions_are_counted_by_status(store: Stored) -> None:
    with reading(store.engine) as connection:
        counts = executions.count_active(connection)
        some = executions.count_active(connection, Wanted(pipelines=("alpha",), environment="lab"))
    rows = [row for row in store.rows(schema.executions) if row.status in ACTIVE]
    assert sum(counts.values()) == len(rows)
    assert sum(some.values()) == len([r for r in rows if (r.pipeline, r.environment) == ("alpha", "lab")])


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("descending", [True, False])
def test_sqlite_walks_along_the_index(sqlite_url: str, path: Any, descending: bool) -> None:
    order = Order(path.by, descending=descending)
    condition = Condition({name: (1,) if name == "pipeline_id" else ("x",) for name in path.columns})
    walk = Walk(path, condition, order)
    assert walk.covers
    with stored(sqlite_url) as store, reading(store.engine) as connection:
        for after in (None, Position(1, "0" * 32)):
            for leg in walk.legs(after):
                plan = explained(connection, leg.first(50))
                assert all("USING" in step and "TEMP B-TREE" not in step for step in plan), plan


def explained(connection: Any, statement: Any) -> list[str]:
    compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]
