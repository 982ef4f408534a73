"""Prefect's REST API: what the preset makes of a real server's answers is what that server says."""

from __future__ import annotations

import copy
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest

from exporter.domain import events as e
from tests.support.json_server import json_server
from tests.support.prefect_api import Objects, answers, recorded
from tests.support.sources import problems, reading, source, told

HELD = recorded()
FLOWS = {flow["id"]: flow["name"] for flow in HELD["flows"]}
WORDS = {
    "Completed": "succeeded",
    "Cached": "succeeded",
    "Failed": "failed",
    "Crashed": "failed",
    "TimedOut": "timed_out",
    "Cancelled": "cancelled",
    "NotReady": "skipped",
    "Running": "running",
    "Late": "queued",
}


def index_of(task: dict[str, str]) -> str:
    return f"{task['name'].rsplit('-', 1)[-1] if task['name'][-4] == '-' else task['name']}-{task['id'][-8:]}"


def test_nothing_that_a_real_server_says_is_left_unread() -> None:
    with json_server(answers(HELD)) as server:
        assert problems(source("prefect-api", server.url)) == []


def test_flow_runs_stand_where_prefect_says(sqlite_url: str) -> None:
    with (
        json_server(answers(HELD)) as server,
        reading(sqlite_url, source("prefect-api", server.url)) as read,
    ):
        read.round()
        for flow in set(FLOWS.values()):
            wanted = {
                run["id"]: WORDS[run["state_name"]]
                for run in HELD["flow_runs"]
                if FLOWS[run["flow_id"]] == flow and run["state_name"] != "Scheduled"
            }
            assert read.statuses(flow) == wanted


def test_task_runs_stand_where_prefect_says_each_as_an_instance_of_its_own(sqlite_url: str) -> None:
    with (
        json_server(answers(HELD)) as server,
        reading(sqlite_url, source("prefect-api", server.url)) as read,
    ):
        read.round()
        for run in HELD["flow_runs"]:
            wanted = {
                (task["task_key"].rsplit("-", 1)[0], index_of(task), max(1, task["run_count"])): (
                    WORDS[task["state_name"]],
                    task["state_name"],
                )
                for task in HELD["task_runs"]
                if task["flow_run_id"] == run["id"]
            }
            last = {}
            for (name, index, attempt), stands in sorted(read.stages(run["id"]).items(), key=str):
                last[name, index] = ((name, index, attempt), stands)
            assert dict(last.values()) == wanted


def test_times_are_prefects_own() -> None:
    with json_server(answers(HELD)) as server:
        events = told(source("prefect-api", server.url))
    ends = {
        event.payload.execution: (event.payload.started_at, event.time)
        for event in events
        if isinstance(event.payload, e.ExecutionFinished)
    }
    wanted = {
        run["id"]: tuple(datetime.fromisoformat(run[key]) for key in ("start_time", "end_time"))
        for run in HELD["flow_runs"]
        if run["end_time"]
    }
    assert ends == wanted


@pytest.mark.parametrize(("task", "word"), [("flaky", "Retrying"), ("delayed", "AwaitingRetry")])
def test_a_try_lasts_until_the_state_that_followed_it(task: str, word: str) -> None:
    (run,) = (one for one in HELD["task_runs"] if one["name"].startswith(f"{task}-"))
    states = sorted(HELD["task_run_states"][run["id"]], key=lambda state: state["timestamp"])
    wanted = [
        (datetime.fromisoformat(state["timestamp"]), datetime.fromisoformat(following["timestamp"]))
        for state, following in pairwise(states)
        if state["type"] == "RUNNING"
    ]
    with json_server(answers(HELD)) as server:
        tries = sorted(
            (p.attempt or 0, p.started_at, event.time, p.retry, p.source_status)
            for event in told(source("prefect-api", server.url))
            if isinstance(p := event.payload, e.StageFinished) and p.stage == task
        )
    assert [(begun, ended) for _, begun, ended, _, _ in tries] == wanted
    assert [retry for *_, retry, _ in tries] == [True] * (len(wanted) - 1) + [False]
    assert [told_word for *_, told_word in tries] == [word] * (len(wanted) - 1) + ["Completed"]


def test_edges_are_the_tasks_whose_results_were_taken() -> None:
    with json_server(answers(HELD)) as server:
        events = [event.payload for event in told(source("prefect-api", server.url))]
    ends = [payload for payload in events if isinstance(payload, e.StageFinished)]
    assert {tuple(end.depends_on or ()) for end in ends if end.stage == "work"} == {("extract",)}
    # A task within a task: the outer one is no edge.
    assert {tuple(end.depends_on or ()) for end in ends if end.stage == "inner"} == {()}


def test_errors_are_those_of_failures_alone() -> None:
    with json_server(answers(HELD)) as server:
        events = [event.payload for event in told(source("prefect-api", server.url))]
    errors = {
        (payload.pipeline, payload.error.type, payload.error.message.partition(".")[0])
        for payload in events
        if isinstance(payload, e.ExecutionFinished) and payload.error is not None
    }
    assert errors == {
        ("bad", "RuntimeError", "boom: disk on fire"),
        ("selfkill", None, "Process exited with status code: -9"),
        ("too-slow", None, "Flow run exceeded timeout of 1"),
        (
            "task-timeout",
            None,
            "Flow run failed due to timeout: TaskRunTimeoutError('Scope timed out after 1",
        ),
    }


def test_a_child_flow_names_its_parent_and_a_deployment_its_schedule() -> None:
    with json_server(answers(HELD)) as server:
        events = [event.payload for event in told(source("prefect-api", server.url))]
    parents = {p.pipeline: p.parent for p in events if isinstance(p, e.ExecutionFinished) and p.parent}
    parent = next(run["id"] for run in HELD["flow_runs"] if FLOWS[run["flow_id"]] == "parent")
    assert parents == {"child": e.Parent("parent", parent)}
    declared = {p.pipeline: p for p in events if isinstance(p, e.PipelineDeclared)}
    assert set(declared) == {"sleeper", "hourly", "selfkill", "good"}
    assert declared["hourly"].schedule is not None
    assert declared["hourly"].schedule.cron == "0 * * * *"
    assert declared["good"].schedule is not None
    assert declared["good"].schedule.every_seconds == 60


def test_log_lines_from_warnings_on_are_kept_with_their_task() -> None:
    with json_server(answers(HELD)) as server:
        lines = [event.payload for event in told(source("prefect-api", server.url))]
    found = Counter(
        (line.pipeline, line.stage, line.level) for line in lines if isinstance(line, e.LogEmitted)
    )
    assert found["bad", "boom", "error"] >= 1
    assert sum(found.values()) == len(HELD["logs"])


def test_what_ended_is_not_asked_for_again(sqlite_url: str) -> None:
    with (
        json_server(answers(HELD)) as server,
        reading(sqlite_url, source("prefect-api", server.url)) as read,
    ):
        read.round()
        count = len(server.asked)
        read.round(seconds=30)
        # One question for each list but that of flows, which is read now and then.
        assert [path for path, _ in server.bodies[-6:]] == [
            "/flow_runs/filter",
            "/flow_runs/filter",
            "/task_runs/filter",
            "/task_runs/filter",
            "/task_runs/filter",
            "/logs/filter",
        ]
        assert len(server.asked) == count + 6


def test_a_run_is_seen_while_it_runs_and_when_it_ends(sqlite_url: str) -> None:
    held: Objects = copy.deepcopy(HELD)
    (long,) = (run for run in held["flow_runs"] if FLOWS[run["flow_id"]] == "long")
    with (
        json_server(answers(held)) as server,
        reading(sqlite_url, source("prefect-api", server.url)) as read,
    ):
        read.round()
        assert read.statuses("long") == {long["id"]: "running"}
        long |= {"state_type": "CANCELLED", "state_name": "Cancelled", "end_time": "2026-11-22T13:05:00Z"}
        long["state"] |= {"type": "CANCELLED", "name": "Cancelled", "timestamp": "2026-11-22T13:05:00Z"}
        read.round()
        assert read.statuses("long") == {long["id"]: "cancelled"}


def test_a_task_called_outside_of_any_flow_is_a_run_of_its_own(sqlite_url: str) -> None:
    held: Objects = copy.deepcopy(HELD)
    alone = copy.deepcopy(held["task_runs"][0]) | {"id": "0" * 28 + "feedbeef", "flow_run_id": None}
    held["task_runs"].append(alone | {"task_key": "flows.send-0a1b2c3d", "task_inputs": {}})
    with (
        json_server(answers(held)) as server,
        reading(sqlite_url, source("prefect-api", server.url)) as read,
    ):
        read.round()
        assert read.statuses("send") == {alone["id"]: WORDS[alone["state_name"]]}
