"""Executions of any size are answered in bounded pieces that together are the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.identity import execution_id
from exporter.store.queries import trace_parts
from exporter.web.answers import whole as whole_answers
from exporter.web.routers import executions as routes
from tests.support.reading import Reader, reader
from tests.support.stored import event, stored

ID = execution_id("", "default", "big", "r")
PATH = f"/api/pipeline/executions/{ID}"
COUNT = 60


def big_run() -> Iterator[Any]:
    """A mapped stage of many instances inside another: some failed and were retried, some run, some wait."""
    who: dict[str, Any] = {"pipeline": "big", "execution": "r"}
    yield event(e.ExecutionStarted(**who), 0)
    yield event(e.StageStarted(**who, stage="map"), 0)
    for number in range(COUNT):
        place: dict[str, Any] = {**who, "stage": "work", "parent": ["map"], "index": number}
        yield event(e.StageQueued(**place), 1)
        if number % 10 == 9:
            continue
        yield event(e.StageStarted(**place), 2 + number % 7)
        if number % 10 == 8:
            continue
        error = ErrorDetail(f"ValueError: {number}", stacktrace="Traceback…") if number % 10 == 0 else None
        status = "failed" if error else "succeeded"
        yield event(
            e.StageFinished(**place, status=status, error=error, retry=error is not None), 10 + number
        )
        if error:
            yield event(e.StageStarted(**place, attempt=2), 80)
            yield event(e.StageFinished(**place, attempt=2, status="succeeded"), 90)


@pytest.fixture
def api(database_url: str) -> Iterator[Reader]:
    with stored(database_url) as store:
        store.put(*big_run())
        with reader(store) as client:
            yield client


def flat(stages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for stage in stages:
        yield stage
        yield from flat(stage["stages"])


def key(stage: dict[str, Any]) -> tuple[str, str | None]:
    return stage["name"], stage["index"]


def test_pages_of_stages_together_are_all_stages(api: Reader) -> None:
    everything = api.get(f"{PATH}/stages")
    assert everything["next_cursor"] is None
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(COUNT):
        page = api.get(f"{PATH}/stages", limit=7, **cursor)
        part = list(flat(page["stages"]))
        assert 0 < len(part) <= 7
        found += part
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(found) == COUNT + 1
    whole = {key(stage): {**stage, "stages": []} for stage in flat(everything["stages"])}
    assert {key(stage): {**stage, "stages": []} for stage in found} == whole
    began = [stage["started_at"] or stage["queued_at"] for stage in found]
    assert len({key(stage) for stage in found}) == len(found)
    assert began[0] == min(began)


def test_a_stage_keeps_all_its_attempts_on_a_page(api: Reader) -> None:
    page = api.get(f"{PATH}/stages", limit=1000)
    retried = next(stage for stage in flat(page["stages"]) if stage["index"] == "10")
    assert [attempt["status"] for attempt in retried["attempts"]] == ["failed", "succeeded"]


def test_the_whole_says_whether_it_has_all_stages(api: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.get(PATH)["stages_truncated"] is False
    assert api.get(f"{PATH}/timeline")["truncated"] is False
    monkeypatch.setattr(whole_answers.whole, "__kwdefaults__", {"most": 10})
    monkeypatch.setattr(routes, "MOST_BARS", 10)
    cut = api.get(PATH)
    assert cut["stages_truncated"] is True
    assert len(list(flat(cut["stages"]))) == 10
    assert api.get(f"{PATH}/timeline")["truncated"] is True
    export = api.get(f"{PATH}/export")["execution"]
    assert export["stages_truncated"] is False
    assert len(list(flat(export["stages"]))) == COUNT + 1


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "x"}, {"cursor": "WyJzdGFnZXMiLDEsIngiXQ"}],
)
def test_pages_that_do_not_exist_are_refused(api: Reader, query: dict[str, Any]) -> None:
    status, (pointer,) = api.refused(f"{PATH}/stages", **query)
    assert (status, pointer) == (422, f"/query/{next(iter(query))}")


def test_a_trace_holds_failed_and_running_attempts_first(
    api: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trace,) = api.get(f"/jaeger/api/traces/{ID}")["data"]
    began = COUNT - COUNT // 10
    assert len(trace["spans"]) == 1 + 1 + began + COUNT // 10
    monkeypatch.setattr(trace_parts, "MOST_ATTEMPTS", 20)
    (trace,) = api.get(f"/jaeger/api/traces/{ID}")["data"]
    root, *spans = trace["spans"]
    statuses = [tag["value"] for span in spans for tag in span["tags"] if tag["key"] == "stage.status"]
    assert (statuses.count("failed"), statuses.count("running"), len(statuses)) == (6, 7, 20)
    assert {tag["key"]: tag["value"] for tag in root["tags"]}["spans.left_out"] == 1 + began + 6 - 20
    slowest = sorted(span["duration"] for span in spans if tag_of(span, "stage.status") == "succeeded")
    assert slowest[0] > 40_000_000


def tag_of(span: dict[str, Any], name: str) -> Any:
    return next((tag["value"] for tag in span["tags"] if tag["key"] == name), None)
