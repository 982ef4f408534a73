"""A DAG run that Airflow's metadata database and OpenLineage tell of: one execution, each end counted once."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.domain.times import from_micros
from exporter.ingest.openlineage import translate
from exporter.source_settings import BadSource, SourceSetting, sources_of
from exporter.sources.source import Source, opened
from exporter.store import schema
from tests.support.openlineage import bodies
from tests.support.recordings import recordings, truth
from tests.support.sources import told
from tests.support.stored import Stored, stored

RECEIVED = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECORDED = [name for name in recordings("airflow", with_truth=True) if not name.startswith("airflow3_otel")]
TABLES = """
CREATE TABLE dag (dag_id, is_paused, owners, description);
CREATE TABLE dag_run (
    id INTEGER PRIMARY KEY, dag_id, run_id, run_type, state, queued_at, start_date, end_date, conf, updated_at,
    logical_date);
CREATE TABLE task_instance (
    dag_id, task_id, run_id, map_index, try_number, state, operator, queued_dttm, start_date, end_date, updated_at);
CREATE TABLE task_instance_history (
    dag_id, task_id, run_id, map_index, try_number, state, operator, queued_dttm, start_date, end_date);
"""


def database(folder: Path, runs: list[dict[str, Any]]) -> Path:
    """What a recording's Airflow said of its runs, as the rows of its database that it was taken from."""
    file = folder / "airflow.db"
    with closing(sqlite3.connect(file)) as owner:
        owner.executescript(TABLES)
        for number, run in enumerate(runs):
            owner.execute(
                "INSERT INTO dag_run VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?)",
                (
                    number,
                    *(
                        run[key]
                        for key in ("dag_id", "run_id", "run_type", "state", "queued_at", "start", "end")
                    ),
                    run["end"],
                    run["logical_date"],
                ),
            )
            for task in run["tasks"]:
                row = (
                    run["dag_id"], task["task_id"], run["run_id"], task["map_index"], task["try_number"],
                    task["state"], task["operator"], None, task["start"], task["end"],
                )  # fmt: skip
                if task["archived_try"]:
                    owner.execute(
                        "INSERT INTO task_instance_history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
                    )
                else:
                    changed = task["end"] or run["end"]
                    owner.execute(
                        "INSERT INTO task_instance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, changed)
                    )
        owner.commit()
    return file


def airflow(file: Path, namespace: str | None = "airflow") -> Source:
    return opened(SourceSetting(name="ours", preset="airflow", url=f"sqlite:///{file}", namespace=namespace))


def read_from(recording: str, folder: Path, namespace: str | None = "airflow") -> list[Event]:
    return told(airflow(database(folder, truth(recording)), namespace), RECEIVED)


def sent(recording: str) -> list[Event]:
    return [event for body in bodies(recording) for event in translate(body, received=RECEIVED)]


def shown(store: Stored) -> dict[str, Any]:
    """Runs with their times, stages with their attempts, and what is counted of all these."""
    return {
        "runs": {
            (row.pipeline, row.external_id): (row.status, row.started_at, row.ended_at)
            for row in store.rows(schema.executions)
        },
        "stages": {
            (row.execution_id, row.path, row.index, row.attempt): (row.status, row.last)
            for row in store.attempts()
        },
        "ends": {
            row.name: store.counter("pipeline_executions_total", row.name)
            for row in store.rows(schema.pipelines)
        },
        "tries": {
            stage: {
                name: parts
                for name, parts in state.totals.counters.items()
                if name in ("pipeline_stage_executions_total", "pipeline_stage_retries_total")
            }
            for (stage, *_), state in store.components("stage").items()
        },
    }


ORDERS: dict[str, Callable[[list[Event], list[Event]], list[Event]]] = {
    "the database first": lambda rows, lineage: [*rows, *lineage],
    "OpenLineage first": lambda rows, lineage: [*lineage, *rows],
    "by time": lambda rows, lineage: sorted([*rows, *lineage], key=lambda one: one.time),
    "shuffled": lambda rows, lineage: random.Random(7).sample([*rows, *lineage], len(rows) + len(lineage)),
}


@pytest.mark.parametrize("recording", RECORDED)
@pytest.mark.parametrize("order", ORDERS)
def test_a_run_told_by_both_is_the_one_that_the_database_holds(
    tmp_path: Path, recording: str, order: str
) -> None:
    rows, lineage = read_from(recording, tmp_path), sent(recording)
    with stored(f"sqlite:///{tmp_path / 'alone.db'}") as store:
        store.put(*rows)
        expected = shown(store)
    assert len(expected["runs"]) == len(truth(recording))
    with stored(f"sqlite:///{tmp_path / 'both.db'}") as store:
        store.put(*ORDERS[order](rows, lineage))
        assert shown(store) == expected
        # What the database does not know comes from OpenLineage.
        errors = {(row.stage, row.attempt, row.message) for row in store.rows(schema.errors)}
    with stored(f"sqlite:///{tmp_path / 'lineage.db'}") as store:
        store.put(*lineage)
        assert errors == {(row.stage, row.attempt, row.message) for row in store.rows(schema.errors)}


def test_without_a_namespace_they_are_two_executions(tmp_path: Path) -> None:
    rows, lineage = read_from("airflow3-linear", tmp_path, None), sent("airflow3-linear")
    with stored(f"sqlite:///{tmp_path / 'both.db'}") as store:
        store.put(*rows, *lineage)
        assert len(store.rows(schema.executions)) == 2


def test_a_start_that_openlineage_tells_after_the_end_of_a_short_task_is_no_further_attempt(
    tmp_path: Path,
) -> None:
    rows, lineage = read_from("airflow3-linear", tmp_path), sent("airflow3-linear")
    ends = {one.payload.stage: one.time for one in rows if isinstance(one.payload, e.StageFinished)}
    with stored(f"sqlite:///{tmp_path / 'both.db'}") as store:
        store.put(*rows)
        expected = shown(store)
        for one in lineage:
            if isinstance(one.payload, e.StageStarted | e.StageFinished):
                late = from_micros(round(ends[one.payload.stage].timestamp() * 1e6) + 500_000)
                store.put(Event(one.identity, late, one.source, one.namespace, one.payload))
        assert shown(store)["tries"] == expected["tries"]
        assert shown(store)["stages"] == expected["stages"]


@pytest.mark.parametrize("namespace", ["Airflow", "a b", "x" * 65])
def test_a_namespace_that_cannot_be_one_stops_the_start(namespace: str) -> None:
    one = {"name": "a", "preset": "airflow", "url": "sqlite:///a.db", "namespace": namespace}
    with pytest.raises(BadSource, match=r"^sources\[0\]\.namespace: expected up to 64 small letters"):
        sources_of([one], lambda _: pytest.fail("there is no duration"))
