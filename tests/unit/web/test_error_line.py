"""The type of an error stands once in lists and on the page of an execution."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.support.app import serving
from tests.support.load import cloud_event


@pytest.mark.parametrize(
    ("type_", "message", "shown"),
    [
        ("ValueError", "ValueError: boom", "ValueError: boom"),
        ("ValueError", "boom", "<b>ValueError</b> boom"),
    ],
)
def test_the_type_is_not_repeated(sqlite_url: str, type_: str, message: str, shown: str) -> None:
    with serving(sqlite_url) as client:
        told = cloud_event(
            "pipeline.execution.finished", "1", pipeline="p", execution="1", status="failed",
            error={"type": type_, "message": message},
        )  # fmt: skip
        assert client.post("/api/v1/events", json=told).status_code == 202
        page = client.get("/executions").text
        assert f'<span class="error-line">{shown}</span>' in page
        assert one_page(client).count("ValueError") == 1


def one_page(client: TestClient) -> str:
    """What the page of the only execution says went wrong."""
    (run,) = client.get("/api/pipeline/executions").json()["executions"]
    page = client.get(f"/executions/{run['id']}").text
    return page.partition('id="h-error"')[2].partition("</section>")[0]
