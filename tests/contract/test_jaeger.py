"""Jaeger's query API over HTTP, on both databases, read as Grafana's Jaeger datasource reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event
from exporter.domain.identity import execution_id
from exporter.store.queries import traces as queries
from tests.support.reading import Reader, reader
from tests.support.runs import FAILED, RUNNING, TRACE
from tests.support.stored import at, event, stored
from tests.support.traces import Span, Trace, read

API = "/jaeger/api"
NOON_MS = 1_795_348_800_000


def trace(api: Reader, id_: str) -> Trace:
    """The trace of an execution."""
    (found,) = read(api.get(f"{API}/traces/{id_}"))
    assert found.traceID == id_
    return found


def found(api: Reader, **query: str) -> list[str]:
    """Run ids of the executions that a search finds, in its order."""
    answer = api.get(f"{API}/traces", **query)
    assert answer["errors"] is None
    assert answer["total"] == len(answer["data"])
    return [each.root.told["external_id"] for each in read(answer)]


def refused(api: Reader, path: str, **query: str) -> str:
    """The message of an answer in Jaeger's shape that is an error."""
    answer = api.client.get(f"{API}{path}", params=query or None)
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["data"] is None
    (error,) = body["errors"]
    assert error["code"] == 400
    message: str = error["msg"]
    return message


def test_services_are_pipelines_and_operations_their_stages(api: Reader) -> None:
    assert api.get(f"{API}/services") == {
        "data": ["hourly", "nightly"], "total": 2, "limit": 0, "offset": 0, "errors": None,
    }  # fmt: skip
    stages = ["execution", "extract", "load", "parse"]
    assert api.get(f"{API}/services/nightly/operations")["data"] == stages
    assert api.get(f"{API}/services/{{nightly,hourly}}/operations")["data"] == [*stages, "pull", "push"]
    assert api.get(f"{API}/services/nowhere/operations")["data"] == []
    operations = api.get(f"{API}/operations", service=".*")["data"]
    assert operations[0] == {"name": "execution", "spanKind": "internal"}
    assert [each["name"] for each in operations] == [*stages, "pull", "push"]
    assert api.get(f"{API}/operations", service=".*", spanKind="server")["data"] == []
    assert refused(api, "/operations") == "parameter 'service' is required"


def test_an_execution_is_a_tree_of_its_stages(api: Reader) -> None:
    found = trace(api, FAILED)
    assert [(found.path(span)[1:], span.told.get("stage.attempt"), span.seconds) for span in found.spans] == [
        ([], None, (2, 11)),
        (["extract"], 1, (3, 2)),
        (["extract"], 2, (6, 3.25)),
        (["extract", "parse"], 1, (6.5, 0.5)),
        (["load"], 1, (10, 2)),
    ]
    root, first, second, parse, load = found.spans
    assert parse.parent == second.spanID
    assert root.operationName == "execution failed"
    assert [span.told.get("error") for span in found.spans] == [True, True, None, None, True]
    assert [span.told.get("stage.status") for span in found.spans[1:]] == [
        "failed", "succeeded", "succeeded", "failed",
    ]  # fmt: skip
    assert {process.serviceName for process in found.processes.values()} == {"nightly"}
    assert first.events[0]["exception.message"] == "ConnectionError: broker away"
    assert second.told["items.in"] == 10
    assert (second.told["cpu.seconds"], second.told["memory.peak_bytes"]) == (1.5, 300)
    assert parse.told["stage.index"] == "0"
    assert load.stackTraces == [TRACE]


def test_the_root_tells_of_the_execution(api: Reader) -> None:
    root = trace(api, FAILED).root
    expected = {
        "execution.status": "failed",
        "source_status": "crashed",
        "external_id": "r1",
        "environment": "default",
        "kind": "etl",
        "trigger": "schedule",
        "label.team": "red",
        "error": True,
        "error.type": "KeyError",
        "otel.status_code": "ERROR",
        "cicd.pipeline.result": "failure",
        "queued.seconds": 2.0,
        "link": "https://source/r1",
        "parent.pipeline": "trigger",
    }
    assert {key: root.told.get(key) for key in expected} == expected
    assert json.loads(root.told["parameters"]) == {"day": "2026-11-22", "n": [1, {"x": None}]}
    assert root.references == []  # its parent is not known here


def test_logs_are_at_their_stage_in_milliseconds(api: Reader) -> None:
    (load,) = trace(api, FAILED).named("load")
    assert [
        (log.timestamp - NOON_MS, fields["event"]) for log, fields in zip(load.logs, load.events, strict=True)
    ] == [
        (11_000, "warning"),
        (11_500, "log"),
        (11_600, "artifact"),
        (12_000, "exception"),
    ]
    warning, line, artifact, error = load.events
    assert (warning["code"], warning["message"]) == ("W1", "slow")
    assert (line["level"], line["message"], line["fields"]) == ("error", "giving up", '{"row":3}')
    assert (artifact["uri"], artifact["bytes"]) == ("s3://b/out", 5)
    assert (error["exception.type"], error["component"], error["context"]) == (
        "KeyError",
        "loader",
        '{"row":3}',
    )


def test_what_runs_lasts_until_now(api: Reader) -> None:
    found = trace(api, RUNNING)
    assert [(span.operationName, span.seconds) for span in found.spans] == [
        ("execution running", (500, 100)),
        ("extract", (501, 99)),
    ]
    (reference,) = found.root.references
    assert (reference.refType, reference.traceID, reference.spanID) == (
        "FOLLOWS_FROM", FAILED, trace(api, FAILED).root.spanID,
    )  # fmt: skip


@pytest.mark.parametrize("id_", ["0" * 32, "x", "%20", "%00", "", "a/b", "37DCD1"])
def test_a_trace_that_is_not_known_is_404(api: Reader, id_: str) -> None:
    answer = api.client.get(f"{API}/traces/{id_}", follow_redirects=False)
    assert answer.status_code == 404
    if "/" not in id_:
        assert answer.json()["errors"] == [{"code": 404, "msg": "trace not found"}]


def test_a_trace_is_found_whatever_the_case_of_its_id(api: Reader) -> None:
    (found,) = read(api.get(f"{API}/traces/{FAILED.upper()}"))
    assert found.traceID == FAILED


SEARCHES: list[tuple[dict[str, str], list[str]]] = [
    ({"service": "nightly"}, ["r2", "r1"]),
    ({"service": ".*"}, ["r2", "h3", "h2", "h1", "r1", "h0"]),
    ({"service": "{nightly,hourly}", "limit": "2"}, ["r2", "h3"]),
    ({"service": "nowhere"}, []),
    ({"service": "nightly", "operation": "load"}, ["r1"]),
    ({"service": ".*", "operation": "{load,pull}"}, ["h3", "h2", "h1", "r1", "h0"]),
    ({"service": "nightly", "operation": "nowhere"}, []),
    ({"service": "nightly", "operation": "execution"}, ["r2", "r1"]),
    ({"service": "nightly", "operation": "execution failed"}, ["r1"]),
    ({"service": "nightly", "operation": "{execution running,load}"}, ["r2", "r1"]),
    ({"service": "nightly", "operation": "All"}, ["r2", "r1"]),
    ({"service": ".*", "tags": '{"error":"true"}'}, ["r1"]),
    ({"service": ".*", "tag": "error:true"}, ["r1"]),
    ({"service": "nightly", "tags": '{"error":"false"}'}, ["r2"]),
    ({"service": ".*", "tags": '{"error":".*"}', "limit": "1"}, ["r2"]),
    ({"service": ".*", "tags": '{"status":"failed"}'}, ["r1"]),
    ({"service": ".*", "tags": '{"execution.status":"{failed,running}"}'}, ["r2", "r1"]),
    ({"service": ".*", "tags": '{"execution.status":"failed","error":"false"}'}, []),
    ({"service": ".*", "tags": '{"status":"nonsense"}'}, []),
    ({"service": "nightly", "operation": "extract", "tags": '{"error":"true"}'}, ["r1"]),
    ({"service": "nightly", "operation": "parse", "tags": '{"error":"true"}'}, []),
    ({"service": "nightly", "operation": "parse", "tags": '{"execution.status":"failed"}'}, ["r1"]),
    ({"service": "nightly", "operation": "extract", "tags": '{"stage.status":"running"}'}, ["r2"]),
    ({"service": ".*", "tags": '{"external_id":"h2"}'}, ["h2"]),
    ({"service": ".*", "tags": '{"environment":"lab"}'}, ["h3", "h2", "h1", "h0"]),
    ({"service": ".*", "operation": "pull", "tags": '{"environment":"default"}'}, []),
    ({"service": "nightly", "tags": '{"kind":"etl","trigger":"schedule"}'}, ["r1"]),
    ({"service": ".*", "tags": '{"trigger":"nobody"}'}, []),
    ({"service": ".*", "tags": '{"source":"cloudevents"}', "limit": "1"}, ["r2"]),
    ({"service": ".*", "tags": '{"team":"red"}'}, ["r1"]),
    ({"service": ".*", "tags": '{"label.team":"{red,blue}"}'}, ["r1"]),
    ({"service": ".*", "tags": '{"team":"re"}'}, []),
    ({"service": ".*", "tags": '{"nobody.knows":"this"}'}, []),
    ({"service": ".*", "tags": '{"error.type":"KeyError"}'}, ["r1"]),
    ({"service": ".*", "tags": '{"error.type":"Key"}'}, []),
    ({"service": ".*", "minDuration": "11s"}, ["r2", "r1"]),
    ({"service": ".*", "maxDuration": "10500ms"}, ["h3", "h2", "h1", "h0"]),
    ({"service": ".*", "minDuration": "99s"}, ["r2"]),
    ({"service": ".*", "minDuration": "101s"}, []),
    ({"service": "hourly", "operation": "push", "minDuration": "5s"}, ["h3", "h2", "h1", "h0"]),
    ({"service": "hourly", "operation": "pull", "minDuration": "5s"}, []),
    ({"service": "nightly", "operation": "extract", "minDuration": "90s"}, ["r2"]),
    ({"service": ".*", "start": f"{NOON_MS + 60_000}000", "end": f"{NOON_MS + 130_000}000"}, ["h2", "h1"]),
    ({"service": ".*", "operation": "pull", "end": f"{NOON_MS + 1_000}000"}, ["h0"]),
    ({"service": ".*", "start": "0", "end": "1"}, []),
    ({"service": ".*", "lookback": "1m"}, []),
    ({"service": ".*", "lookback": "110s"}, ["r2"]),
]


@pytest.mark.parametrize(("query", "ids"), SEARCHES, ids=[str(query) for query, _ in SEARCHES])
def test_a_search_finds(api: Reader, query: dict[str, str], ids: list[str]) -> None:
    assert found(api, **query) == ids


def test_a_search_answers_each_trace_with_its_root(api: Reader) -> None:
    answer = api.get(f"{API}/traces", service="nightly", limit="1")
    assert answer["limit"] == 1
    (one,) = read(answer)
    assert [span.operationName for span in one.spans] == ["execution running"]
    assert one.root == alone(trace(api, RUNNING).root)


def alone(root: Span) -> Span:
    """The root without what only the whole trace tells."""
    root.references, root.logs = [], []
    return root


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({}, "service"),
        ({"service": "a", "limit": "x"}, "limit"),
        ({"service": "a", "start": "now"}, "start"),
        ({"service": "a", "minDuration": "1"}, "minDuration"),
        ({"service": "a", "tags": "error=true"}, "tags"),
        ({"service": "a", "tag": "error"}, "tag"),
        ({"service": "\0"}, "service"),
        ({"service": "a", "operation": "\0"}, "operation"),
    ],
)
def test_a_search_that_cannot_be_understood_names_the_parameter(
    api: Reader, query: dict[str, str], name: str
) -> None:
    assert f"'{name}'" in refused(api, "/traces", **query)


def test_dependencies_are_executions_started_by_those_of_another_pipeline(api: Reader) -> None:
    assert api.get(f"{API}/dependencies")["data"] == [
        {"parent": "nightly", "child": "nightly", "callCount": 1},
        {"parent": "trigger", "child": "nightly", "callCount": 1},
    ]
    window = {"endTs": str(NOON_MS + 60_000), "lookback": "60000"}
    assert api.get(f"{API}/dependencies", **window)["data"] == [
        {"parent": "trigger", "child": "nightly", "callCount": 1}
    ]
    assert api.get(f"{API}/dependencies", endTs="1", lookback="1")["data"] == []
    assert "'endTs'" in refused(api, "/dependencies", endTs="soon")


def test_a_trace_is_found_by_its_id_as_a_uuid(api: Reader) -> None:
    uuid = "-".join((FAILED[:8], FAILED[8:12], FAILED[12:16], FAILED[16:20], FAILED[20:]))
    (found,) = read(api.get(f"{API}/traces/{uuid.upper()}"))
    assert found.traceID == FAILED
    assert api.client.get(f"{API}/traces/{FAILED[:16]}-{FAILED[16:]}").status_code == 404


# What sources tell strangely

WHO: dict[str, Any] = {"pipeline": "odd", "execution": "r"}
ODD = execution_id("", "default", "odd", "r")


@pytest.fixture
def of(database_url: str) -> Iterator[Any]:
    """The trace of the execution that events tell of."""
    with stored(database_url) as store, reader(store) as api:

        def told(*events: Event) -> Trace:
            store.put(*events)
            return trace(api, ODD)

        yield told


def test_an_execution_that_is_told_as_its_own_parent_has_none(database_url: str) -> None:
    with stored(database_url) as store, reader(store) as api:
        store.put(event(e.ExecutionStarted(**WHO, parent=e.Parent("odd", "r")), 0))
        root = trace(api, ODD).root
        assert root.references == []
        assert "parent.pipeline" not in root.told
        assert api.get(f"{API}/dependencies")["data"] == []


def test_a_queued_execution_has_a_span_and_queued_stages_none(of: Any) -> None:
    found = of(event(e.ExecutionQueued(**WHO), 10), event(e.StageQueued(**WHO, stage="a"), 11))
    assert [(span.operationName, span.seconds) for span in found.spans] == [("execution queued", (10, 590))]


def test_a_stage_that_never_began_is_no_span_when_its_execution_is_over(of: Any) -> None:
    found = of(
        event(e.ExecutionStarted(**WHO), 0),
        event(e.StageQueued(**WHO, stage="a"), 1),
        event(e.StageStarted(**WHO, stage="b"), 1),
        event(e.ExecutionFinished(**WHO, status="failed"), 5),
    )
    assert [(span.operationName, span.seconds) for span in found.spans[1:]] == [("b", (1, 4))]
    assert found.spans[1].told["stage.status"] == "lost"


def test_an_execution_without_stages_is_one_span(of: Any) -> None:
    found = of(event(e.ExecutionHeartbeat(**WHO), 3))
    assert [(span.operationName, span.seconds) for span in found.spans] == [("execution running", (3, 597))]


def test_a_stage_that_only_ended_has_no_length(of: Any) -> None:
    found = of(event(e.StageFinished(**WHO, stage="a", status="succeeded"), 7))
    assert found.named("a")[0].seconds == (7, 0)


def test_clocks_that_differ_make_no_negative_time(of: Any) -> None:
    found = of(
        event(e.ExecutionStarted(**WHO), 10),
        event(e.StageStarted(**WHO, stage="early"), 5),
        event(e.StageFinished(**WHO, stage="early", status="succeeded"), 6),
        event(e.StageStarted(**WHO, stage="future"), 10_000),
        event(e.StageFinished(**WHO, stage="back", status="succeeded", started_at=at(20)), 15),
    )
    (early,), (future,), (back,) = (found.named(name) for name in ("early", "future", "back"))
    assert (early.seconds, early.warnings) == ((5, 1), ["begins before its execution: their clocks differ"])
    assert future.seconds == (10_000, 0)
    assert (back.seconds, back.warnings) == ((20, 0), ["ends before it begins: clocks differ"])


def test_a_skipped_stage_has_no_length(of: Any) -> None:
    found = of(
        event(e.ExecutionStarted(**WHO), 0),
        event(e.StageFinished(**WHO, stage="plain", status="skipped"), 4),
        event(e.ExecutionFinished(**WHO, status="succeeded"), 8),
        event(e.StageSettled(**WHO, stage="settled", status="skipped", source_status="upstream_failed"), 9),
        event(e.StageSettled(**WHO, stage="quick", status="succeeded", duration_seconds=0.5), 9),
    )
    (plain,), (settled,), (quick,) = (found.named(name) for name in ("plain", "settled", "quick"))
    assert (plain.seconds, plain.told["stage.status"]) == ((4, 0), "skipped")
    assert (settled.seconds, settled.told["source_status"]) == ((8, 0), "upstream_failed")
    assert quick.seconds == (7.5, 0.5)


def test_a_run_that_was_resumed_is_one_tree(of: Any) -> None:
    found = of(
        event(e.ExecutionStarted(**WHO), 0),
        event(e.StageStarted(**WHO, stage="a"), 0),
        event(e.StageFinished(**WHO, stage="a", status="failed", error=ErrorDetail("E1: no")), 1),
        event(e.ExecutionFinished(**WHO, status="failed"), 2),
        event(e.ExecutionResumed(**WHO), 10),
        event(e.StageStarted(**WHO, stage="a"), 10),
        event(e.StageFinished(**WHO, stage="a", status="succeeded"), 14),
        event(e.ExecutionFinished(**WHO, status="succeeded"), 15),
    )
    assert found.root.seconds == (0, 15)
    assert [(span.told["stage.attempt"], span.told["status"]) for span in found.spans[1:]] == [
        (1, "failed"), (2, "succeeded"),
    ]  # fmt: skip
    assert {span.parent for span in found.spans[1:]} == {found.root.spanID}
    assert [each["event"] for each in found.root.events] == ["execution started", "execution ended"] * 2


def test_calls_of_language_models_are_below_the_attempt_that_made_them(of: Any) -> None:
    call: dict[str, Any] = {**WHO, "provider": "openai", "request_model": "gpt", "stage": "ask"}
    limited = ErrorDetail("RateLimitError: slow down")
    found = of(
        event(e.ExecutionStarted(**WHO), 0),
        event(e.StageStarted(**WHO, stage="ask", attempt=1), 1),
        event(e.LlmCalled(**call, duration_seconds=2, error=limited, prompt="p" * 10_000), 4),
        event(e.StageFinished(**WHO, stage="ask", attempt=1, status="failed", retry=True), 5),
        event(e.StageStarted(**WHO, stage="ask", attempt=2), 6),
        event(e.LlmCalled(**call, duration_seconds=1, input_tokens=9, output_tokens=3, cost_usd=0.5), 8),
        event(e.LlmCalled(**{**call, "stage": None}), 9),
    )
    first, second = found.named("ask")
    bad, good, alone = found.named("chat gpt")
    assert [each.parent for each in (bad, good, alone)] == [first.spanID, second.spanID, found.root.spanID]
    assert (bad.seconds, bad.told["error"], bad.told["span.kind"]) == ((2, 2), True, "client")
    assert (good.told["gen_ai.usage.input_tokens"], good.told["gen_ai.provider.name"]) == (9, "openai")
    assert bad.events[0]["exception.message"] == "RateLimitError: slow down"


def test_pipelines_of_one_name_are_told_apart_by_their_environment(database_url: str) -> None:
    with stored(database_url) as store, reader(store) as api:
        for place in ("lab", "live"):
            store.put(event(e.ExecutionStarted(pipeline="p", environment=place, execution=place), 1))
        assert api.get(f"{API}/services")["data"] == ["p"]
        assert sorted(found(api, service="p")) == ["lab", "live"]
        assert found(api, service="p", tags='{"environment":"lab"}') == ["lab"]
        assert found(api, service="p", tag="deployment.environment.name:live") == ["live"]


def test_labels_of_a_pipeline_count_as_those_of_its_executions(database_url: str) -> None:
    with stored(database_url) as store, reader(store) as api:
        store.put(
            event(e.PipelineDeclared(pipeline="a", labels={"team": "red", "tier": 1}, owner="ann"), 0),
            event(e.ExecutionStarted(pipeline="a", execution="a1"), 1),
            event(e.ExecutionStarted(pipeline="a", execution="a2", labels={"team": "blue"}), 2),
            event(e.ExecutionStarted(pipeline="b", execution="b1", labels={"team": "red", "tier": 1}), 3),
        )
        assert found(api, service=".*", tag="team:red") == ["b1", "a2", "a1"]
        assert found(api, service=".*", tags='{"team":"red","tier":"1"}') == ["b1", "a2", "a1"]
        assert found(api, service=".*", tag="team:blue") == ["a2"]
        (one, other) = read(api.get(f"{API}/traces", service="a"))
        assert [each.root.told["label.team"] for each in (one, other)] == ["blue", "red"]
        assert one.processes["p1"].tags[-1].value == "ann"


def test_a_name_with_a_slash_is_a_service_too(database_url: str) -> None:
    with stored(database_url) as store, reader(store) as api:
        store.put(event(e.StageStarted(pipeline="a/b", execution="r", stage="s/t"), 1))
        assert api.get(f"{API}/services/a/b/operations")["data"] == ["execution", "s/t"]
        assert found(api, service="a/b", operation="s/t") == ["r"]


def test_a_failure_too_rare_to_be_met_is_found_by_its_execution(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LOOKS", (2, 3))
    with stored(database_url) as store, reader(store) as api:
        for number in range(10):
            who: dict[str, Any] = {"pipeline": "p", "execution": f"r{number}"}
            status = "failed" if number == 2 else "succeeded"
            store.put(
                event(e.ExecutionStarted(**who), number),
                event(e.StageStarted(**who, stage="s"), number),
                event(e.StageFinished(**who, stage="s", status=status), number + 0.5),
                event(e.ExecutionFinished(**who, status=status), number + 0.6),
            )
        assert found(api, service="p", operation="s") == ["r9", "r8", "r7"]
        assert found(api, service="p", operation="s", tag="error:true") == ["r2"]
        assert found(api, service="p", operation="t", tag="error:true") == []


def test_nothing_sent_yet_is_answered_too(database_url: str) -> None:
    with stored(database_url) as store, reader(store) as api:
        assert api.get(f"{API}/services")["data"] == []
        assert api.get(f"{API}/services/a/operations")["data"] == []
        assert found(api, service=".*") == []
        assert api.get(f"{API}/dependencies")["data"] == []
