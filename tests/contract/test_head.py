"""HEAD: what GET would answer, without the body."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.support.app import serving
from tests.support.load import execution

PATHS = (
    "/metrics",
    "/healthz",
    "/api/pipeline/executions",
    "/api/v1/pipelines",
    "/executions",
    "/openapi.json",
)


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with serving(sqlite_url) as client:
        told = execution("nightly", "r1")
        client.post(
            "/api/v1/events", json=told, headers={"content-type": "application/cloudevents-batch+json"}
        )
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert head.status_code == whole.status_code == 200
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert whole.content
    assert not head.content


def test_head_of_what_is_unknown_or_only_taken_is_refused(client: TestClient) -> None:
    assert client.head("/api/pipeline/executions/x").status_code == 404
    assert client.head("/api/v1/events").status_code == 405
