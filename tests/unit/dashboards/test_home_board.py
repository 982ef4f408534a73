"""The first dashboard, its SQL over a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.boards.home import board
from dashboards.scope import WHERE_PIPELINES
from exporter.domain import events as e
from exporter.domain.events import Event
from tests.support.migrated import migrated
from tests.support.postgresql import PostgreSQL
from tests.support.stored import event, stored
from tests.unit.dashboards.shown import Shown, seconds_ago


def runs() -> Iterator[Event]:
    """A pipeline whose first run has not ended, and one that has succeeded."""
    yield event(e.ExecutionStarted(pipeline="first", execution="1"), seconds_ago(minutes=2))
    yield event(e.ExecutionStarted(pipeline="second", execution="1"), seconds_ago(minutes=3))
    yield event(
        e.ExecutionFinished(pipeline="second", execution="1", status="succeeded"), seconds_ago(minutes=1)
    )


@pytest.fixture(scope="module")
def shown(postgresql: PostgreSQL) -> Iterator[Shown]:
    with stored(postgresql.create_database(prepared_by=migrated)) as store:
        store.put(*runs())
        yield Shown(store.engine, board())


KNOWN = {"pipeline": "first|second", "environment": "default"}


def test_what_has_not_ended_has_no_figures_of_an_end(shown: Shown) -> None:
    """Grafana takes a null for a zero: no success at all, and an end in 1970."""
    rows = {row["Pipeline"]: row for row in shown.panel("Pipelines", **KNOWN)}
    assert [rows["first"][figure] for figure in ("Success", "p95", "Last end")] == ["NaN"] * 3
    assert float(rows["second"]["Success"]) == 1
    assert float(rows["second"]["p95"]) == pytest.approx(120, abs=1)


def test_pipelines_that_prometheus_does_not_know_of_are_shown(shown: Shown) -> None:
    nothing_chosen = WHERE_PIPELINES.replace("${pipeline:sqlstring}", "").replace(
        "${environment:sqlstring}", ""
    )
    rows = shown.ask("SELECT pipeline FROM executions WHERE " + nothing_chosen)  # noqa: S608 - our own condition
    assert {row["pipeline"] for row in rows} == {"first", "second"}


def test_the_chosen_pipelines_alone_are_shown(shown: Shown) -> None:
    rows = shown.panel("Pipelines", **(KNOWN | {"pipeline": "second"}))
    assert {row["Pipeline"] for row in rows} == {"second"}
