"""`POST /v1/traces` as clients meet it: encodings, answers, limits, and recorded traffic sent again."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
from google.rpc.status_pb2 import Status
from starlette.testclient import TestClient

from tests.support.app import serving
from tests.support.otlp import json_body, json_span
from tests.support.recordings import recorded
from tests.support.scraped import parsed

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with serving(sqlite_url) as client:
        yield client


def runs(client: TestClient) -> Counter[tuple[str, str]]:
    found = client.get("/api/pipeline/executions").json()["executions"]
    return Counter((run["pipeline"], run["status"]) for run in found)


@pytest.mark.parametrize("name", ["otel-cicd_json", "otel-cicd_proto", "otel-cicd_gzip"])
def test_recorded_requests_are_answered_in_their_own_encoding(database_url: str, name: str) -> None:
    with serving(database_url) as client:
        for request in recorded(name) * 2:
            content_type = request.headers["content-type"]
            body = gzip.compress(request.body)
            headers = {"content-type": content_type, "content-encoding": "gzip"}
            answer = client.post("/v1/traces", content=body, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
            assert answer.content == (b"{}" if content_type == "application/json" else b"")
        assert runs(client) == {
            ("Build and Test", "succeeded"): 1,
            ("Build and Test", "failed"): 1,
            ("Build and Test", "cancelled"): 1,
            ("Release", "succeeded"): 2,
            ("Nightly", "timed_out"): 1,
        }
        totals = {
            dict(labels)["pipeline"]: value
            for (sample, labels), value in parsed(client.get("/metrics").text).items()
            if sample == "pipeline_executions_total" and dict(labels)["status"] == "succeeded"
        }
        assert totals == {"Build and Test": 1, "Release": 2, "Nightly": 0}


def test_both_ways_out_of_airflow_lead_to_one_execution(client: TestClient) -> None:
    for request in recorded("airflow3_otel-retry_then_success"):
        headers = {"content-type": request.headers["content-type"]}
        path = "/v1/traces" if request.path.endswith("traces") else "/api/v1/lineage"
        assert client.post(path, content=request.body, headers=headers).status_code == 200
    assert runs(client) == {("retry_then_success", "succeeded"): 1}


def test_deflate_is_understood_and_an_empty_request_is_fine(client: TestClient) -> None:
    packed = zlib.compress(json_body(json_span()))
    answer = client.post("/v1/traces", content=packed, headers={**JSON, "content-encoding": "deflate"})
    assert answer.status_code == 200
    assert runs(client) == {("etl", "succeeded"): 1}
    assert client.post("/v1/traces", content=b"", headers=PROTOBUF).status_code == 200
    assert client.post("/v1/traces", content=b"{}", headers=JSON).json() == {}


def test_a_span_that_cannot_be_read_is_told_and_the_rest_is_taken(client: TestClient) -> None:
    body = json_body(json_span(), json_span(spanId="nonsense"))
    answer = client.post("/v1/traces", content=body, headers=JSON)
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "/resourceSpans/0/scopeSpans/0/spans/1/spanId" in partial["errorMessage"]
    assert runs(client) == {("etl", "succeeded"): 1}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (JSON, b"{", 400),
        (PROTOBUF, b"\xff", 400),
        ({**PROTOBUF, "content-encoding": "gzip"}, b"not gzip", 400),
        ({"content-type": "text/plain"}, b"", 415),
        ({**PROTOBUF, "content-encoding": "br"}, b"", 415),
        (PROTOBUF, b"\x00" * (16 * 1024 * 1024 + 1), 413),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(b" " * (16 * 1024 * 1024 + 1)), 413),
    ],
)
def test_what_is_refused_is_answered_with_a_status_in_the_encoding_of_the_request(
    client: TestClient, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == status
    if headers["content-type"] == "application/x-protobuf":
        assert answer.headers["content-type"] == "application/x-protobuf"
        found = Status.FromString(answer.content)
        assert (found.code, bool(found.message)) == (3, True)
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["code"]) == (status, 3)
        assert problem["message"] == problem["detail"]


@pytest.mark.parametrize("headers", [JSON, PROTOBUF])
def test_what_cannot_be_made_durable_is_to_be_sent_again(sqlite_url: str, headers: dict[str, str]) -> None:
    with (
        serving(sqlite_url) as client,
        closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        body = json_body(json_span()) if headers is JSON else recorded("otel-generic")[0].body
        answer = client.post("/v1/traces", content=body, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_token_is_asked_for_as_of_other_ways_in(sqlite_url: str) -> None:
    with serving(sqlite_url, token="s3cret") as client:
        body = json_body(json_span())
        assert client.post("/v1/traces", content=body, headers=JSON).status_code == 401
        told = client.post("/v1/traces", content=body, headers={**JSON, "x-api-key": "s3cret"})
        assert told.status_code == 200


def test_the_address_may_name_the_environment(client: TestClient) -> None:
    client.post("/v1/traces?environment=prod", content=json_body(json_span()), headers=JSON)
    (run,) = client.get("/api/pipeline/executions").json()["executions"]
    assert run["environment"] == "prod"
    assert json.dumps(run)
