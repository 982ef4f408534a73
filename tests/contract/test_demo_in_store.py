"""Twenty minutes of the demo in a real store: nothing that the exporter can show stays empty."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby

import pytest
from sqlalchemy import column, func, select, table, text

from exporter.catalogue.metrics import CATALOGUE
from exporter.catalogue.thresholds import THRESHOLDS
from exporter.demo.event import Event
from exporter.demo.pipelines import all_pipelines
from exporter.domain.times import from_micros, to_micros
from exporter.ingest.cloudevents import decode
from exporter.store.forecasts import active_forecasts
from tests.support.exposed import Exposed
from tests.support.migrated import migrated
from tests.support.postgresql import PostgreSQL
from tests.support.stored import Stored, stored
from tests.unit.demo.story import NOW, tell, tell_history

LIVE = timedelta(minutes=20)
BATCH = "application/cloudevents-batch+json"
AT_ONCE = 2000
LOOK = timedelta(seconds=10)
"""How often the store looks after itself meanwhile."""

SILENT = {
    "pipeline_exporter_refusals_total": "the demo sends nothing that is refused",
    "pipeline_exporter_unmapped_statuses_total": "the demo uses the exporter's own words",
    "pipeline_exporter_label_overflow_total": "the demo stays far below the limits",
    "pipeline_exporter_retention_deleted_rows_total": "nothing is old enough to be deleted",
    "pipeline_exporter_database_free_bytes": "a database server does not tell of its disk",
    "pipeline_exporter_database_volume_bytes": "the same",
}
"""Metrics without a series, and why."""


def encoded(event: Event) -> bytes:
    return json.dumps(event.as_cloudevent()).encode()


def put(store: Stored, events: list[Event]) -> None:
    """Apply the events as they would arrive over HTTP, in groups."""
    for first in range(0, len(events), AT_ONCE):
        body = b"[" + b",".join(map(encoded, events[first : first + AT_ONCE])) + b"]"
        store.now = max(store.now, to_micros(events[-1].time))
        store.put(*decode(BATCH, {}, body, received=events[-1].time))


@pytest.fixture(scope="module")
def shown(postgresql: PostgreSQL) -> Iterator[Stored]:
    with stored(postgresql.create_database(prepared_by=migrated)) as store:
        store.now = to_micros(NOW)
        put(store, tell_history(timedelta(hours=1)))
        for _, events in groupby(tell(LIVE), key=lambda event: (event.time - NOW) // LOOK):
            put(store, list(events))
            store.keeper.look()
        yield store


@pytest.mark.parametrize("name", [metric.name for metric in CATALOGUE])
def test_every_metric_has_a_series(shown_names: set[str], name: str) -> None:
    told = {name, f"{name}_count", f"{name}_bucket"} & shown_names
    assert bool(told) != (name in SILENT)


@pytest.fixture(scope="module")
def shown_names(shown: Stored) -> set[str]:
    exposed = Exposed(shown)
    with shown.engine.connect() as connection:
        exposed.forecasts = list(active_forecasts(connection, from_micros(shown.now)))
    return {sample for sample, _ in exposed.samples()}


def test_every_column_of_every_view_says_something(shown: Stored) -> None:
    with shown.engine.connect() as connection:
        columns = connection.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'pipelines' "
                "ORDER BY 1, 2"
            )
        )
        of_view: dict[str, list[str]] = defaultdict(list)
        for view, name in columns:
            of_view[view].append(name)
        assert len(of_view) >= 6
        empty = set()
        for view, names in of_view.items():
            of = table(view, *map(column, names), schema="pipelines")
            row = connection.execute(select(*(func.count(of.c[name]) for name in names))).one()
            empty |= {(view, name) for name, count in zip(names, row, strict=True) if not count}
    assert empty == set()


def test_each_threshold_that_an_owner_sets_exists_and_has_a_series(shown: Stored) -> None:
    declared = {
        (pipeline.environment, pipeline.name, name): value
        for pipeline in all_pipelines()
        for name, value in pipeline.thresholds.items()
    }
    assert len(declared) >= 2
    assert {name for _, _, name in declared} <= {threshold.name for threshold in THRESHOLDS}
    told: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for (name, labels), value in Exposed(shown).samples().items():
        if name == "pipeline_alert_threshold":
            told[tuple(dict(labels)[key] for key in ("environment", "pipeline", "threshold"))].append(value)
    assert {key: told[key] for key in declared} == {key: [value] for key, value in declared.items()}


def test_no_metric_of_the_demo_is_cut_off_by_a_limit(shown: Stored) -> None:
    found = Exposed(shown).samples()
    assert not [labels for _, labels in found if "__other__" in dict(labels).values()]


def test_a_day_of_history_that_is_told_again_changes_nothing(sqlite_url: str) -> None:
    def totals(store: Stored) -> dict[object, float]:
        return {
            key: value
            for key, value in Exposed(store).samples().items()
            if not key[0].startswith("pipeline_exporter")
        }

    day = timedelta(hours=8)
    with stored(sqlite_url) as store:
        store.now = to_micros(NOW)
        put(store, tell_history(day))
        before = totals(store)
        put(store, tell_history(day))
        assert totals(store) == before


def test_history_told_after_what_is_live_leaves_what_is_shown_of_now(sqlite_url: str) -> None:
    with stored(sqlite_url) as store:
        store.now = to_micros(NOW)
        put(store, tell(timedelta(minutes=5)))
        gauges = (
            "pipeline_last_execution_start_timestamp_seconds",
            "pipeline_stream_watermark_timestamp_seconds",
        )
        live = {key: value for key, value in Exposed(store).samples().items() if key[0] in gauges}
        put(store, tell_history(timedelta(hours=6)))
        found = Exposed(store).samples()
        assert {key: found[key] for key in live} == live
        store.keeper.look()
        missed = Exposed(store).values("pipeline_schedule_missed_total")
        # Told of the past, a pipeline is not late for starts that lie between it and now.
        assert max(missed) <= 2
