"""The log of an execution, over the API and on its page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.support.app import serving
from tests.support.load import cloud_event, execution

EXECUTIONS = "/api/pipeline/executions"
COUNT = 437
BATCH = {"content-type": "application/cloudevents-batch+json"}


def line(number: int) -> dict[str, object]:
    """A line of the log; always ten of them at one instant."""
    told = cloud_event(
        "pipeline.log.emitted", f"log/{number}", pipeline="nightly", execution="r1", message=f"line <{number}>",
        level="warning" if number % 7 == 0 else "info", stage=None if number % 2 else "load",
    )  # fmt: skip
    return {**told, "time": f"2026-11-22T00:00:{number // 10:02}Z"}


@pytest.fixture
def client(database_url: str) -> Iterator[TestClient]:
    with serving(database_url) as client:
        told = [*execution("nightly", "r1"), *map(line, range(COUNT))]
        assert client.post("/api/v1/events", json=told, headers=BATCH).status_code == 202
        yield client


def path(client: TestClient) -> str:
    (run,) = client.get(EXECUTIONS).json()["executions"]
    return f"{EXECUTIONS}/{run['id']}"


def pages(client: TestClient, **asked: str | int) -> Iterator[list[dict[str, object]]]:
    cursor = None
    while True:
        found = client.get(
            f"{path(client)}/logs", params={**asked, **({"cursor": cursor} if cursor else {})}
        ).json()
        yield found["logs"]
        cursor = found["next_cursor"]
        if cursor is None:
            return


def test_pages_put_together_are_the_whole_log_from_its_end(client: TestClient) -> None:
    told = list(pages(client, limit=61))
    assert [len(page) for page in told] == [61] * 7 + [COUNT - 7 * 61]
    messages = [entry["message"] for page in told for entry in page]
    assert messages == [f"line <{number}>" for number in reversed(range(COUNT))]
    assert told[0][0] == {
        "time": "2026-11-22T00:00:43.000000Z",
        "stage": "load",
        "level": "info",
        "message": "line <436>",
        "fields": None,
    }


def test_lines_of_one_stage_are_paged_as_well(client: TestClient) -> None:
    told = list(pages(client, limit=100, stage="load"))
    assert [entry["message"] for page in told for entry in page] == [
        f"line <{number}>" for number in reversed(range(0, COUNT, 2))
    ]


def test_a_wrong_cursor_and_an_unknown_execution_are_refused(client: TestClient) -> None:
    refused = client.get(f"{path(client)}/logs", params={"cursor": "x"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/query/cursor"
    assert client.get(f"{EXECUTIONS}/{'0' * 32}/logs").status_code == 404


def test_the_page_shows_the_latest_lines_in_order_and_escaped(client: TestClient) -> None:
    page = client.get(path(client).replace("/api/pipeline", "")).text
    shown = [page.find(f"line &lt;{number}&gt;") for number in range(COUNT)]
    assert shown[: COUNT - 300] == [-1] * (COUNT - 300)
    assert -1 not in shown[COUNT - 300 :]
    assert shown[COUNT - 300 :] == sorted(shown[COUNT - 300 :])
    assert "line <" not in page
    assert "latest 300 lines" in page
