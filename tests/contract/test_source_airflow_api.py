"""Airflow's REST API: what one answered while runs went on and after, and what they must come out as."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.source_settings import SourceSetting
from exporter.sources.source import Source, opened
from tests.support.json_server import JsonServer, json_server
from tests.support.sources import READ_AT, STATE, Reading, problems, reading, told

RUN = "manual__2026-11-22T13:16:43.572040+00:00"
RETRIED = "manual__2026-11-22T13:16:43.766561+00:00"
MAPPED = "manual__2026-11-22T13:16:44.052258+00:00"
WORDS = {"success": "succeeded", "failed": "failed", "skipped": "skipped", "upstream_failed": "skipped"}


def recorded(name: str) -> dict[str, Any]:
    """What Airflow answered, by path."""
    answers = json.loads((STATE / "airflow_api" / f"{name}.json").read_text())
    return {path: (404, {}) if answer is None else answer for path, answer in answers.items()}


@contextmanager
def airflow(name: str, folder: Path) -> Iterator[tuple[JsonServer, Source]]:
    """An Airflow that answers what was recorded, and a source that reads it as a user."""
    preset = "airflow2-api" if name.startswith("airflow2") else "airflow-api"
    (folder / "password").write_text("word\n")
    answers = recorded(name) | {"/auth/token": (201, {}, {"access_token": "given"})}
    with json_server(answers) as server:
        url = server.url.replace("http://", "http://reader@")
        setting = SourceSetting(name="ours", preset=preset, url=url, secret_file=str(folder / "password"))
        yield server, opened(setting)


def listed(name: str, key: str) -> list[dict[str, Any]]:
    """Items of the list of all runs or task instances, as Airflow gave them."""
    (answer,) = (
        answer[key] for path, answer in recorded(name).items() if "updated_at_gte" in path and key in answer
    )
    return list(answer)


def declared(events: list[Event], pipeline: str) -> dict[str, Any]:
    """All that was declared of a pipeline."""
    found: dict[str, Any] = {}
    for event in events:
        if isinstance(event.payload, e.PipelineDeclared) and event.payload.pipeline == pipeline:
            told_now = {name: getattr(event.payload, name) for name in event.payload.__struct_fields__}
            found |= {name: value for name, value in told_now.items() if value is not None}
    return found


NAMES = ["airflow3-mid", "airflow3-end", "airflow2-end"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_airflow_answers_is_left_unread(name: str, tmp_path: Path) -> None:
    with airflow(name, tmp_path) as (_, source):
        assert problems(source) == []


@pytest.mark.parametrize("name", NAMES)
def test_runs_stand_where_airflow_says(name: str, sqlite_url: str, tmp_path: Path) -> None:
    with airflow(name, tmp_path) as (_, source), reading(sqlite_url, source) as read:
        read.round(seconds=0)
        for run in listed(name, "dag_runs"):
            expected = WORDS.get(run["state"], run["state"])
            assert read.statuses(run["dag_id"])[run["dag_run_id"]] == expected


@pytest.mark.parametrize("name", NAMES)
def test_tasks_stand_where_airflow_says(name: str, sqlite_url: str, tmp_path: Path) -> None:
    with airflow(name, tmp_path) as (_, source), reading(sqlite_url, source) as read:
        read.round(seconds=0)
        for task in listed(name, "task_instances"):
            index = None if task["map_index"] < 0 else str(task["map_index"])
            stages = read.stages(task["dag_run_id"])
            if task["state"] is None:
                assert (task["task_id"], index, 1) not in stages
                continue
            place = (task["task_id"], index, max(1, task["try_number"]))
            assert stages[place] == (WORDS.get(task["state"], task["state"]), task["state"])


def test_each_try_is_an_attempt(sqlite_url: str, tmp_path: Path) -> None:
    with airflow("airflow3-end", tmp_path) as (_, source), reading(sqlite_url, source) as read:
        read.round(seconds=0)
        assert read.stages(RETRIED) == {
            ("call_api", None, 1): ("failed", "failed"),
            ("call_api", None, 2): ("failed", "failed"),
            ("call_api", None, 3): ("succeeded", "success"),
            ("store", None, 1): ("succeeded", "success"),
        }


def test_a_mapped_task_is_told_by_its_instances(sqlite_url: str, tmp_path: Path) -> None:
    with airflow("airflow3-end", tmp_path) as (_, source), reading(sqlite_url, source) as read:
        read.round(seconds=0)
        stages = read.stages(MAPPED)
        assert {place: status for place, (status, _) in stages.items() if place[0] == "process"} == {
            ("process", "0", 1): "succeeded",
            ("process", "1", 1): "succeeded",
            ("process", "2", 1): "failed",
            ("process", "2", 2): "failed",
            ("process", "3", 1): "succeeded",
            ("process", "4", 1): "skipped",
        }


def ended(events: list[Event], execution: str, stage: str) -> list[e.StageFinished]:
    return [
        event.payload
        for event in events
        if isinstance(event.payload, e.StageFinished)
        and (event.payload.execution, event.payload.stage) == (execution, stage)
    ]


def test_what_went_wrong_is_taken_from_the_log_of_the_try(tmp_path: Path) -> None:
    with airflow("airflow3-end", tmp_path) as (_, source):
        found = {(one.index, one.attempt): one for one in ended(told(source), MAPPED, "process")}
    for attempt in (1, 2):
        error = found["2", attempt].error
        assert error is not None
        assert (error.type, error.message) == ("RuntimeError", "cannot process 'bad'")
    assert found["2", 1].retry
    assert not found["2", 2].retry


def test_a_try_that_waits_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    """Its row has the times of the try before until it starts."""
    (task,) = (task for task in listed("airflow3-mid", "task_instances") if task["task_id"] == "call_api")
    assert (task["state"], task["try_number"]) == ("queued", 3)
    assert task["start_date"] < task["queued_when"]
    with airflow("airflow3-mid", tmp_path) as (_, source):
        events = [
            event
            for event in told(source)
            if isinstance(event.payload, e.StageState) and event.payload.stage == "call_api"
        ]
    waiting = [event for event in events if getattr(event.payload, "attempt", None) == 3]
    assert [type(event.payload) for event in waiting] == [e.StageQueued]
    assert waiting[0].time.isoformat().startswith(task["queued_when"][:19])


def test_what_goes_on_and_then_ends_comes_to_the_same_as_what_had_ended(
    sqlite_url: str, tmp_path: Path
) -> None:
    def rows(read: Reading) -> Any:
        return [read.stages(run) for run in (RUN, RETRIED, MAPPED)]

    with airflow("airflow3-mid", tmp_path) as (server, source), reading(sqlite_url, source) as read:
        read.round(seconds=0)
        before = rows(read)
        server.answers = recorded("airflow3-end")
        read.forget()
        read.round(seconds=0)
        after = rows(read)
    assert before != after
    with airflow("airflow3-end", tmp_path) as (_, source), reading(f"{sqlite_url}2", source) as read:
        read.round(seconds=0)
        assert rows(read) == after


def test_the_graph_the_owner_and_the_pause_are_declared(tmp_path: Path) -> None:
    with airflow("airflow3-end", tmp_path) as (_, source):
        found = declared(told(source), "groups_branch")
    assert (found["owner"], found["kind"], found["paused"]) == ("data-team", "dag", False)
    edges = {stage.name: set(stage.depends_on) for stage in found["stages"]}
    assert edges == {
        "begin": set(),
        "ingest.orders": {"begin"},
        "ingest.customers": {"begin"},
        "choose": {"ingest.orders", "ingest.customers"},
        "full": {"choose"},
        "incremental": {"choose"},
        "end": {"full", "incremental"},
    }


def test_a_schedule_is_declared_in_its_zone(tmp_path: Path) -> None:
    with airflow("airflow3-end", tmp_path) as (_, source):
        assert declared(told(source), "every_minute")["schedule"] == e.Schedule(cron="* * * * *")


def test_airflow_2s_tries_and_instances_are_told(sqlite_url: str, tmp_path: Path) -> None:
    with airflow("airflow2-end", tmp_path) as (server, source), reading(sqlite_url, source) as read:
        read.round(seconds=0)
        # A user's name and password go with each question there.
        assert server.authorization == "Basic " + base64.b64encode(b"reader:word").decode()
        stages = {
            place: status for place, (status, _) in read.stages("manual__2026-11-22T13:22:40+00:00").items()
        }
        assert stages == {
            ("flaky", None, 1): "failed",
            ("flaky", None, 2): "succeeded",
            ("choose", None, 1): "succeeded",
            ("full", None, 1): "succeeded",
            ("incremental", None, 1): "skipped",
        }
        work = {
            place[1:]: status
            for place, (status, _) in read.stages("scheduled__2026-11-21T03:00:00+00:00").items()
            if place[0] == "work"
        }
        assert work == {
            ("0", 1): "succeeded",
            ("1", 1): "failed",
            ("1", 2): "failed",
            ("2", 1): "succeeded",
            ("3", 1): "skipped",
        }


def test_what_went_wrong_in_airflow_2_is_found_in_the_text_of_its_log(tmp_path: Path) -> None:
    with airflow("airflow2-end", tmp_path) as (_, source):
        found = {
            (one.index, one.attempt): one
            for one in ended(told(source), "scheduled__2026-11-21T03:00:00+00:00", "work")
        }
    error = found["1", 2].error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", r"cannot process \'bad\'")
    assert found["1", 1].retry


def test_airflow_2s_dags_are_declared(tmp_path: Path) -> None:
    with airflow("airflow2-end", tmp_path) as (_, source):
        found = declared(told(source), "nightly")
    assert (found["owner"], found["description"]) == ("data-team", "Night's work")
    assert found["schedule"] == e.Schedule(cron="0 3 * * *")
    assert {stage.name: stage.depends_on for stage in found["stages"]} == {
        "ingest.orders": [],
        "extract": ["ingest.orders"],
        "work": ["extract"],
        "publish": ["work"],
    }


def test_a_run_leads_to_airflows_own_page(tmp_path: Path) -> None:
    with airflow("airflow3-end", tmp_path) as (server, source):
        links = {
            event.payload.link
            for event in told(source, READ_AT)
            if isinstance(event.payload, e.ExecutionFinished)
        }
        assert f"{server.url}/dags/long/runs/{RUN}" in links
