"""The dashboard of errors, its SQL over a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.boards.errors import board
from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event
from tests.support.migrated import migrated
from tests.support.postgresql import PostgreSQL
from tests.support.stored import event, stored
from tests.unit.dashboards.shown import Shown, seconds_ago

ODD = 'it\'s "odd"'


def _failure(pipeline: str, run: str, seconds: float, error: ErrorDetail) -> Iterator[Event]:
    who: dict[str, Any] = {"pipeline": pipeline, "execution": run}
    yield event(e.StageStarted(**who, stage="load"), seconds - 10)
    yield event(e.StageFinished(**who, stage="load", status="failed", error=error), seconds)
    yield event(e.ExecutionFinished(**who, status="failed", error=error), seconds + 1)


def failures() -> Iterator[Event]:
    """A kind of error that was there yesterday, one that is new, one that went."""
    old = ErrorDetail("broker away", type="ConnectionError", component="kafka")
    new = ErrorDetail("100 % it's broken", type="KeyError", component=ODD, severity="critical")
    gone = ErrorDetail("gone", type="Gone")
    for number, hours in enumerate((30, 3, 2)):
        yield from _failure("nightly", f"old{number}", seconds_ago(hours=hours), old)
    yield from _failure("nightly", "gone", seconds_ago(hours=30), gone)
    yield from _failure(ODD, "new", seconds_ago(hours=1), new)


@pytest.fixture(scope="module")
def shown(postgresql: PostgreSQL) -> Iterator[Shown]:
    with stored(postgresql.create_database(prepared_by=migrated)) as store:
        store.put(*failures())
        yield Shown(store.engine, board())


def _figure(shown: Shown, title: str, **values: str) -> int:
    (row,) = shown.panel(title, **values)
    (value,) = row.values()
    return int(value)


def test_an_error_that_its_execution_says_again_counts_once(shown: Shown) -> None:
    assert _figure(shown, "Errors") == 3


def test_kinds_pipelines_and_new_kinds_are_counted(shown: Shown) -> None:
    assert _figure(shown, "Kinds") == 2
    assert _figure(shown, "Spread") == 2
    assert _figure(shown, "New") == 1


def test_filters_choose_by_pipeline_category_type_and_plain_text(shown: Shown) -> None:
    assert _figure(shown, "Errors", pipeline=ODD) == 1
    assert _figure(shown, "Errors", pipeline=f"{ODD}|nightly") == 3
    assert _figure(shown, "Errors", category="connection") == 2
    assert _figure(shown, "Errors", error_type="KeyError") == 1
    assert _figure(shown, "Errors", q="100 % IT'S") == 1
    assert _figure(shown, "Errors", q="100_%") == 0


def test_a_kind_is_marked_as_new_where_the_day_before_did_not_know_it(shown: Shown) -> None:
    found = {(row["Pipeline"], row["Error"]): row for row in shown.panel("Errors by kind")}
    assert found.keys() == {("nightly", "ConnectionError"), (ODD, "KeyError")}
    assert found["nightly", "ConnectionError"]["New"] == "no"
    assert found["nightly", "ConnectionError"]["Count"] == "2"
    assert found["nightly", "ConnectionError"]["Runs"] == "2"
    assert found[ODD, "KeyError"]["New"] == "new"
    assert found[ODD, "KeyError"]["Last message"] == "100 % it's broken"


def test_the_stage_with_most_errors_stands_first(shown: Shown) -> None:
    first, second = shown.panel("By stage")
    assert (first["Pipeline"], first["Stage"], first["Errors"], first["Runs"]) == ("nightly", "load", 2, 2)
    assert first["Share"] == pytest.approx(2 / 3)
    assert second["Pipeline"] == ODD


def test_errors_are_counted_by_component_and_severity(shown: Shown) -> None:
    assert [tuple(row.values()) for row in shown.panel("By component")] == [("kafka", 2), (ODD, 1)]
    assert [tuple(row.values()) for row in shown.panel("By severity")] == [("error", 2), ("critical", 1)]


def test_the_latest_errors_lead_to_their_executions(shown: Shown) -> None:
    rows = shown.panel("Latest errors")
    assert [row["Type"] for row in rows] == ["KeyError", "ConnectionError", "ConnectionError"]
    assert all(row["execution_id"] and row["from_ms"] and row["to_ms"] for row in rows)


def test_bars_over_time_add_up_to_the_errors(shown: Shown) -> None:
    for title in ("Errors by category", "Errors by pipeline"):
        assert sum(row["value"] for row in shown.panel(title)) == 3
