"""Recorded traffic of real clients, sent again over HTTP: the API and the metrics tell what really happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from exporter.domain.status import Status, status_of_word
from tests.support.app import serving
from tests.support.recordings import recorded, recordings, truth
from tests.support.scraped import parsed

SENT_ON = ("content-type", "content-encoding", "user-agent", "authorization", "x-api-key")
TOLERANCE = 0.25
"""Seconds by which a duration may differ where the protocol tells no better figure (see docs/clients.md)."""


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with serving(sqlite_url) as client:
        yield client


def replay(name: str, client: TestClient) -> None:
    """Send the OpenLineage requests of a recording again, as they were."""
    for request in recorded(name):
        if request.path.endswith("/lineage"):
            headers = {key: value for key, value in request.headers.items() if key in SENT_ON}
            headers.pop("content-encoding", None)  # the body is no longer compressed
            answer = client.post("/api/v1/lineage", content=request.body, headers=headers)
            assert answer.status_code == 200, answer.text


def get(client: TestClient, path: str, **parameters: str) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def whole(client: TestClient, pipeline: str, external_id: str) -> dict[str, Any]:
    """The only execution of that id, whole."""
    found = get(client, "/api/pipeline/executions", pipeline=pipeline, external_id=external_id)["executions"]
    assert len(found) == 1
    execution: dict[str, Any] = get(client, f"/api/pipeline/executions/{found[0]['id']}")
    return execution


def counted(client: TestClient, name: str) -> Counter[tuple[str, ...]]:
    """A counter by pipeline, stage (if it has one) and status, zeros left out."""
    found: Counter[tuple[str, ...]] = Counter()
    for (sample, labels), value in parsed(client.get("/metrics").text).items():
        if sample == name and value:
            told = dict(labels)
            found[tuple(told[key] for key in ("pipeline", "stage", "status") if key in told)] += int(value)
    return found


@pytest.mark.parametrize("name", recordings("airflow", with_truth=True))
def test_airflow(client: TestClient, name: str) -> None:
    replay(name, client)
    runs = truth(name)
    ends: Counter[tuple[str, ...]] = Counter()
    stage_ends: Counter[tuple[str, ...]] = Counter()
    for run in runs:
        execution = whole(client, run["dag_id"], run["run_id"])
        status = str(status_of_word(run["state"]))
        assert execution["status"] == status
        assert execution["source_status"] == run["state"]
        ends[run["dag_id"], status] += 1
        shown = {(stage["name"], stage["index"]): stage for stage in execution["stages"]}
        tries: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
        for task in run["tasks"]:
            index = None if task["map_index"] < 0 else str(task["map_index"])
            tries.setdefault((task["task_id"], index), []).append(task)
            stage_ends[run["dag_id"], task["task_id"], str(status_of_word(task["state"]))] += 1
        assert set(shown) == set(tries)
        for place, mine in tries.items():
            check_task(shown[place], sorted(mine, key=lambda one: int(one["try_number"])))
    assert counted(client, "pipeline_executions_total") == ends
    if "sensors" not in name:  # the skip of a sensor is told after its success was counted: a correction
        assert counted(client, "pipeline_stage_executions_total") == stage_ends


def check_task(stage: dict[str, Any], tries: list[dict[str, Any]]) -> None:
    assert stage["status"] == status_of_word(tries[-1]["state"])
    attempts = stage["attempts"]
    if stage["status"] == Status.SKIPPED and tries[-1]["duration"] in (None, 0):
        assert attempts == []
        return
    assert [attempt["number"] for attempt in attempts] == [one["try_number"] for one in tries]
    for attempt, one in zip(attempts, tries, strict=True):
        assert attempt["status"] == status_of_word(one["state"])
        assert (attempt["duration_seconds"] or 0) == pytest.approx(one["duration"], abs=TOLERANCE)


@pytest.mark.parametrize("name", recordings("dagster-all", with_truth=True))
def test_dagster(client: TestClient, name: str) -> None:
    replay(name, client)
    ends: Counter[tuple[str, ...]] = Counter()
    for run in truth(name):
        status = str(status_of_word(run["status"]))
        execution = whole(client, run["job"], run["run_id"])
        assert execution["status"] == status
        ends[run["job"], status] += 1
        steps = {step["step"]: status_of_word(step["status"]) for step in run["steps"]}
        shown = {
            stage["name"] + (f"[{stage['index']}]" if stage["index"] is not None else ""): stage["status"]
            for stage in execution["stages"]
        }
        assert shown == steps
    assert counted(client, "pipeline_executions_total") == ends


@pytest.mark.parametrize("name", recordings("dbt", with_truth=True))
def test_dbt(client: TestClient, name: str) -> None:
    replay(name, client)
    (summary,) = get(client, "/api/pipeline/executions", pipeline="dbt-run-shop")["executions"]
    nodes = truth(name)["nodes"]
    failed = any(node["status"] in ("error", "fail") for node in nodes)
    assert summary["status"] == ("failed" if failed else "succeeded")
    execution = get(client, f"/api/pipeline/executions/{summary['id']}")
    shown = {stage["name"]: stage["status"] for stage in execution["stages"] if len(stage["path"]) == 1}
    for node in nodes:
        if node["id"] in shown:
            assert shown[node["id"]] == status_of_word(node["status"]), node["id"]
    if "structured" in name:
        assert set(shown) == {node["id"] for node in nodes}
    assert counted(client, "pipeline_executions_total") == {("dbt-run-shop", summary["status"]): 1}


def test_a_burst_of_a_plain_client(client: TestClient) -> None:
    replay("olpy-burst_sync", client)
    replay("olpy-burst_sync", client)
    by_status: Counter[str] = Counter()
    for (_, status), number in counted(client, "pipeline_executions_total").items():
        by_status[status] += number
    assert by_status == {"failed": 29, "succeeded": 171}
