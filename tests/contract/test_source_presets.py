"""The presets over what the real systems left behind: counts and statuses are those of their files."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.sources import mapping_file
from exporter.sources.source import Source
from tests.support.json_server import json_server
from tests.support.prefect_api import answers, recorded
from tests.support.sources import STATE, copied, fill_philotes, problems, reading, rows_of, source, told

IMAGING = STATE / "dsa110" / "pipeline.sqlite3"
LUIGI = STATE / "luigi" / "luigi-task-hist.db"
AIRFLOW = STATE / "airflow" / "airflow.db"
DAGSTER = STATE / "dagster" / "runs.db"
PREFECT = STATE / "prefect" / "prefect.db"
PREFECT_RETRIES = STATE / "prefect_retries" / "prefect.db"

FILES = {
    "dsa110": IMAGING,
    "luigi": LUIGI,
    "airflow": AIRFLOW,
    "dagster": DAGSTER,
    "prefect": PREFECT,
    "pipeline_ex": STATE / "pipeline_ex",
}


def over(preset: str) -> Source:
    return source(preset, FILES[preset], sqlite=FILES[preset].is_file())


def ends(events: list[Event]) -> Counter[tuple[str, str]]:
    return Counter(
        (event.payload.pipeline, event.payload.status)
        for event in events
        if isinstance(event.payload, e.ExecutionFinished)
    )


def stage_ends(events: list[Event]) -> Counter[tuple[str, str]]:
    return Counter(
        (event.payload.stage, event.payload.status)
        for event in events
        if isinstance(event.payload, e.StageFinished)
    )


@pytest.mark.parametrize("name", mapping_file.preset_names())
def test_every_preset_is_a_mapping(name: str) -> None:
    assert mapping_file.preset(name).mapping.description


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_a_real_file_is_left_unread(name: str) -> None:
    assert problems(over(name)) == []


@pytest.mark.parametrize("name", FILES)
def test_reading_a_file_leaves_nothing_beside_it(name: str, tmp_path: Path) -> None:
    folder = copied(FILES[name].parent.name if FILES[name].is_file() else name, tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    target = folder / FILES[name].name if FILES[name].is_file() else folder
    assert told(source(name, target, sqlite=target.is_file()))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", FILES)
def test_a_second_reading_changes_nothing_not_even_without_its_position(name: str, sqlite_url: str) -> None:
    with reading(sqlite_url, over(name)) as first:
        first.round()
        count = first.count()
        first.round(seconds=0)
        assert first.count() == count
    signs = ("pipeline.declared", "pipeline.execution.heartbeat")
    with reading(sqlite_url, over(name)) as second:
        count = second.count(without=signs)
        second.forget()
        second.round(seconds=120)
        assert second.count(without=signs) == count


def test_the_imaging_pipelines_runs_end_as_its_file_says(sqlite_url: str) -> None:
    words = {"completed": "succeeded", "failed": "failed"}
    wanted = {
        run: words[str(status)]
        for run, status in rows_of(IMAGING, "SELECT execution_id, status FROM pipeline_executions")
    }
    with reading(sqlite_url, over("dsa110")) as read:
        read.round()
        assert read.statuses("standard_imaging") == wanted
        assert Counter(wanted.values()) == {"succeeded": 5, "failed": 4}
        assert read.statuses("workflow") == {"1": "succeeded", "2": "succeeded", "5": "running"}
        assert read.statuses("imaging") == {"6": "queued"}


def test_imaging_jobs_that_wait_for_ever_are_skipped_and_keep_their_word(sqlite_url: str) -> None:
    with reading(sqlite_url, over("dsa110")) as read:
        read.round()
        assert read.stages("standard_imaging_b8f8285cb5c5") == {
            ("convert", None, 1): ("succeeded", "completed"),
            ("cal", None, 1): ("failed", "failed"),
            ("image", None, 1): ("skipped", "pending"),
            ("qa", None, 1): ("skipped", "pending"),
        }


def test_imaging_jobs_bring_their_graph_errors_and_artifacts() -> None:
    events = [event.payload for event in told(over("dsa110"))]
    depends = {p.stage: p.depends_on for p in events if isinstance(p, e.StageQueued)}
    assert depends == {"convert": None, "cal": ["convert"], "image": ["cal"], "qa": ["image"]}
    errors = [p.error.message for p in events if isinstance(p, e.StageFinished) and p.error is not None]
    assert errors == ["RuntimeError: calibration diverged"] * 4
    assert sum(isinstance(p, e.ArtifactProduced) for p in events) == 24


def test_rows_that_are_added_or_end_later_are_seen_and_only_those(tmp_path: Path, sqlite_url: str) -> None:
    file = copied("dsa110", tmp_path) / "pipeline.sqlite3"
    with reading(sqlite_url, source("dsa110", file, sqlite=True)) as read, sqlite3.connect(file) as owner:
        read.round()
        count = read.count()
        owner.execute(
            "INSERT INTO pipeline_executions (execution_id, pipeline_name, status, started_at)"
            " VALUES ('late', 'standard_imaging', 'running', 1795310700.0)"
        )
        owner.execute("UPDATE jobs SET status = 'completed', finished_at = 1795310700.0 WHERE id = 5")
        owner.commit()
        read.round(seconds=0)
        # Its start and sign of life; the end of the job.
        assert read.count() == count + 3
        assert read.statuses("standard_imaging")["late"] == "running"
        assert read.statuses("workflow")["5"] == "succeeded"
        owner.execute(
            "UPDATE pipeline_executions SET status='failed', completed_at=1795310710.0 WHERE execution_id='late'"
        )
        owner.commit()
        read.round(seconds=0)
        assert read.count() == count + 4
        assert read.statuses("standard_imaging")["late"] == "failed"
    owner.close()


def test_the_position_survives_a_restart(tmp_path: Path, sqlite_url: str) -> None:
    file = copied("luigi", tmp_path) / LUIGI.name
    with reading(sqlite_url, source("luigi", file, sqlite=True)) as read:
        read.round()
        assert read.metric("source_rows_total", source="ours") == 16
    with sqlite3.connect(file) as owner:
        owner.execute("INSERT INTO task_events VALUES (17, 1, 'RUNNING', '2026-11-22 11:00:00.000000')")
    owner.close()
    with reading(sqlite_url, source("luigi", file, sqlite=True)) as read:
        read.round()
        assert read.metric("source_rows_total", source="ours") == 1
        assert read.statuses("All") == {"All__99914b932b": "running"}


def test_luigis_tasks_stand_where_its_history_says(sqlite_url: str) -> None:
    with reading(sqlite_url, over("luigi")) as read:
        read.round()
        assert read.statuses("All") == {"All__99914b932b": "queued"}
        assert set(read.statuses("Load").values()) == set(read.statuses("Extract").values()) == {"succeeded"}
        assert len(read.statuses("Load")) == len(read.statuses("Extract")) == 2
        assert list(read.statuses("Broken").values()) == ["failed"]


def test_airflows_runs_and_tasks_stand_where_its_database_says(sqlite_url: str) -> None:
    with reading(sqlite_url, over("airflow")) as read:
        read.round()
        assert read.statuses("nightly") == {
            "ours-1": "failed",
            "scheduled__2026-11-22T03:00:00+00:00": "failed",
        }
        assert read.statuses("manual") == {"ours-2": "succeeded"}
        assert read.stages("ours-1") == {
            ("extract", None, 1): ("succeeded", "success"),
            ("work", "0", 1): ("succeeded", "success"),
            ("work", "1", 1): ("succeeded", "success"),
            ("work", "2", 1): ("succeeded", "success"),
            ("flaky", None, 1): ("failed", "failed"),
            ("flaky", None, 2): ("succeeded", "success"),
            ("skipme", None, 1): ("skipped", "skipped"),
            ("broken", None, 1): ("failed", "failed"),
            ("never", None, 1): ("skipped", "upstream_failed"),
        }


def test_airflows_dags_are_declared_with_their_owner() -> None:
    declared = {
        event.payload.pipeline: event.payload
        for event in told(over("airflow"))
        if isinstance(event.payload, e.PipelineDeclared)
    }
    assert declared["nightly"].owner == "data-team"


def schedules(file: Path) -> dict[str, e.Schedule]:
    """What is declared of each pipeline last."""
    return {
        event.payload.pipeline: event.payload.schedule
        for event in told(source("airflow", file, sqlite=True))
        if isinstance(event.payload, e.PipelineDeclared) and event.payload.schedule is not None
    }


SCHEDULES = {
    "cron_utc": e.Schedule(cron="0 3 * * *"),
    "cron_berlin": e.Schedule(cron="0 3 * * *", timezone="Europe/Berlin"),
    "daily": e.Schedule(cron="0 0 * * *", timezone="Europe/Berlin"),
    "trigger_tokyo": e.Schedule(cron="30 6 * * 1-5", timezone="Asia/Tokyo"),
    "interval_ny": e.Schedule(cron="15 4 * * *", timezone="America/New_York"),
    "asset_or_time": e.Schedule(cron="0 2 * * *", timezone="Europe/Paris"),
    "period": e.Schedule(every_seconds=21600.0),
}
"""Of DAGs whose own zone is UTC, but for the second and third. Several schedules, or a zone without a name: none."""


def test_airflows_schedules_have_the_zone_of_their_timetable() -> None:
    assert schedules(STATE / "airflow_schedules" / "airflow3.db") == SCHEDULES


def test_of_airflows_versions_of_a_dag_the_latest_tells_the_schedule(tmp_path: Path) -> None:
    file = copied("airflow_schedules", tmp_path) / "airflow3.db"
    with closing(sqlite3.connect(file)) as owner:
        owner.execute(
            "INSERT INTO serialized_dag SELECT 'another', dag_id, replace(data, '0 3 * * *', '7 3 * * *'), NULL,"
            " created_at, '2026-11-22 20:00:00.000000', 'another', 'another' FROM serialized_dag"
            " WHERE dag_id = 'cron_berlin'"
        )
        owner.commit()
    assert schedules(file) == SCHEDULES | {
        "cron_berlin": e.Schedule(cron="7 3 * * *", timezone="Europe/Berlin")
    }


def test_airflows_compressed_dags_tell_no_schedule(tmp_path: Path) -> None:
    file = copied("airflow_schedules", tmp_path) / "airflow3.db"
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("UPDATE serialized_dag SET data_compressed = data, data = NULL")
        owner.commit()
    assert schedules(file) == {}
    assert problems(source("airflow", file, sqlite=True)) == []


def test_dagsters_runs_and_steps_stand_where_its_storage_says(sqlite_url: str) -> None:
    with reading(sqlite_url, over("dagster")) as read:
        read.round()
        assert Counter(read.statuses("good").values()) == {"succeeded": 2}
        ((bad, status),) = read.statuses("bad").items()
        assert status == "failed"
        assert read.stages(bad) == {
            ("extract", None, 1): ("succeeded", "STEP_SUCCESS"),
            ("broken", None, 1): ("failed", "STEP_FAILURE"),
            ("never", None, 1): ("skipped", "not executing"),
        }
        good = next(iter(read.statuses("good")))
        assert read.stages(good) == {
            ("extract", None, 1): ("succeeded", "STEP_SUCCESS"),
            ("other", None, 1): ("succeeded", "STEP_SUCCESS"),
            ("flaky", None, 1): ("failed", "STEP_UP_FOR_RETRY"),
            ("flaky", None, 2): ("succeeded", "STEP_SUCCESS"),
            ("split", None, 1): ("succeeded", "STEP_SUCCESS"),
            ("work", "part_0", 1): ("succeeded", "STEP_SUCCESS"),
            ("work", "part_1", 1): ("succeeded", "STEP_SUCCESS"),
            ("work", "part_2", 1): ("succeeded", "STEP_SUCCESS"),
            ("total", None, 1): ("succeeded", "STEP_SUCCESS"),
        }


def test_dagsters_errors_are_those_of_the_op_not_of_dagster() -> None:
    errors = [
        event.payload.error
        for event in told(over("dagster"))
        if isinstance(event.payload, e.StageFinished) and event.payload.error is not None
    ]
    assert Counter(error.type for error in errors) == {"ValueError": 2, "RuntimeError": 1}
    assert all(error.stacktrace and error.stacktrace.startswith("  File") for error in errors)


def test_prefects_flows_stand_where_its_database_says(sqlite_url: str) -> None:
    states = rows_of(
        PREFECT, "SELECT f.name, r.id, r.state_name FROM flow_run r JOIN flow f ON f.id = r.flow_id"
    )
    words = {"Completed": "succeeded", "Failed": "failed", "TimedOut": "timed_out"}
    with reading(sqlite_url, over("prefect")) as read:
        read.round()
        for flow in ("good", "bad", "late", "parent", "child"):
            wanted = {run: words[str(word)] for name, run, word in states if name == flow}
            assert read.statuses(flow) == wanted
            assert len(wanted) == 3
        run = next(iter(read.statuses("good")))
        flaky = {key[2]: value for key, value in read.stages(run).items() if key[0] == "flaky"}
        assert flaky == {1: ("failed", "Retrying"), 2: ("succeeded", "Completed")}
        assert sum(name == "extract" for name, *_ in read.stages(run)) == 3


def test_prefects_tries_end_with_the_state_that_followed_them_with_and_without_a_delay() -> None:
    for task, word in (("flaky", "Retrying"), ("delayed", "AwaitingRetry")):
        every = rows_of(
            PREFECT_RETRIES,
            "SELECT t.name, s.type, s.timestamp FROM task_run_state s JOIN task_run t ON t.id = s.task_run_id"
            " ORDER BY s.timestamp",
        )
        states = [row[1:] for row in every if str(row[0]).startswith(f"{task}-")]
        wanted = [
            (f"{begun}+00:00", f"{ended}+00:00")
            for (type_, begun), (_, ended) in pairwise(states)
            if type_ == "RUNNING"
        ]
        events = [
            event
            for event in told(source("prefect", PREFECT_RETRIES, sqlite=True))
            if isinstance(event.payload, e.StageStarted | e.StageFinished) and event.payload.stage == task
        ]
        starts, found = (
            {p.attempt or 0: str(event.time) for event in events if isinstance(p := event.payload, type_)}
            for type_ in (e.StageStarted, e.StageFinished)
        )
        assert [(starts[number], found[number]) for number in sorted(found)] == wanted
        words = {
            event.payload.source_status for event in events if isinstance(event.payload, e.StageFinished)
        }
        assert words == {word, "Completed"}


def test_prefects_database_and_its_api_tell_the_same(sqlite_url: str) -> None:
    told_by: list[dict[str, object]] = []
    with json_server(answers(recorded())) as server:
        for one in (
            source("prefect", PREFECT_RETRIES, sqlite=True),
            source("prefect-api", server.url),
        ):
            with reading(f"{sqlite_url}.{one.mapping.reads_from}", one) as read:
                read.round()
                flows = {str(name) for (name,) in rows_of(PREFECT_RETRIES, "SELECT name FROM flow")}
                runs = {run: status for flow in flows for run, status in read.statuses(flow).items()}
                told_by.append({run: (status, read.stages(run)) for run, status in runs.items()})
    assert told_by[0] == told_by[1]
    assert len(told_by[0]) == 17


def test_a_child_flow_names_the_flow_that_started_it() -> None:
    parents = {
        event.payload.parent.pipeline
        for event in told(over("prefect"))
        if isinstance(event.payload, e.ExecutionFinished) and event.payload.parent is not None
    }
    assert parents == {"parent"}


def test_checkpoints_of_llm_steps_are_told_once_though_two_files_hold_them(sqlite_url: str) -> None:
    run = "2026-11-22T01:41:54.385424Z"
    with reading(sqlite_url, over("pipeline_ex")) as read:
        read.round()
        assert read.statuses("review_pipeline") == {run: "succeeded"}
        assert read.stages(run) == {
            ("vars", None, 1): ("succeeded", "completed"),
            ("plan", None, 1): ("succeeded", "completed"),
            ("code", None, 1): ("succeeded", "completed"),
            ("skipme", None, 1): ("skipped", "skipped"),
            ("echo", None, 1): ("succeeded", "completed"),
        }
    calls = [event.payload for event in told(over("pipeline_ex")) if isinstance(event.payload, e.LlmCalled)]
    assert [(call.stage, call.provider, call.cost_usd) for call in calls] == [
        ("plan", "gcp.gemini", 0.002),
        ("code", "anthropic", 0.001),
    ]


def test_a_resumed_llm_run_repeats_its_steps_as_further_attempts(tmp_path: Path, sqlite_url: str) -> None:
    folder = copied("pipeline_ex", tmp_path)
    file = folder / "review_pipeline_latest.json"
    with reading(sqlite_url, source("pipeline_ex", folder)) as read:
        read.round()
        document = json.loads(file.read_text())
        again = {
            "step": "echo",
            "type": "test_echo",
            "status": "failed",
            "duration_ms": 5,
            "error": "out of quota",
        }
        document["execution_log"].insert(0, again | {"timestamp": "2026-11-22T01:50:00.000000Z"})
        file.write_text(json.dumps(document))
        read.round()
        (run,) = read.statuses("review_pipeline")
        assert read.statuses("review_pipeline")[run] == "failed"
        assert read.stages(run)["echo", None, 1] == ("succeeded", "completed")
        assert read.stages(run)["echo", None, 2] == ("failed", "failed")


def test_the_cdc_engines_streams_and_pipelines_are_what_its_tables_say(
    postgresql_url: str, sqlite_url: str
) -> None:
    fill_philotes(postgresql_url)
    with reading(sqlite_url, source("philotes", postgresql_url)) as read:
        read.round()
        read.round()
        assert list(read.statuses("shop-to-lake").values()) == ["running"]
        assert list(read.statuses("crm-to-lake").values()) == ["failed"]
    events = told(source("philotes", postgresql_url))
    counts: Counter[tuple[str, str, str]] = Counter()
    letters: Counter[str] = Counter()
    depth = {}
    for payload in (event.payload for event in events):
        if isinstance(payload, e.StreamMeasured):
            assert payload.pipeline == "shop-to-lake"
            for operation, count in (payload.events or {}).items():
                counts[payload.stream, payload.direction, operation] += count
            letters[payload.stream] += payload.dead_letters or 0
            if payload.buffer_depth is not None:
                depth[payload.stream] = payload.buffer_depth
    assert counts == {
        ("public.users", "in", "insert"): 1000,
        ("public.orders", "in", "update"): 1000,
        ("public.items", "in", "delete"): 1000,
        ("public.users", "out", "insert"): 899,
        ("public.orders", "out", "update"): 900,
        ("public.items", "out", "delete"): 900,
    }
    assert depth == {"public.users": 101, "public.orders": 100, "public.items": 100}
    assert +letters == {"public.users": 1, "public.orders": 1}


def test_rows_that_add_up_are_added_once_over_replicas_and_restarts(
    postgresql_url: str, sqlite_url: str
) -> None:
    fill_philotes(postgresql_url)
    ours, theirs = (source("philotes", postgresql_url) for _ in range(2))
    with reading(sqlite_url, ours, theirs) as read:
        for _ in range(3):
            read.round()
        with psycopg.connect(postgresql_url.replace("+psycopg", "")) as owner:
            owner.execute(
                "UPDATE philotes.cdc_events SET processed_at = '2026-11-22 11:00:00+00' WHERE processed_at IS NULL"
            )
        for _ in range(3):
            read.round()
        state = read.store.engine.connect()
        bodies = [
            json.loads(row[0])
            for row in state.exec_driver_sql(
                "SELECT body FROM events WHERE type = 'pipeline.stream.measured'"
            )
        ]
        state.close()
    total = Counter[str]()
    for body in bodies:
        total[body.get("direction", "in")] += sum(body.get("events", {}).values())
    assert total == {"in": 3000, "out": 3000}


def test_tasks_of_the_imaging_queue_end_as_their_table_says(postgresql_url: str, sqlite_url: str) -> None:
    tasks = json.loads((STATE / "dsa110" / "absurd_tasks.json").read_text())
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as owner:
        owner.execute(
            "CREATE SCHEMA absurd; CREATE TABLE absurd.tasks (task_id UUID PRIMARY KEY, queue_name TEXT,"
            " task_name TEXT, params JSONB, priority INT, timeout_sec INT, status TEXT, worker_id TEXT, attempt INT,"
            " max_retries INT,"
            " result JSONB, error TEXT, created_at TIMESTAMPTZ, claimed_at TIMESTAMPTZ, completed_at TIMESTAMPTZ,"
            " wait_time_sec DOUBLE PRECISION, execution_time_sec DOUBLE PRECISION)"
        )
        owner.execute(
            "INSERT INTO absurd.tasks SELECT * FROM jsonb_populate_recordset(NULL::absurd.tasks, %s::jsonb)",
            (json.dumps([task | {"params": json.loads(task["params"])} for task in tasks]),),
        )
    words = {"pending": "queued", "claimed": "running", "completed": "succeeded", "failed": "failed"}
    with reading(sqlite_url, source("absurd", postgresql_url)) as read:
        read.round()
        for name in {task["task_name"] for task in tasks}:
            wanted = {task["task_id"]: words[task["status"]] for task in tasks if task["task_name"] == name}
            assert read.statuses(name) == wanted


def test_the_same_database_on_postgresql_gives_the_same(postgresql_url: str) -> None:
    engine = create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE tasks (id INT PRIMARY KEY, task_id TEXT, name TEXT, host TEXT);"
            "CREATE TABLE task_events (id INT PRIMARY KEY, task_id INT, event_name TEXT, ts TIMESTAMP)"
        )
        for row in rows_of(LUIGI, "SELECT id, task_id, name, host FROM tasks"):
            connection.exec_driver_sql("INSERT INTO tasks VALUES (%s, %s, %s, %s)", row)
        for row in rows_of(LUIGI, "SELECT id, task_id, event_name, ts FROM task_events"):
            connection.exec_driver_sql("INSERT INTO task_events VALUES (%s, %s, %s, %s)", row)
    engine.dispose()
    there = told(source("luigi", postgresql_url))
    assert {(event.time, event.identity) for event in there} == {
        (event.time, event.identity) for event in told(over("luigi"))
    }


def test_a_file_that_its_owner_writes_in_wal_mode_is_read_with_its_latest_rows(tmp_path: Path) -> None:
    file = tmp_path / "p.sqlite3"
    shutil.copy(IMAGING, file)
    with sqlite3.connect(file) as owner:
        owner.execute("PRAGMA wal_autocheckpoint=0")
        owner.execute("UPDATE pipeline_executions SET status = 'failed' WHERE status = 'completed'")
        owner.commit()
        assert file.with_name("p.sqlite3-wal").stat().st_size > 0
        assert ends(told(source("dsa110", file, sqlite=True)))["standard_imaging", "failed"] == 9
    owner.close()


def assets_of_dagster(folder: Path) -> Source:
    return source("dagster", copied("dagster_assets", folder) / "runs.db", sqlite=True)


def test_dagsters_assets_are_artifacts_and_their_checks_are_rules(tmp_path: Path, sqlite_url: str) -> None:
    of = assets_of_dagster(tmp_path)
    assert problems(of) == []
    events = [event.payload for event in told(of)]
    # Dagster has them in the database of the run and once more in its index.
    assert [(p.stage, p.name) for p in events if isinstance(p, e.ArtifactProduced)] == [
        ("raw_orders", "raw_orders"),
        ("order_totals", "order_totals"),
    ]
    assert [p.rules for p in events if isinstance(p, e.RecordsChecked)] == [
        {"raw_orders:not_empty": 0},
        {"order_totals:is_negative": 1},
        {"order_totals:warns": 1},
    ]
    with reading(sqlite_url, of) as read:
        read.round()
        assert read.statuses("assets_job") == {"88c0f232-9d46-4e7c-848f-96ab24ff2c8a": "succeeded"}


def test_an_event_database_that_dagster_is_just_making_holds_up_no_other(
    tmp_path: Path, sqlite_url: str
) -> None:
    folder = copied("dagster_assets", tmp_path)
    made = folder / "runs" / "00000000-0000-4000-8000-000000000000.db"
    sqlite3.connect(made).close()
    with reading(sqlite_url, source("dagster", folder / "runs.db", sqlite=True)) as read:
        read.round()
        assert read.metric("source_up", source="ours") == 1
        assert len(read.stages("88c0f232-9d46-4e7c-848f-96ab24ff2c8a")) == 5


def test_dagsters_error_messages_are_without_the_class_before_them() -> None:
    events = [event.payload for event in told(over("dagster"))]
    errors = {p.error.message for p in events if isinstance(p, e.StageFinished) and p.error is not None}
    assert errors
    assert not any(message.startswith("ValueError:") or message.endswith("\n") for message in errors)
