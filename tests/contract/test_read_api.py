"""What the reading API answers about executions, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.identity import execution_id
from tests.support.reading import Reader, reader
from tests.support.runs import FAILED, RUNNING, TRACE, failed_run, running_run, usual_runs
from tests.support.stored import event, stored

EXECUTIONS = "/api/pipeline/executions"


def test_an_execution_in_a_list_has_the_documented_shape(api: Reader) -> None:
    (found,) = api.get(EXECUTIONS, external_id="r1")["executions"]
    assert found == {
        "id": FAILED,
        "external_id": "r1",
        "pipeline": "nightly",
        "environment": "default",
        "kind": "etl",
        "source": "cloudevents",
        "trigger": "schedule",
        "status": "failed",
        "source_status": "crashed",
        "queued_at": "2026-11-22T12:00:00.000000Z",
        "started_at": "2026-11-22T12:00:02.000000Z",
        "ended_at": "2026-11-22T12:00:13.000000Z",
        "duration_seconds": 11.0,
        "queue_duration_seconds": 2.0,
        "progress": found["progress"],
        "progress_source": found["progress_source"],
        "eta": None,
        "current_stages": [],
        "stages_done": 2,
        "stages_total": 2,
        "error": {
            "type": "KeyError",
            "message": "KeyError: 'customer'",
            "category": "processing",
            "severity": "error",
            "component": "loader",
            "stage": "load",
        },
        "parent": {
            "pipeline": "trigger",
            "execution": "t9",
            "id": execution_id("", "default", "trigger", "t9"),
        },
        "labels": {"team": "red"},
        "links": {
            "self": f"/api/pipeline/executions/{FAILED}",
            "grafana": found["links"]["grafana"],
            "source": "https://source/r1",
        },
    }
    assert found["links"]["grafana"].startswith("http://grafana:3000/d/")
    assert FAILED in found["links"]["grafana"]


def test_what_is_unknown_is_null(api: Reader) -> None:
    (found,) = api.get(EXECUTIONS, external_id="r2")["executions"]
    unknown = ("trigger", "queued_at", "ended_at", "duration_seconds", "queue_duration_seconds", "error")
    assert {name: found[name] for name in unknown} == dict.fromkeys(unknown)
    assert found["current_stages"] == ["extract"]
    assert found["progress"] == 0.25
    assert found["progress_source"] == "reported"
    assert found["parent"]["id"] == FAILED


def test_filters_narrow_the_list(api: Reader) -> None:
    def ids(**query: Any) -> list[str]:
        return [found["external_id"] for found in api.get(EXECUTIONS, **query)["executions"]]

    assert ids() == ["r2", "h3", "h2", "h1", "r1", "h0"]
    assert ids(pipeline="nightly") == ["r2", "r1"]
    assert ids(pipeline=["nightly", "hourly"], status=["failed", "running"]) == ["r2", "r1"]
    assert ids(environment="lab", limit=2) == ["h3", "h2"]
    assert ids(pipeline="hourly", environment="default") == []
    assert ids(kind="etl") == ["r2", "r1"]
    assert ids(source="airflow") == []
    assert ids(from_="2026-11-22T12:01:00Z", to="2026-11-22T12:02:00+00:00") == ["h1"]
    assert ids(q="TASK_Failure") == ["r1"]
    assert ids(q="team=red nightly") == ["r1"]
    assert ids(q="red hourly") == []
    assert ids(q="nightly", from_="0001-01-01", to="9999-12-31T23:59:59Z") == ["r2", "r1"]
    assert ids(sort="-duration_seconds")[0] == "r1"
    assert ids(sort="ended_at")[0] == "r2"
    assert ids(pipeline="", status=[], environment="", unknown="ignored") == ids()


def test_a_page_leads_to_the_next(api: Reader) -> None:
    first = api.get(EXECUTIONS, limit=4)
    second = api.get(EXECUTIONS, limit=4, cursor=first["next_cursor"])
    assert len(first["executions"]) == 4
    assert [found["external_id"] for found in second["executions"]] == ["r1", "h0"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": 0}, "/query/limit"),
        ({"limit": 501}, "/query/limit"),
        ({"limit": "x"}, "/query/limit"),
        ({"limit": "9" * 400}, "/query/limit"),
        ({"status": "broken"}, "/query/status/0"),
        ({"from": "yesterday"}, "/query/from"),
        ({"to": "9" * 30}, "/query/to"),
        ({"q": "a\0b"}, "/query/q"),
        ({"pipeline": "a\0b"}, "/query/pipeline/0"),
        ({"q": "x" * 2000}, "/query/q"),
        ({"sort": "id"}, "/query/sort"),
        ({"cursor": "?"}, "/query/cursor"),
        ({"cursor": "WyItc3RhcnRlZF9hdCIsOTk5OTk5OTk5OTk5OTk5OTk5OTk5LCIwIl0"}, "/query/cursor"),
    ],
)
def test_a_bad_parameter_is_named(api: Reader, query: dict[str, Any], pointer: str) -> None:
    assert api.refused(EXECUTIONS, **query) == (422, [pointer])


def test_a_cursor_of_another_order_is_refused(api: Reader) -> None:
    cursor = api.get(EXECUTIONS, limit=1)["next_cursor"]
    assert api.refused(EXECUTIONS, sort="ended_at", cursor=cursor) == (422, ["/query/cursor"])


@pytest.mark.parametrize(
    "path",
    [
        f"{EXECUTIONS}/{'0' * 32}",
        f"{EXECUTIONS}/nonsense",
        f"{EXECUTIONS}/{'0' * 32}/stages",
        f"{EXECUTIONS}/{'0' * 32}/export",
        f"{EXECUTIONS}/compare?a={FAILED}&b={'0' * 32}",
        "/api/v1/pipelines/nobody",
        "/api/pipeline/stages/nothing/metrics",
        "/api/pipeline/dependency-graph?pipeline=nobody",
        "/api/pipeline/nothing",
    ],
)
def test_what_is_not_known_is_404(api: Reader, path: str) -> None:
    assert api.refused(path)[0] == 404


def test_active_executions_come_with_their_number(api: Reader) -> None:
    found = api.get(f"{EXECUTIONS}/active")
    assert [each["external_id"] for each in found["executions"]] == ["r2"]
    assert (found["count"], found["by_status"]) == (1, {"running": 1})


def test_the_whole_has_everything(api: Reader) -> None:
    whole = api.get(f"{EXECUTIONS}/{FAILED}")
    (short,) = api.get(EXECUTIONS, external_id="r1")["executions"]
    assert {name: whole[name] for name in short if name != "error"} == {
        name: value for name, value in short.items() if name != "error"
    }
    assert whole["error"]["stacktrace"] == TRACE
    assert whole["error"]["context"] == {"row": 3}
    assert whole["parameters"] == {"day": "2026-11-22", "n": [1, {"x": None}]}
    assert whole["heartbeat_seconds"] == 60
    assert [each["name"] for each in whole["stages"]] == ["extract", "load"]
    assert [each["name"] for each in whole["artifacts"]] == ["out"]
    assert [each["code"] for each in whole["warnings"]] == ["W1"]
    assert [each["type"] for each in whole["errors"]] == ["ConnectionError", "KeyError", "task_failure"]
    assert [each["cpu_seconds"] for each in whole["resources"]] == [1.5]
    assert [each["status"] for each in whole["attempts"]] == ["failed"]


def test_a_stage_has_the_documented_shape(api: Reader) -> None:
    extract, load = api.get(f"{EXECUTIONS}/{FAILED}/stages")["stages"]
    nested = extract.pop("stages")
    attempts = extract.pop("attempts")
    assert extract == {
        "name": "extract",
        "index": None,
        "path": ["extract"],
        "status": "succeeded",
        "source_status": "succeeded",
        "depends_on": [],
        "queued_at": None,
        "started_at": "2026-11-22T12:00:06.000000Z",
        "ended_at": "2026-11-22T12:00:09.250000Z",
        "duration_seconds": 3.25,
        "items_in": 10,
        "items_out": 9,
        "cpu_seconds": 1.5,
        "memory_peak_bytes": 300.0,
        "progress": None,
        "message": None,
        "error": None,
    }
    assert [(each["number"], each["status"], each["duration_seconds"]) for each in attempts] == [
        (1, "failed", 2.0),
        (2, "succeeded", 3.25),
    ]
    assert attempts[0]["error"]["message"] == "ConnectionError: broker away"
    assert [(each["path"], each["index"]) for each in nested] == [(["extract", "parse"], "0")]
    assert load["depends_on"] == ["extract"]
    assert load["error"]["stacktrace"] == TRACE


def test_a_run_that_was_resumed_has_attempts(database_url: str) -> None:
    who: dict[str, Any] = {"pipeline": "nightly", "execution": "r"}
    with stored(database_url) as store:
        store.put(
            event(e.ExecutionStarted(**who), 0),
            event(e.StageStarted(**who, stage="a"), 0),
            event(e.StageFinished(**who, stage="a", status="failed", error=ErrorDetail("E1: no")), 1),
            event(e.ExecutionFinished(**who, status="failed"), 2),
            event(e.ExecutionResumed(**who), 10),
            event(e.StageStarted(**who, stage="a"), 10),
            event(e.StageFinished(**who, stage="a", status="succeeded"), 14),
            event(e.ExecutionFinished(**who, status="succeeded"), 15),
        )
        with reader(store) as api:
            whole = api.get(f"{EXECUTIONS}/{execution_id('', 'default', 'nightly', 'r')}")
    assert [(each["status"], each["duration_seconds"]) for each in whole["attempts"]] == [
        ("failed", 2.0),
        ("succeeded", 5.0),
    ]
    (stage,) = whole["stages"]
    assert [(each["number"], each["status"]) for each in stage["attempts"]] == [
        (1, "failed"),
        (2, "succeeded"),
    ]
    assert stage["attempts"][0]["error"]["message"] == "E1: no"
    assert stage["error"] is None
    assert whole["error"] is None


def test_a_stage_that_was_only_settled_is_shown(database_url: str) -> None:
    who: dict[str, Any] = {"pipeline": "nightly", "execution": "r"}
    with stored(database_url) as store:
        store.put(
            event(e.ExecutionStarted(**who), 0),
            event(e.StageSettled(**who, stage="skip", status="skipped", source_status="upstream_failed"), 9),
            event(e.StageSettled(**who, stage="quick", status="succeeded", duration_seconds=0.5), 9),
            event(e.ExecutionFinished(**who, status="succeeded"), 8),
        )
        with reader(store) as api:
            id_ = execution_id("", "default", "nightly", "r")
            stages = {each["name"]: each for each in api.get(f"{EXECUTIONS}/{id_}/stages")["stages"]}
    assert stages["skip"]["attempts"] == []
    assert stages["skip"]["source_status"] == "upstream_failed"
    assert stages["quick"]["duration_seconds"] == 0.5
    assert [each["duration_seconds"] for each in stages["quick"]["attempts"]] == [0.5]


def test_the_parts_of_an_execution_are_answered_alone(api: Reader) -> None:
    progress = api.get(f"{EXECUTIONS}/{RUNNING}/progress")
    assert (progress["progress"], progress["message"], progress["elapsed_seconds"]) == (
        0.25,
        "a quarter",
        100.0,
    )
    bars = api.get(f"{EXECUTIONS}/{FAILED}/timeline")["bars"]
    assert [(bar["name"], bar["attempt"], bar["offset_seconds"]) for bar in bars] == [
        ("extract", 1, 1.0),
        ("extract", 2, 4.0),
        ("parse", 1, 4.5),
        ("load", 1, 8.0),
    ]
    errors = api.get(f"{EXECUTIONS}/{FAILED}/errors")
    assert errors["by_stage"] == {"extract": 1, "load": 1, "": 1}
    assert [each["attempt"] for each in errors["errors"]] == [1, 1, None]
    only = api.get(f"{EXECUTIONS}/{FAILED}/errors", stage="load")["errors"]
    assert [each["context"] for each in only] == [{"row": 3}]
    assert api.get(f"{EXECUTIONS}/{FAILED}/warnings")["warnings"][0]["message"] == "slow"
    assert api.get(f"{EXECUTIONS}/{FAILED}/artifacts", stage="extract")["artifacts"] == []
    assert api.get(f"{EXECUTIONS}/{FAILED}/artifacts")["by_stage"] == {"load": 1}
    assert api.get(f"{EXECUTIONS}/{FAILED}/resources")["most"]["memory_peak_bytes"] == 300


def test_an_export_is_complete(api: Reader) -> None:
    export = api.get(f"{EXECUTIONS}/{FAILED}/export")
    assert export["execution"] == api.get(f"{EXECUTIONS}/{FAILED}")
    assert [line["message"] for line in export["logs"]] == ["giving up"]
    assert len(export["events"]) == len(list(failed_run()))
    assert export["events"][0]["type"] == "pipeline.execution.queued"
    assert export["events"][0]["data"] == {
        "pipeline": "nightly",
        "execution": "r1",
        "kind": "etl",
        "labels": {"team": "red"},
    }


def test_two_executions_are_compared_stage_by_stage(api: Reader) -> None:
    one, other = (execution_id("", "lab", "hourly", run) for run in ("h0", "h1"))
    found = api.get(f"{EXECUTIONS}/compare", a=one, b=other)
    assert found["difference_seconds"] == 0
    assert [(each["path"], each["difference_seconds"]) for each in found["stages"]] == [
        (["pull"], 0),
        (["push"], 0),
    ]
    found = api.get(f"{EXECUTIONS}/compare", a=one, b=FAILED)
    assert {each["path"][0] for each in found["stages"] if each["b"] is None} == {"pull", "push"}


def test_nothing_sent_yet_is_answered_too(database_url: str) -> None:
    with stored(database_url) as store, reader(store) as api:
        assert api.get(EXECUTIONS) == {"executions": [], "next_cursor": None}
        assert api.get(f"{EXECUTIONS}/active")["count"] == 0
        assert api.get("/api/v1/pipelines")["pipelines"] == []
        assert api.get("/api/pipeline/state")["status"] == "idle"
        assert api.get("/api/pipeline/metrics/summary")["success_rate"] is None
        assert api.get("/api/pipeline/dependency-graph") == {"nodes": [], "edges": []}
        assert api.get("/api/pipeline/stages/metrics")["stages"] == []


def test_two_databases_give_the_same_answers(sqlite_url: str, migrated_postgresql_url: str) -> None:
    events = [*failed_run(), *running_run(), *usual_runs()]
    answers: list[list[Any]] = []
    for url in (sqlite_url, migrated_postgresql_url):
        with stored(url) as store, reader(store) as api:
            store.put(*events)
            answers.append([api.get(path) for path in _PATHS])
    assert answers[0] == answers[1]


_PATHS = (
    EXECUTIONS,
    f"{EXECUTIONS}/active",
    *(
        f"{EXECUTIONS}/{FAILED}{part}"
        for part in ("", "/stages", "/timeline", "/errors", "/resources", "/export")
    ),
    "/api/pipeline/stages/metrics",
    "/api/pipeline/stages/extract/history",
    "/api/pipeline/stages/extract/trends",
    "/api/v1/pipelines",
    "/api/v1/pipelines/hourly",
    "/api/pipeline/state",
    "/api/pipeline/dependency-graph",
    "/api/pipeline/metrics/summary",
    "/api/pipeline/metrics/stages",
)
