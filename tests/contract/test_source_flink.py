"""Flink's REST API: what the preset makes of a real cluster's answers is what that cluster says."""

from __future__ import annotations

import copy
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from exporter.domain import events as e
from exporter.store.cursors import Cursors
from tests.support.json_server import json_server
from tests.support.sources import READ_AT, STATE, problems, reading, source, told

ANSWERS: dict[str, Any] = json.loads((STATE / "flink" / "answers.json").read_text())
JOBS = {job["name"]: job["jid"] for job in ANSWERS["/jobs/overview"]["jobs"]}
WORDS = {"RUNNING": "running", "FINISHED": "succeeded", "FAILED": "failed", "CANCELED": "cancelled"}


def at(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


def payloads(answers: dict[str, Any] = ANSWERS) -> list[Any]:
    with json_server(answers) as server:
        return [event.payload for event in told(source("flink", server.url))]


def test_nothing_that_a_real_cluster_says_is_left_unread() -> None:
    with json_server(ANSWERS) as server:
        assert problems(source("flink", server.url)) == []


def test_jobs_stand_where_flink_says(sqlite_url: str) -> None:
    with json_server(ANSWERS) as server, reading(sqlite_url, source("flink", server.url)) as read:
        read.round()
        found = {name: read.statuses(name) for name in JOBS}
    assert found == {
        job["name"]: {job["jid"]: WORDS[job["state"]]} for job in ANSWERS["/jobs/overview"]["jobs"]
    }
    assert Counter(next(iter(one.values())) for one in found.values()) == {
        "running": 2,
        "failed": 1,
        "succeeded": 1,
        "cancelled": 1,
    }


def test_each_deployment_of_a_part_is_an_attempt_with_flinks_times() -> None:
    jid = JOBS["breaks-at-once"]
    wanted = {}
    for vertex in ANSWERS[f"/jobs/{jid}"]["vertices"]:
        parts = ANSWERS[f"/jobs/{jid}/vertices/{vertex['id']}"]["subtasks"]
        earlier = [
            answer
            for path, answer in ANSWERS.items()
            if path.startswith(f"/jobs/{jid}/vertices/{vertex['id']}/subtasks/")
        ]
        for one in (*parts, *earlier):
            wanted[vertex["name"], one["subtask"], one["attempt"] + 1] = (
                WORDS[one["status"]],
                at(one["start-time"]),
                at(one["end-time"]),
            )
    with json_server(ANSWERS) as server:
        found = {
            (p.stage, p.index, p.attempt): (p.status, p.started_at, event.time)
            for event in told(source("flink", server.url))
            if isinstance(p := event.payload, e.StageFinished) and p.execution == jid
        }
    assert found == wanted
    assert Counter(status for status, _, _ in wanted.values()) == {"failed": 3, "cancelled": 5}


def test_a_job_that_gave_up_tells_why_and_so_does_each_attempt() -> None:
    jid = JOBS["breaks-at-once"]
    ends = [p for p in payloads() if getattr(p, "execution", None) == jid]
    (run,) = (p.error for p in ends if isinstance(p, e.ExecutionFinished))
    assert run is not None
    assert (run.type, run.message) == ("java.lang.ArithmeticException", "/ by zero")
    failures = {
        p.attempt: (p.error.type, p.error.message, p.retry)
        for p in ends
        if isinstance(p, e.StageFinished) and p.error is not None
    }
    assert failures == {
        1: ("java.lang.ArithmeticException", "/ by zero", True),
        2: ("java.lang.ArithmeticException", "/ by zero", True),
        3: ("java.lang.ArithmeticException", "/ by zero", False),
    }


def test_edges_are_those_of_the_plan() -> None:
    jid = JOBS["too-slow-sink"]
    depends = {
        p.stage: p.depends_on
        for p in payloads()
        if isinstance(p, e.StageStarted) and p.execution == jid and p.depends_on
    }
    assert depends == {"Calc[24]": ["Source: flood[23]"], "hashed[25]: Writer": ["Calc[24]"]}


def records(events: list[Any], name: str) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for p in events:
        if isinstance(p, e.StreamMeasured) and p.execution == JOBS[name] and p.events:
            found[p.stream, p.direction] += p.events["records"]
    return dict(found)


def test_records_of_all_parts_and_attempts_are_added_up() -> None:
    events = payloads()
    assert records(events, "backfill") == {
        ("Source: history[10]", "out"): 3000,
        ("archive[11]: Writer", "in"): 3000,
    }
    jid = JOBS["breaks-at-once"]
    wanted = sum(
        part["metrics"]["read-records"]
        for path, answer in ANSWERS.items()
        if path.startswith(f"/jobs/{jid}/vertices/") and "subtask" in str(answer)
        for part in (answer["subtasks"] if isinstance(answer, dict) and "subtasks" in answer else [answer])
        if isinstance(part, dict) and "metrics" in part
    )
    assert records(events, "breaks-at-once")["answers[14]: Writer", "in"] == wanted > 0


def test_what_was_counted_is_not_counted_again_and_growth_is(sqlite_url: str) -> None:
    answers = copy.deepcopy(ANSWERS)
    jid = JOBS["orders-per-minute"]
    vertex = next(v for v in answers[f"/jobs/{jid}"]["vertices"] if v["name"].startswith("Global"))
    (part,) = answers[f"/jobs/{jid}/vertices/{vertex['id']}"]["subtasks"]
    before = part["metrics"]["read-records"]
    labels = {"pipeline": "orders-per-minute", "stream": vertex["name"], "direction": "in"}

    with json_server(answers) as server, reading(sqlite_url, source("flink", server.url)) as read:
        read.round()
        read.round()
        assert read.total("pipeline_stream_events_total", **labels) == before
        part["metrics"]["read-records"] = before + 7
        read.round()
        assert read.total("pipeline_stream_events_total", **labels) == before + 7
        # Not all parts have told theirs: no less was read.
        part["metrics"] |= {"read-records": 3, "read-records-complete": False}
        read.round()
        assert read.total("pipeline_stream_events_total", **labels) == before + 7
        # It was deployed anew and counts from 0; the attempt before is told as it ended.
        earlier = copy.deepcopy(part) | {"status": "FAILED", "end-time": part["start-time"] + 1000}
        earlier["metrics"] |= {"read-records": before + 9, "read-records-complete": True}
        server.answers[f"/jobs/{jid}/vertices/{vertex['id']}/subtasks/0/attempts/0"] = earlier
        part["attempt"] = 1
        part["metrics"] |= {"read-records": 5, "read-records-complete": True}
        read.round()
        assert read.total("pipeline_stream_events_total", **labels) == before + 9 + 5


def test_watermarks_and_backpressure_are_what_flink_says() -> None:
    measured = [p for p in payloads() if isinstance(p, e.StreamMeasured)]
    phases = {p.stream: p.phase for p in measured if p.execution == JOBS["too-slow-sink"] and p.phase}
    assert phases == {
        "Source: flood[23]": "backpressure high",
        "Calc[24]": "backpressure ok",
        "hashed[25]: Writer": "backpressure ok",
    }
    marks = [p.watermark for p in measured if p.execution == JOBS["orders-per-minute"] and p.watermark]
    (told_mark,) = (
        answer[0]["value"]
        for path, answer in ANSWERS.items()
        if JOBS["orders-per-minute"] in path and path.endswith("watermarks") and answer
    )
    assert marks == [at(int(told_mark))]


def test_checkpoints_are_commits() -> None:
    commits = {
        p.execution: p.commits
        for p in payloads()
        if isinstance(p, e.StreamMeasured) and p.stream == "checkpoints" and p.commits
    }
    assert commits == {
        jid: count
        for jid in JOBS.values()
        if (count := ANSWERS[f"/jobs/{jid}/checkpoints"]["counts"]["completed"])
    }
    assert len(commits) == 2


def test_a_job_that_cannot_be_told_of_costs_no_other(sqlite_url: str) -> None:
    answers = {**ANSWERS, f"/jobs/{JOBS['orders-per-minute']}/exceptions": (500, {})}
    with json_server(answers) as server, reading(sqlite_url, source("flink", server.url)) as read:
        read.round()
        assert read.statuses("backfill") == {JOBS["backfill"]: "succeeded"}
        assert read.stages(JOBS["orders-per-minute"]) == {}
        assert read.metric("source_up", source="ours") == 1
        assert read.metric("source_errors_total", source="ours", reason="row") == 1


def test_a_job_that_ended_is_asked_for_once(sqlite_url: str) -> None:
    ended = {"jobs": [job for job in ANSWERS["/jobs/overview"]["jobs"] if job["state"] != "RUNNING"]}
    with (
        json_server({**ANSWERS, "/jobs/overview": ended}) as server,
        reading(sqlite_url, source("flink", server.url)) as read,
    ):
        read.round()
        asked = len(server.asked)
        read.round(seconds=20)
        assert server.asked[asked:] == ["/jobs/overview"]


def test_what_was_claimed_and_not_sent_is_sent_again_and_counts_once(sqlite_url: str) -> None:
    labels = {"pipeline": "backfill", "stream": "archive[11]: Writer", "direction": "in"}
    with json_server(ANSWERS) as server:
        with reading(sqlite_url, source("flink", server.url)) as read:
            reader = read.loops[0].source.reader
            memory = Cursors(read.store.engine)
            # A replica that dies between writing its claim down and sending it.
            next(iter(reader.batches(memory, READ_AT)))
            assert read.total("pipeline_stream_events_total", **labels) is None
        with reading(sqlite_url, source("flink", server.url)) as read:
            read.round()
            assert read.total("pipeline_stream_events_total", **labels) == 3000
            read.round()
            assert read.total("pipeline_stream_events_total", **labels) == 3000


def test_of_two_replicas_one_counts(sqlite_url: str) -> None:
    labels = {"pipeline": "backfill", "stream": "archive[11]: Writer", "direction": "in"}
    with (
        json_server(ANSWERS) as server,
        reading(sqlite_url, source("flink", server.url)) as one,
        reading(sqlite_url, source("flink", server.url)) as other,
    ):
        one.round()
        other.round()
        assert other.metric("source_up", source="ours") == 1
        assert one.total("pipeline_stream_events_total", **labels) == 3000


def test_a_job_without_checkpoints_is_told_all_the_same(sqlite_url: str) -> None:
    answers = {**ANSWERS, f"/jobs/{JOBS['orders-per-minute']}/checkpoints": (500, {})}
    with json_server(answers) as server, reading(sqlite_url, source("flink", server.url)) as read:
        read.round()
        assert read.statuses("orders-per-minute") == {JOBS["orders-per-minute"]: "running"}
        assert len(read.stages(JOBS["orders-per-minute"])) == 2
