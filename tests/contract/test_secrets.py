"""Secrets that programs tell by mistake are stored nowhere, whichever way they come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from exporter.domain.secrets import REMOVED
from tests.support.app import serving
from tests.support.load import cloud_event
from tests.support.openlineage import run_event
from tests.support.otlp import json_body, json_span
from tests.support.sources import reading, source

RUN = {"pipeline": "nightly", "execution": "r1"}
KEY = "sk-proj-abcdefghij0123456789ABCD"
PASSWORD = "correct-horse-battery"
WORD = f"refused: {KEY} and postgresql://bob:{PASSWORD}@db/x"


def events() -> list[dict[str, Any]]:
    error = {
        "message": WORD,
        "stacktrace": f"Traceback\n{WORD}",
        "context": {"dsn": WORD, "db_password": PASSWORD},
    }
    return [
        cloud_event("pipeline.execution.started", "1", **RUN, parameters={"api_key": PASSWORD, "dsn": WORD}),
        cloud_event(
            "pipeline.log.emitted", "2", **RUN, message=WORD, fields={"token": PASSWORD, "line": WORD}
        ),
        cloud_event("pipeline.warning.raised", "3", **RUN, message=WORD),
        cloud_event("pipeline.stage.finished", "4", **RUN, stage="a", status="failed", error=error),
        cloud_event("pipeline.execution.finished", "5", **RUN, status="failed", error=error),
    ]


def by_cloud_events(client: TestClient) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert client.post("/api/v1/events", content=json.dumps(events()), headers=headers).status_code == 202


def by_openlineage(client: TestClient) -> None:
    failure = {"message": WORD, "programmingLanguage": "PYTHON", "stackTrace": f"Traceback\n{WORD}"}
    told = run_event("FAIL", run_facets={"errorMessage": failure})
    assert client.post("/api/v1/lineage", content=told).status_code == 200


def by_otlp(client: TestClient) -> None:
    attributes = [{"key": "api_key", "value": {"stringValue": PASSWORD}}]
    told = json_body(json_span(attributes=attributes, status={"code": 2, "message": WORD}))
    assert (
        client.post("/v1/traces", content=told, headers={"content-type": "application/json"}).status_code
        == 200
    )


@pytest.mark.parametrize("way", [by_cloud_events, by_openlineage, by_otlp])
def test_no_way_in_stores_a_secret(way: Any, tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'exporter.db'}") as client:
        way(client)
        (run,) = client.get("/api/pipeline/executions").json()["executions"]
        path = f"/api/pipeline/executions/{run['id']}"
        shown = [client.get(address).text for address in (path, f"{path}/export", f"/executions/{run['id']}")]
        assert all(REMOVED in text for text in shown)
    assert holds_no_secret(tmp_path)


def test_a_source_stores_none_either(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events()))
    database = tmp_path / "database"
    database.mkdir()
    with reading(f"sqlite:///{database / 'exporter.db'}", source("cloudevents", folder)) as read:
        read.round()
        assert read.statuses("nightly") == {"r1": "failed"}
    assert holds_no_secret(database)


def test_addresses_of_people_go_on_every_way_in_if_that_was_asked(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'exporter.db'}", llm_emails="remove") as client:
        event = cloud_event("pipeline.warning.raised", "1", **RUN, message="tell ann@example.org")
        assert client.post("/api/v1/events", json=event).status_code == 202
        (run,) = client.get("/api/pipeline/executions").json()["executions"]
        (warning,) = client.get(f"/api/pipeline/executions/{run['id']}/warnings").json()["warnings"]
        assert warning["message"] == "tell [address removed]"


def holds_no_secret(folder: Path) -> bool:
    """Whether the files of a database have none of the secrets, in no table."""
    held = b"".join(file.read_bytes() for file in folder.iterdir())
    assert REMOVED.encode() in held
    return KEY.encode() not in held and PASSWORD.encode() not in held
