"""Bad input: a clear error that names the field, or a bounded and counted effect; never a 500, never half a batch."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from starlette.testclient import TestClient

from exporter.domain.events import PAYLOAD_OF_TYPE
from exporter.store import schema
from exporter.store.engine import open_engine
from exporter.store.limits import Limits
from exporter.web.bodies import MOST_BYTES
from tests.support.app import serving
from tests.support.exporter import StartExporter
from tests.support.load import cloud_event, execution
from tests.support.migrated import migrated

BATCH = {"content-type": "application/cloudevents-batch+json"}
ONE = {"content-type": "application/cloudevents+json"}
RUN: dict[str, Any] = {"pipeline": "nightly", "execution": "r1"}


@pytest.fixture
def client(database_url: str) -> Iterator[TestClient]:
    with serving(database_url) as client:
        yield client


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def refusing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A client for tests that send nothing that is taken."""
    url = f"sqlite:///{tmp_path_factory.mktemp('refusing') / 'exporter.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").create_database(prepared_by=migrated)
    with serving(url) as client:
        yield client


def refused(answer: Any, status: int, pointer: str | None = None) -> dict[str, Any]:
    """The problem, which is one of RFC 9457 and names the field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    if pointer is not None:
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
        assert problem["errors"][0]["message"]
    return problem


def started(**changes: Any) -> dict[str, Any]:
    event = cloud_event("pipeline.execution.started", "1", **RUN)
    return {**event, **changes}


def with_data(type_: str = "pipeline.execution.started", **data: Any) -> dict[str, Any]:
    return cloud_event(type_, "1", **{**RUN, **data})


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({k: v for k, v in started().items() if k != "id"}, ""),
    "an empty id": (started(id=""), "/id"),
    "another version": (started(specversion="0.3"), "/specversion"),
    "an unknown type": (started(type="pipeline.execution.exploded"), "/type"),
    "no data": (started(data=None), "/data"),
    "data of another kind": (started(data=[1]), "/data"),
    "year 1": (started(time="0001-01-01T00:00:00Z"), "/time"),
    "year 9999": (started(time="9999-12-31T23:59:59Z"), "/time"),
    "a time without a zone": (started(time="2026-11-22T05:00:00"), "/time"),
    "words for a time": (started(time="yesterday"), "/time"),
    "a pipeline that is a number": (with_data(pipeline=7), "/data/pipeline"),
    "an empty pipeline": (with_data(pipeline=""), "/data/pipeline"),
    "a name of 10 kB": (with_data(pipeline="x" * 10_000), "/data/pipeline"),
    "a NUL in a name": (with_data(pipeline="a\x00b"), "/data/pipeline"),
    "a line break in a name": (with_data(environment="a\nb"), "/data/environment"),
    "a negative heartbeat": (with_data(heartbeat_seconds=-1), "/data/heartbeat_seconds"),
    "a progress beyond 1": (with_data("pipeline.execution.progressed", progress=1.5), "/data/progress"),
    "an end that is none": (with_data("pipeline.execution.finished", status="running"), "/data/status"),
    "a status of nobody": (with_data("pipeline.execution.finished", status="boing"), "/data/status"),
    "attempt 0": (with_data("pipeline.stage.started", stage="x", attempt=0), "/data/attempt"),
    "no stage": (with_data("pipeline.stage.started"), "/data"),
    "fractions of items": (
        with_data("pipeline.stage.finished", stage="x", status="ok", items={"in": 0.5}),
        "/data/items/in",
    ),
    "both cron and period": (
        cloud_event(
            "pipeline.declared", "1", pipeline="n", schedule={"cron": "* * * * *", "every_seconds": 5}
        ),
        "/data/schedule/cron",
    ),
    "a cron that is none": (
        cloud_event("pipeline.declared", "1", pipeline="n", schedule={"cron": "61 * * * *"}),
        "/data/schedule/cron",
    ),
    "a zone that is none": (
        cloud_event(
            "pipeline.declared", "1", pipeline="n", schedule={"cron": "5 4 * * *", "timezone": "Mars/Base"}
        ),
        "/data/schedule/timezone",
    ),
    "a direction that is none": (
        cloud_event("pipeline.stream.measured", "1", pipeline="n", stream="s", direction="up"),
        "/data/direction",
    ),
    "a watermark of year 1": (
        cloud_event(
            "pipeline.stream.measured", "1", pipeline="n", stream="s", watermark="0001-01-01T00:00:00Z"
        ),
        "/data/watermark",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_named_and_nothing_of_its_batch_is_taken(refusing: TestClient, name: str) -> None:
    event, pointer = WRONG[name]
    refused(refusing.post("/api/v1/events", json=event, headers=ONE), 422, pointer)
    batch = [*execution("nightly", "r0"), event]
    refused(refusing.post("/api/v1/events", json=batch, headers=BATCH), 422, f"/6{pointer}")
    assert refusing.get("/api/pipeline/executions").json()["executions"] == []


def test_every_wrong_event_of_a_batch_is_named(refusing: TestClient) -> None:
    answer = refusing.post(
        "/api/v1/events", json=[started(time="x"), started(), started(data={})], headers=BATCH
    )
    assert [error["pointer"] for error in refused(answer, 422)["errors"]] == ["/0/time", "/2/data"]


UNREADABLE = [
    b"",
    b"{",
    b"[1,",
    b"\xff\xfe\x00",
    b"NaN",
    b'{"a": NaN}',
    b"[" * 200_000,
    b'{"a":' * 50_000,
    b'"\\ud800"',
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_is_not_json_is_unreadable(refusing: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    refused(refusing.post("/api/v1/events", content=body, headers=headers), 400)
    # An OpenLineage client in Python writes NaN, and would lose the event: there it is read.
    status = 422 if body in (b"NaN", b'{"a": NaN}', b'"\\ud800"') else 400
    refused(refusing.post("/api/v1/lineage", content=body, headers=headers), status)


def test_deep_nesting_within_a_field_is_refused(refusing: TestClient) -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    data = f'{{"pipeline":"n","execution":"1","parameters":{deep}}}'
    body = f'{{"specversion":"1.0","id":"1","source":"s","type":"pipeline.execution.started","data":{data}}}'
    answer = refusing.post("/api/v1/events", content=body.encode(), headers=ONE)
    assert answer.status_code in (400, 422)


def test_of_keys_told_twice_the_last_one_counts(client: TestClient) -> None:
    body = b'{"specversion":"1.0","id":"1","source":"s","type":"pipeline.execution.started","id":"2",'
    body += b'"data":{"pipeline":"a","pipeline":"b","execution":"1"}}'
    assert client.post("/api/v1/events", content=body, headers=ONE).json() == {"accepted": 1, "duplicates": 0}
    assert client.get("/api/pipeline/executions").json()["executions"][0]["pipeline"] == "b"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "multipart/form-data"])
def test_other_content_types(refusing: TestClient, kind: str) -> None:
    refused(refusing.post("/api/v1/events", content=b"{}", headers={"content-type": kind}), 415)


def test_other_encodings_and_broken_ones(client: TestClient) -> None:
    body = json.dumps(execution("nightly", "r1")).encode()
    for encoding, packed, status in (
        ("br", body, 415),
        ("gzip", body, 400),
        ("gzip", gzip.compress(body)[:-20], 400),
        ("deflate", b"\x00\x01\x02", 400),
    ):
        refused(
            client.post("/api/v1/events", content=packed, headers={**BATCH, "content-encoding": encoding}),
            status,
        )
    for encoding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert (
            client.post(
                "/api/v1/events", content=packed, headers={**BATCH, "content-encoding": encoding}
            ).status_code
            == 202
        )


def test_a_small_body_that_unpacks_to_gigabytes_is_too_large(refusing: TestClient) -> None:
    bomb = gzip.compress(b"\x00" * (MOST_BYTES * 8))
    assert len(bomb) < MOST_BYTES / 10
    refused(refusing.post("/api/v1/events", content=bomb, headers={**BATCH, "content-encoding": "gzip"}), 413)


def test_a_body_of_100_mb_is_too_large(refusing: TestClient) -> None:
    refused(refusing.post("/api/v1/events", content=b" " * 100_000_000, headers=BATCH), 413)


def test_a_batch_of_too_many_events_is_too_large(refusing: TestClient) -> None:
    refused(refusing.post("/api/v1/events", json=[1] * 10_001, headers=BATCH), 413)


def test_emoji_are_welcome_and_nul_in_text_is_replaced(client: TestClient) -> None:
    run = {"pipeline": "n\u00e4chtlich \U0001f680", "execution": "l\u00e4uft"}
    error = {
        "message": "bad\x00byte",
        "type": "Value\x00Error",
        "stacktrace": "at\x00",
        "context": {"k\x00": "v\x00"},
    }
    events = [
        cloud_event(
            "pipeline.execution.started", "1", **run, parameters={"\x00": ["\x00"]}, labels={"a": "b\x00"}
        ),
        cloud_event("pipeline.log.emitted", "2", **run, message="log\x00line"),
        cloud_event("pipeline.execution.finished", "3", **run, status="failed", error=error),
    ]
    assert client.post("/api/v1/events", json=events, headers=BATCH).json() == {
        "accepted": 3,
        "duplicates": 0,
    }
    (found,) = client.get("/api/pipeline/executions", params={"q": "\U0001f680"}).json()["executions"]
    assert found["pipeline"] == run["pipeline"]
    assert found["error"]["message"] == "bad\ufffdbyte"
    assert client.get(f"/api/pipeline/executions/{found['id']}/export").status_code == 200
    assert 'pipeline="n\u00e4chtlich \U0001f680"' in client.get("/metrics").text


def test_a_label_value_a_request_stays_within_the_budget(sqlite_url: str) -> None:
    with serving(sqlite_url, Limits(series=1000)) as client:
        for number in range(300):
            events = [
                cloud_event("pipeline.execution.started", f"s{number}", pipeline=f"p{number}", execution="1"),
                cloud_event(
                    "pipeline.stage.finished",
                    f"e{number}",
                    pipeline="one",
                    execution="1",
                    stage=f"s{number}",
                    status="failed",
                    error={"message": "x", "type": f"E{number}"},
                ),
                cloud_event(
                    "pipeline.stream.measured",
                    f"m{number}",
                    pipeline="one",
                    stream="s",
                    events={f"o{number}": 1},
                ),
            ]
            assert client.post("/api/v1/events", json=events, headers=BATCH).status_code == 202
        lines = [
            line
            for line in client.get("/metrics").text.splitlines()
            if line.startswith("pipeline_") and "{" in line
        ]
        assert len(lines) < 1500
        overflow = [line for line in lines if line.startswith("pipeline_exporter_label_overflow_total")]
        assert {'label="pipeline"', 'label="stage"', 'label="error"', 'label="operation"'} <= {
            line.partition("{")[2].partition("}")[0] for line in overflow
        }
        assert any('pipeline="__other__"' in line for line in lines)
        listed = client.get("/api/pipeline/executions", params={"limit": 500}).json()["executions"]
        assert len(listed) == 301


def test_half_a_request_is_nothing(sqlite_url: str, start_exporter: StartExporter) -> None:
    exporter = start_exporter(database=sqlite_url)
    host, port = exporter.url.removeprefix("http://").split(":")
    body = json.dumps(execution("nightly", "r1")).encode()
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: {BATCH['content-type']}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
    assert exporter.stop() == 0
    engine = open_engine(sqlite_url)
    with engine.connect() as connection_:
        assert connection_.scalar(select(func.count()).select_from(schema.events)) == 0
    assert "Traceback" not in exporter.log


def test_only_who_has_the_token_may_send(sqlite_url: str) -> None:
    with serving(sqlite_url, token="secret") as client:
        events = execution("nightly", "r1")
        refused(client.post("/api/v1/events", json=events, headers=BATCH), 401)
        refused(
            client.post("/api/v1/events", json=events, headers={**BATCH, "authorization": "Bearer wrong"}),
            401,
        )
        for headers in (
            {"authorization": "Bearer secret"},
            {"x-api-key": "secret"},
            {"authorization": "Basic dTpzZWNyZXQ="},
        ):
            assert client.post("/api/v1/events", json=events, headers={**BATCH, **headers}).status_code == 202


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('bad') / 'exporter.db'}") as client:
        yield client


FIELDS = sorted({field for payload in PAYLOAD_OF_TYPE.values() for field in payload.__struct_encode_fields__})


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    type_=st.sampled_from(sorted(PAYLOAD_OF_TYPE)),
    data=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
    envelope=st.dictionaries(
        st.sampled_from(["id", "source", "time", "type", "data", "specversion"]), JSON, max_size=1
    ),
)
def test_whatever_is_sent_is_taken_or_refused(
    shared_client: TestClient, type_: str, data: dict[str, Any], envelope: dict[str, Any]
) -> None:
    event = {
        **cloud_event(type_, "x", **{"pipeline": "p", "execution": "1", "stage": "s", **data}),
        **envelope,
    }
    answer = shared_client.post("/api/v1/events", content=json.dumps(event).encode(), headers=ONE)
    assert answer.status_code in (202, 400, 422), answer.text
    if answer.status_code != 202:
        refused(answer, answer.status_code)
    assert shared_client.get("/metrics").status_code == 200


def test_a_tag_of_openlineage_that_is_no_threshold_is_taken_and_logged(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    tags = {"alerts.stream_lag_seconds": "soon", "alerts.completeness": "0.5", "tier": "gold"}
    facet = {"tags": [{"key": key, "value": value, "source": "USER"} for key, value in tags.items()]}
    body = {
        "eventTime": "2026-11-22T01:00:00Z",
        "eventType": "START",
        "job": {"namespace": "n", "name": "cdc", "facets": {"tags": facet}},
        "run": {"runId": "01a200ee-c975-7ca0-96a7-a09e225da53f"},
    }
    with caplog.at_level("WARNING"):
        assert client.post("/api/v1/lineage", json=body).status_code == 200
    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert line.getMessage() == "a tag sets no threshold"
    said = vars(line)
    assert (said["pipeline"], said["label"]) == ("cdc", "alerts.stream_lag_seconds")
    assert said["reason"] == "expected a number, got 'soon'"
