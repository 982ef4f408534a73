"""The SQL views say of every execution what the JSON API says of it, field by field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event, Items
from exporter.ingest import cloudevents
from tests.support import sql_views as v
from tests.support.migrated import migrated
from tests.support.openlineage import OPENLINEAGE, bodies, told
from tests.support.reading import Reader
from tests.support.recordings import recordings
from tests.support.runs import failed_run, running_run, usual_runs
from tests.support.stored import Stored, event, stored
from tests.unit.demo.story import NOW, tell

Shown = tuple[Stored, Reader, list[v.Row]]
"""A store, its API, and every execution whole."""


def by_hand() -> list[Event]:
    """What the others do not have: odd names and values, calls of models, pauses, early figures."""
    odd = 'a"b\\c \u00e4\U0001f680\x7f\t{}'
    who: dict[str, Any] = {"pipeline": odd, "environment": odd, "execution": odd}
    mapped: dict[str, Any] = {**who, "stage": odd, "parent": ["out"], "index": odd}
    wrong = ErrorDetail("boom", type=odd, context={odd: [1, 2.5e15, None, "\u2028"]}, stacktrace="x" * 9000)
    queued = datetime(2026, 11, 22, 11, 59, 59, 999999, tzinfo=UTC)
    model: dict[str, Any] = {"provider": "p", "request_model": "m"}
    tokens: dict[str, Any] = {"input_tokens": 2**53, "output_tokens": 0, "cached_tokens": 7}
    seconds: dict[str, Any] = {"duration_seconds": 0.1, "time_to_first_token_seconds": 1e-7, "cost_usd": 1e-9}
    payloads: list[tuple[float, e.Payload]] = [
        (0, e.PipelineDeclared(**_of(who), owner=odd, description=odd, labels={odd: odd, "n": 1.5}, paused=True)),
        (1, e.ExecutionQueued(**who, labels={odd: None, "b": True}, parameters={odd: {"deep": [[[0]]]}})),
        (2, e.ExecutionStarted(**who)),
        (2.1, e.StageStarted(**mapped, attempt=1, kind=odd, depends_on=["out", odd])),
        (2.2, e.StageFinished(**mapped, attempt=1, status="timed_out", error=wrong, retry=True)),
        (2.3, e.StageStarted(**mapped, attempt=2)),
        (3, e.ExecutionPaused(**who, source_status=odd)),
        (4, e.LogEmitted(**who, message=odd, fields={"a": odd})),
        (4, e.LogEmitted(**who, message="second of the same instant", level="debug")),
        (5, e.LlmCalled(**who, stage=odd, **model, **tokens, **seconds, prompt="secret", response="secret")),
        (6, e.LlmCalled(**_of(who), **model, operation="embeddings", error=wrong)),
        (7, e.ResourcesSampled(**who, io_read_bytes=1e15, io_written_bytes=0.5, accelerator_memory_bytes=3)),
        (8, e.ExecutionProgressed(**who, progress=1.0)),
        (9, e.ArtifactProduced(**who, name=odd)),
        (10, e.StageQueued(**_run("waits"), stage="first")),
        (11, e.ExecutionQueued(**_run("queued only"))),
        (12, e.ExecutionFinished(**_run("ended only"), status="cancelled", error=ErrorDetail("stop"))),
        (13, e.ExecutionFinished(**_run("figures"), status="succeeded", queued_at=queued, started_at=queued)),
        (14, e.ExecutionHeartbeat(**_run("heard of"))),
        (15, e.ExecutionStarted(**_run("resumed"))),
        (16, e.ExecutionProgressed(**_run("resumed"), progress=0.9)),
        (17, e.ExecutionFinished(**_run("resumed"), status="failed", error=ErrorDetail("first"))),
        (18, e.ExecutionStarted(**_run("resumed"), parent=e.Parent("p", "figures"))),
        (19, e.StageStarted(**_run("resumed"), stage="again", attempt=1)),
        (20, e.StageFinished(**_run("resumed"), stage="again", attempt=1, status="failed", items=Items(0, None))),
        (21, e.StageSettled(**_run("resumed"), stage="never", status="skipped", source_status="upstream_failed")),
        (22, e.StageSettled(**_run("resumed"), stage="silent", status="succeeded", duration_seconds=1.5)),
        (23, e.ExecutionFinished(**_run("resumed"), status="skipped")),
    ]  # fmt: skip
    return [event(payload, seconds) for seconds, payload in payloads]


def _of(who: dict[str, Any]) -> dict[str, Any]:
    return {name: who[name] for name in ("pipeline", "environment")}


def _run(run: str) -> dict[str, Any]:
    return {"pipeline": "p", "execution": run}


def of_the_demo() -> Iterator[Event]:
    for made in tell(timedelta(minutes=3), speed=4):
        body = json.dumps(made.as_cloudevent()).encode()
        yield from cloudevents.decode(cloudevents.STRUCTURED, {}, body, received=NOW)


def of_recordings() -> Iterator[Event]:
    for name in [name for prefix in OPENLINEAGE for name in recordings(prefix)]:
        yield from told(bodies(name))


def of_all_tests() -> list[Event]:
    return [*failed_run(), *running_run(), *usual_runs(), *by_hand()]


@pytest.fixture(
    scope="module", params=[of_the_demo, of_recordings, of_all_tests], ids=lambda fill: fill.__name__
)
def shown(request: pytest.FixtureRequest) -> Iterator[Shown]:
    fill: Callable[[], Iterable[Event]] = request.param
    with stored(request.getfixturevalue("postgresql").create_database(prepared_by=migrated)) as store:
        events = list(fill())
        for start in range(0, len(events), 500):
            store.put(*events[start : start + 500])
        reader = Reader(store, NOW + timedelta(hours=8), grafana_url="http://grafana:3000")
        yield store, reader, list(executions(reader))


def executions(reader: Reader) -> Iterator[v.Row]:
    cursor: dict[str, str] = {}
    while True:
        page = reader.get("/api/pipeline/executions", limit=500, **cursor)
        for each in page["executions"]:
            yield reader.get(f"/api/pipeline/executions/{each['id']}")
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def test_executions_are_those_of_the_api(shown: Shown) -> None:
    store, _, wholes = shown
    rows = {row["id"]: row for row in v.rows(store.engine, "executions", "id")}
    assert len(wholes) > 10
    assert rows.keys() == {whole["id"] for whole in wholes}
    for whole in wholes:
        row = rows[whole["id"]]
        assert v.only(row, v.EXECUTION) == v.only(whole, v.EXECUTION)
        first = whole["queued_at"] or whole["started_at"] or whole["first_event_at"]
        assert row["queued_at"] == first
        assert row["progress"] == v.progress_of(whole)
        assert (row["from_ms"], row["to_ms"]) == v.span_of(whole)
        error = whole["error"] or {}
        for name in ("stage", "type", "category", "message"):
            assert row[f"error_{name}"] == error.get(name)


def test_a_parent_is_that_of_the_api_where_its_execution_is_known(shown: Shown) -> None:
    store, _, wholes = shown
    rows = {row["id"]: row["parent"] for row in v.rows(store.engine, "executions", "id")}
    for whole in wholes:
        parent, row = whole["parent"], rows[whole["id"]]
        assert (row is None) == (parent is None)
        if parent is not None:
            assert v.only(row, ["pipeline", "execution"]) == v.only(parent, ["pipeline", "execution"])
            if parent["id"] is not None:
                assert row["id"] == (parent["id"] if parent["id"] in rows else None)


def test_stages_are_those_of_the_api_with_a_row_an_attempt(shown: Shown) -> None:
    store, _, wholes = shown
    rows = v.by_execution(v.rows(store.engine, "stages", "attempt"))
    compared = 0
    for whole in wholes:
        found: dict[v.Place, list[v.Row]] = {}
        for row in rows.get(whole["id"], []):
            assert (row["pipeline"], row["environment"]) == (whole["pipeline"], whole["environment"])
            found.setdefault((tuple(row["path"]), row["index"]), []).append(row)
        stages = dict(v.flat(whole["stages"]))
        assert found.keys() == stages.keys()
        for place, stage in stages.items():
            compare_stage(whole, stage, found[place])
            compared += 1
    assert compared > 10


def compare_stage(whole: v.Row, stage: v.Row, rows: list[v.Row]) -> None:
    """Rows of a stage, one an attempt, beside the stage as the API has it."""
    assert [row["last"] for row in rows] == [False] * (len(rows) - 1) + [True]
    last = rows[-1]
    assert v.only(last, v.STAGE) == v.only(stage, v.STAGE)
    error = stage["error"] or {}
    if stage["attempts"]:
        assert (last["error_type"], last["error_message"]) == (error.get("type"), error.get("message"))
    first = stage["queued_at"] or stage["started_at"]
    assert last["queued_at"] == first or (first is None and last["queued_at"] >= whole["first_event_at"])
    # An attempt that was told to start again is one row, which says how it stands.
    attempts = [v.only(attempt, v.ATTEMPT) for attempt in stage["attempts"]]
    assert all(v.only(row, v.ATTEMPT) in attempts for row in rows) or last["attempt"] == 0
    if len(rows) == len(attempts):
        assert [row["attempt"] for row in rows] == [attempt["number"] for attempt in stage["attempts"]]


@pytest.mark.parametrize("view", v.HAPPENED)
def test_what_happened_is_that_of_the_api(shown: Shown, view: str) -> None:
    store, _, wholes = shown
    rows = v.by_execution(v.rows(store.engine, view, "time, id"))
    names = v.HAPPENED[view]
    for whole in wholes:
        assert [v.only(row, names) for row in rows[whole["id"]]] == [
            v.only(each, names) for each in whole[view]
        ]
    ids = [row["id"] for each in rows.values() for row in each]
    assert len(ids) == len(set(ids))


def test_logs_and_calls_of_models_are_those_of_the_export(shown: Shown) -> None:
    store, reader, wholes = shown
    logs = v.by_execution(v.rows(store.engine, "logs", "time, id"))
    calls = v.by_execution(v.rows(store.engine, "llm_calls", "time, id"))
    for whole in wholes[:: len(wholes) // 100 + 1]:
        exported = reader.get(f"/api/pipeline/executions/{whole['id']}/export")
        assert [v.only(row, v.LOG) for row in logs[whole["id"]]] == exported["logs"]
        told_calls = [each for each in exported["events"] if each["type"] == "pipeline.llm.called"]
        assert [row["time"] for row in calls[whole["id"]]] == [each["time"] for each in told_calls]
        for row, each in zip(calls[whole["id"]], told_calls, strict=True):
            usual = dict.fromkeys(v.CALL) | {"operation": "chat"}
            assert v.only(row, v.CALL) == v.only(usual | each["data"], v.CALL)
            assert row["error_message"] == (each["data"].get("error") or {}).get("message")


def test_pipelines_are_those_of_the_api(shown: Shown) -> None:
    store, reader, _ = shown
    expected = reader.get("/api/v1/pipelines", limit=500)["pipelines"]
    rows = {
        (row["pipeline"], row["environment"]): row for row in v.rows(store.engine, "pipelines", "pipeline")
    }
    assert rows.keys() == {(each["name"], each["environment"]) for each in expected}
    for each in expected:
        row = rows[each["name"], each["environment"]]
        assert v.only(row, v.PIPELINE) == v.only(each, v.PIPELINE)
        schedule = each["schedule"] or {}
        assert row["active"] == sum(each["active"].values())
        assert row["recent_statuses"] == [ended["status"] for ended in each["recent"]]
        assert row["next_expected_at"] == schedule.get("next_expected_at", row["next_expected_at"])
        assert row["paused"] == schedule.get("paused", row["paused"])


def test_stages_of_pipelines_are_those_of_the_graph(shown: Shown) -> None:
    store, reader, _ = shown
    found: dict[tuple[str, str], dict[str, v.Row]] = {}
    for row in v.rows(store.engine, "pipeline_stages", "stage"):
        found.setdefault((row["pipeline"], row["environment"]), {})[row["stage"]] = row
    assert found
    for (pipeline, environment), stages in found.items():
        graph = reader.get("/api/pipeline/dependency-graph", pipeline=pipeline, environment=environment)
        assert stages.keys() == {node["stage"] for node in graph["nodes"]}
        stage_of = {node["id"]: node["stage"] for node in graph["nodes"]}
        edges = {(stage_of[edge["source"]], stage_of[edge["target"]]) for edge in graph["edges"]}
        assert {(before, stage) for stage, row in stages.items() for before in row["depends_on"]} >= edges


def test_prompts_and_responses_are_not_shown(shown: Shown) -> None:
    store, _, _ = shown
    assert not any("secret" in str(row) for row in v.rows(store.engine, "llm_calls", "id"))
