"""What the reading API answers about stages, pipelines and everything together, on both databases."""

from __future__ import annotations

import pytest

from exporter.store.limits import Limits
from tests.support.reading import Reader, reader
from tests.support.runs import failed_run
from tests.support.stored import stored


def test_figures_of_stages_are_over_the_window(api: Reader) -> None:
    found = api.get("/api/pipeline/stages/metrics")
    stages = {(each["pipeline"], each["stage"]): each for each in found["stages"]}
    push = stages["hourly", "push"]
    assert (push["attempts"], push["success_rate"]) == (4, 1.0)
    assert push["per_hour"] == pytest.approx(4 / 24)
    assert push["duration_seconds"]["p95"] == 6.0
    assert (push["items_in"], push["sampled"]) == (28, False)
    extract = stages["nightly", "extract"]
    assert extract["by_status"] == {"failed": 1, "succeeded": 1, "running": 1}
    assert extract["success_rate"] == 0.5
    assert extract["cpu_seconds"]["mean"] == 1.5
    narrow = api.get(
        "/api/pipeline/stages/push/metrics", from_="2026-11-22T12:01:00Z", to="2026-11-22T12:02:10Z"
    )
    assert [each["attempts"] for each in narrow["stages"]] == [2]
    assert api.refused("/api/pipeline/stages/metrics", from_="2026-11-23", to="2026-11-22") == (
        422,
        ["/query/from"],
    )


def test_the_history_of_a_stage_comes_in_pages(api: Reader) -> None:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = api.get("/api/pipeline/stages/push/history", limit=3, **({"cursor": cursor} if cursor else {}))
        found += [each["started_at"] for each in page["history"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 4
    assert api.refused("/api/pipeline/stages/push/history", cursor="x") == (422, ["/query/cursor"])


def test_trends_tell_average_extremes_and_slope(api: Reader) -> None:
    found = api.get(
        "/api/pipeline/stages/push/trends", from_="2026-11-22T12:00:00Z", to="2026-11-22T12:10:00Z"
    )
    trend = found["duration_seconds"]
    assert (trend["average"], trend["minimum"], trend["maximum"], trend["slope_per_day"]) == (6, 6, 6, 0)
    assert trend["direction"] == "steady"
    assert [point["attempts"] for point in found["points"]] == [1, 1, 1, 1]
    assert found["interval_seconds"] == 10


def test_pipelines_tell_how_they_stand(api: Reader) -> None:
    listed = api.get("/api/v1/pipelines")["pipelines"]
    assert [(each["environment"], each["name"]) for each in listed] == [
        ("default", "nightly"),
        ("lab", "hourly"),
    ]
    nightly, hourly = listed
    assert (nightly["status"], nightly["last_status"]) == ("running", "failed")
    assert (nightly["counts"]["failed"], nightly["success_rate"]) == (1, 0.0)
    assert (nightly["consecutive_failures"], nightly["last_success_at"]) == (1, None)
    assert nightly["uptime_seconds"] == 100
    assert hourly["last_success_at"] == "2026-11-22T12:03:10.000000Z"
    assert hourly["usual_duration"]["median_seconds"] == 10
    assert hourly["schedule"]["every_seconds"] == 60
    assert hourly["schedule"]["learnt"] is False
    assert (hourly["uptime_seconds"], hourly["owner"]) == (None, "us")
    assert [each["status"] for each in hourly["recent"]] == ["succeeded"] * 4


def test_pipelines_come_in_pages(api: Reader) -> None:
    first = api.get("/api/v1/pipelines", limit=1)
    second = api.get("/api/v1/pipelines", limit=1, cursor=first["next_cursor"])
    assert [each["pipelines"][0]["name"] for each in (first, second)] == ["nightly", "hourly"]
    assert second["next_cursor"] is None
    assert api.refused("/api/v1/pipelines", cursor="x") == (422, ["/query/cursor"])


def test_one_pipeline_has_its_stages_and_streams(api: Reader) -> None:
    (found,) = api.get("/api/v1/pipelines/hourly")["environments"]
    assert found["stages"] == ["pull", "push"]
    assert found["streams"] == []
    assert api.refused("/api/v1/pipelines/hourly", environment="default")[0] == 404


def test_the_graph_has_the_stages_and_what_they_wait_for(api: Reader) -> None:
    graph = api.get("/api/pipeline/dependency-graph", pipeline="hourly")
    assert [(node["id"], node["level"]) for node in graph["nodes"]] == [
        ("lab/hourly/pull", 0),
        ("lab/hourly/push", 1),
    ]
    assert graph["edges"] == [{"source": "lab/hourly/pull", "target": "lab/hourly/push", "items": 28}]
    every = api.get("/api/pipeline/dependency-graph")
    ids = {node["id"] for node in every["nodes"]}
    assert all(edge["source"] in ids and edge["target"] in ids for edge in every["edges"])


def test_the_state_says_what_runs_and_what_fails(api: Reader) -> None:
    state = api.get("/api/pipeline/state")
    assert (state["status"], state["pipelines"]) == ("failing", 2)
    assert state["active"] == {"running": 1}
    assert [each["external_id"] for each in state["active_executions"]] == ["r2"]
    assert [each["name"] for each in state["failing"]] == ["nightly"]


def test_the_summary_adds_up(api: Reader) -> None:
    whole = api.get("/api/pipeline/metrics/summary")
    assert whole["executions"] == {
        "succeeded": 4,
        "failed": 1,
        "cancelled": 0,
        "timed_out": 0,
        "skipped": 0,
        "lost": 0,
    }
    assert (whole["executions_total"], whole["success_rate"]) == (5, 0.8)
    assert whole["mean_duration_seconds"] == pytest.approx(51 / 5)
    assert whole["errors_total"] == 3
    assert whole["stage_retries"] == 1
    assert whole["items_in"] == 66
    one = api.get("/api/pipeline/metrics/summary", pipeline="hourly")
    assert (one["executions_total"], one["errors_total"]) == (4, 0)
    stages = {
        each["stage"]: each for each in api.get("/api/pipeline/metrics/stages", pipeline="nightly")["stages"]
    }
    assert stages["extract"]["attempts"] == {"failed": 1, "succeeded": 1}
    assert stages["extract"]["active"] == 1


def test_counts_that_are_kept_elsewhere_are_unknown_and_not_zero(database_url: str) -> None:
    with stored(database_url, Limits(series=1)) as store, reader(store) as api:
        store.put(*failed_run())
        (found,) = api.get("/api/v1/pipelines")["pipelines"]
        assert (found["name"], found["counts"], found["success_rate"]) == ("nightly", None, None)
        assert api.get("/api/pipeline/metrics/summary")["executions_total"] == 1
