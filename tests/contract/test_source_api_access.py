"""Polled APIs: tokens, users who log in, and lists that are asked for what has changed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.source_settings import SourceSetting
from exporter.sources import mapping_file
from exporter.sources.batch import Away
from exporter.sources.database import BadUrl
from exporter.sources.mapping_file import BadMapping
from exporter.sources.source import Source, reader_of
from tests.support.json_server import json_server
from tests.support.sources import mapped, problems, reading, told

RUNS = """system: things
reads_from: api
LOGIN
reads:
  - name: runs
    get: /runs?limit=2
    items: runs.*
    pages: {parameter: offset, step: 2, total: total}
    since: {parameter: changed_after, begin_seconds: 86400}
    emits:
      - execution: {pipeline: name, execution: id, status: state, ended_at: at, link: {format: "{@url}/runs/{id}"}}
"""
PLAIN = RUNS.replace("LOGIN\n", "")
LOGIN = RUNS.replace("LOGIN", "login: {post: /auth/token, token: access.token}")
BEGIN = "changed_after=2026-11-21T12%3A00%3A00Z"
"""A day before the first reading."""


def run(number: int) -> dict[str, object]:
    return {"id": number, "name": "n", "state": "done", "at": "2026-01-01T00:00:00Z"}


def as_user(text: str, url: str, secret: str | None, folder: Path) -> Source:
    """A source whose secret stands in a file."""
    file = folder / "secret"
    if secret is not None:
        file.write_text(secret + "\n")
    parsed = mapping_file.parse(text, "mapping.yml")
    setting = SourceSetting(
        name="ours", mapping="mapping.yml", url=url, secret_file=None if secret is None else str(file)
    )
    return Source(setting, parsed.mapping, reader_of(setting, parsed))


def of_user(url: str, user: str = "reader") -> str:
    return url.replace("http://", f"http://{user}@")


def basic(told: str) -> str:
    return "Basic " + base64.b64encode(told.encode()).decode()


def test_a_user_and_the_password_in_the_file_are_presented(tmp_path: Path) -> None:
    with json_server({f"/runs?limit=2&{BEGIN}": {"runs": [run(1)]}}) as server:
        assert told(as_user(PLAIN, of_user(server.url, "re%40der"), "s3:cret", tmp_path))
        assert server.authorization == basic("re@der:s3:cret")


def test_a_user_without_a_password_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(BadUrl, match="no password for 'reader', expected it in secret_file"):
        as_user(PLAIN, "http://reader@127.0.0.1:1", None, tmp_path)


def test_neither_user_nor_password_stand_in_a_link_or_a_complaint(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"
    with pytest.raises(Away, match=r"^127\.0\.0\.1:9 does not answer: \w+$"):
        told(as_user(PLAIN, of_user(url, "reader:word"), None, tmp_path))
    with json_server({f"/runs?limit=2&{BEGIN}": {"runs": [run(1)]}}) as server:
        (event,) = told(as_user(PLAIN, of_user(server.url, "reader:word"), None, tmp_path))
        assert isinstance(event.payload, e.ExecutionFinished)
        assert event.payload.link == f"{server.url}/runs/1"


def test_a_user_logs_in_for_a_token(tmp_path: Path) -> None:
    answers = {
        "/auth/token": (201, {}, {"access": {"token": "given-1"}}),
        f"/runs?limit=2&{BEGIN}": {"runs": [run(1)]},
    }
    with json_server(answers) as server:
        assert told(as_user(LOGIN, of_user(server.url), "word", tmp_path))
        assert server.posted == {"/auth/token": {"username": "reader", "password": "word"}}
        assert server.authorization == "Bearer given-1"


def test_without_a_user_the_secret_is_the_token_itself(tmp_path: Path) -> None:
    with json_server({f"/runs?limit=2&{BEGIN}": {"runs": [run(1)]}}) as server:
        assert told(as_user(LOGIN, server.url, "given-by-hand", tmp_path))
        assert server.authorization == "Bearer given-by-hand"
        assert server.posted == {}


def test_a_token_that_ran_out_is_asked_for_again(tmp_path: Path) -> None:
    given: list[str] = []

    def login(_: Any) -> Any:
        given.append(f"Bearer given-{len(given) + 1}")
        return 201, {}, {"access": {"token": f"given-{len(given)}"}}

    def runs(authorization: str | None) -> Any:
        return {"runs": [run(1)]} if authorization == "Bearer given-2" else (401, {}, {})

    with json_server({"/auth/token": login, f"/runs?limit=2&{BEGIN}": runs}) as server:
        assert told(as_user(LOGIN, of_user(server.url), "word", tmp_path))
        assert given == ["Bearer given-1", "Bearer given-2"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {}, {"detail": "no"}), "/auth/token: HTTP 401"),
        ((201, {}, {"access": {}}), "there is no token at 'access.token'"),
        ((201, {}, {"access": {"token": "a\nb"}}), "there is no token"),
        (b"<html>", "/auth/token: the answer is not JSON"),
    ],
)
def test_a_login_that_fails_says_why(tmp_path: Path, answer: Any, reason: str) -> None:
    with json_server({"/auth/token": answer}) as server, pytest.raises(Away, match=reason):
        told(as_user(LOGIN, of_user(server.url), "word", tmp_path))


def test_a_refused_user_is_not_asked_for_in_a_circle(tmp_path: Path) -> None:
    answers: dict[str, Any] = {
        "/auth/token": (201, {}, {"access": {"token": "t"}}),
        f"/runs?limit=2&{BEGIN}": (401, {}, {}),
    }
    with json_server(answers) as server, pytest.raises(Away, match="HTTP 401"):
        told(as_user(LOGIN, of_user(server.url), "word", tmp_path))
    assert len(server.asked) == 4


def test_the_second_reading_asks_for_what_changed_since_the_first(sqlite_url: str) -> None:
    date = {"Date": "Sun, 22 Nov 2026 11:58:30 GMT"}
    changed = "changed_after=2026-11-22T11%3A57%3A30Z"
    answers = {
        f"/runs?limit=2&{BEGIN}": (200, date, {"runs": [run(1), run(2)]}),
        f"/runs?limit=2&{BEGIN}&offset=2": (
            200,
            {"Date": "Sun, 22 Nov 2026 11:59:50 GMT"},
            {"runs": [run(3)]},
        ),
        f"/runs?limit=2&{changed}": {"runs": [run(4)]},
    }
    with json_server(answers) as server, reading(sqlite_url, mapped(PLAIN, server.url)) as read:
        read.round(seconds=0)
        read.round(seconds=15)
        # The server's clock when the first page was answered, less a minute.
        assert server.asked == list(answers)
        assert set(read.statuses("n")) == {"1", "2", "3", "4"}


def test_a_reading_that_broke_off_begins_again_where_it_began(sqlite_url: str) -> None:
    answers: dict[str, Any] = {
        f"/runs?limit=2&{BEGIN}": {"runs": [run(1), run(2)]},
        f"/runs?limit=2&{BEGIN}&offset=2": (500, {}),
    }
    with json_server(answers) as server, reading(sqlite_url, mapped(PLAIN, server.url)) as read:
        read.round(seconds=0)
        server.answers[f"/runs?limit=2&{BEGIN}&offset=2"] = {"runs": [run(3)]}
        read.round(seconds=0)
        assert set(read.statuses("n")) == {"1", "2", "3"}


def test_a_list_of_many_pages_goes_on_where_the_last_round_ended(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.api_pages.MOST_PAGES", 20)

    def page(number: int) -> dict[str, Any]:
        items = [run(2 * number), run(2 * number + 1)] if number < 25 else []
        return {"runs": items, "total": 50}

    answers = {
        f"/runs?limit=2&{BEGIN}" + (f"&offset={2 * number}" if number else ""): page(number)
        for number in range(26)
    }
    with json_server(answers) as server, reading(sqlite_url, mapped(PLAIN, server.url)) as read:
        read.round(seconds=0)
        assert len(read.statuses("n")) == 40
        assert read.metric("source_read_ratio", source="ours") == pytest.approx(0.8)
        assert read.metric("source_read_ratio", source="ours") == pytest.approx(0.8)
        read.round(seconds=15)
        assert len(read.statuses("n")) == 50
        assert read.metric("source_read_ratio", source="ours") == 1
        assert len(server.asked) == 26


DOCUMENTS = """system: things
reads_from: api
reads:
  - name: runs
    get: /runs
    items: runs.*
    documents:
      log: {get: "/runs/{id}/log", unless: {state: [done]}, optional: true}
    emits:
      - execution:
          {pipeline: name, execution: id, status: state, ended_at: at, error: {message: log.text}}
"""


@pytest.mark.parametrize("answer", [(500, {}), b"<html>", (403, {})])
def test_a_document_that_cannot_be_had_does_not_cost_the_item(answer: Any) -> None:
    failed = {**run(1), "state": "failed"}
    with json_server({"/runs": {"runs": [failed, run(2)]}, "/runs/1/log": answer}) as server:
        assert len(told(mapped(DOCUMENTS, server.url))) == 2
        assert server.asked == ["/runs", "/runs/1/log"]
        assert problems(mapped(DOCUMENTS, server.url))[0].startswith("runs: log: /runs/1/log: ")


def test_a_server_that_asks_for_patience_gets_it_for_documents_too() -> None:
    failed = {**run(1), "state": "failed"}
    answers = {"/runs": {"runs": [failed]}, "/runs/1/log": (429, {"Retry-After": "9"})}
    with json_server(answers) as server, pytest.raises(Away, match="HTTP 429") as raised:
        told(mapped(DOCUMENTS, server.url))
    assert raised.value.retry_after == 9


GRAPH = """system: things
reads_from: api
reads:
  - name: pipelines
    get: /pipelines
    items: "*"
    emits:
      - pipeline:
          pipeline: name
          stages: {each: tasks.*, stage: id, kind: class, leads_to: next}
"""


def test_a_graph_is_told_by_what_lies_behind_each_stage() -> None:
    tasks = [
        {"id": "a", "next": ["b", "c", "gone"], "class": "Bash"},
        {"id": "c", "next": []},
        {"id": "b", "next": ["c", "c"]},
    ]
    with json_server({"/pipelines": [{"name": "n", "tasks": tasks}]}) as server:
        (event,) = told(mapped(GRAPH, server.url))
    assert isinstance(event.payload, e.PipelineDeclared)
    assert event.payload.stages == [
        e.StageDeclaration("a", [], "Bash"),
        e.StageDeclaration("c", ["a", "b"]),
        e.StageDeclaration("b", ["a"]),
    ]


def test_a_graph_is_told_by_what_each_stage_waits_for() -> None:
    text = GRAPH.replace("leads_to: next", "depends_on: after")
    tasks = [{"id": "a"}, {"id": "b", "after": "a"}]
    with json_server({"/pipelines": [{"name": "n", "tasks": tasks}]}) as server:
        (event,) = told(mapped(text, server.url))
    assert isinstance(event.payload, e.PipelineDeclared)
    assert event.payload.stages == [e.StageDeclaration("a"), e.StageDeclaration("b", ["a"])]


@pytest.mark.parametrize("tasks", [None, [], 5, [{"next": ["b"]}]])
def test_a_list_that_is_no_graph_breaks_nothing(tasks: Any) -> None:
    with json_server({"/pipelines": [{"name": "n", "tasks": tasks}]}) as server:
        events = told(mapped(GRAPH, server.url))
        assert [getattr(event.payload, "stages", None) for event in events] in ([], [None])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("step: 2, total: total", "next: cursor", "reads.0.since: expected a list to get, with pages"),
        ("total: total", "total: a..b", "reads.0.pages.total: expected a path"),
        ("changed_after, begin_seconds: 86400", "changed_after, begin_seconds: 0", "begin_seconds"),
        ("LOGIN", "login: {post: /auth/token, token: a..b}", "login.token: expected a path"),
        ("LOGIN", "login: {token: a}", "login"),
    ],
)
def test_a_mistake_in_the_mapping_is_named(old: str, new: str, complaint: str) -> None:
    with pytest.raises(BadMapping, match=complaint.replace(".", r"\.")):
        mapping_file.parse(RUNS.replace(old, new).replace("LOGIN\n", ""), "mapping.yml")


def test_a_graph_told_both_ways_is_a_mistake() -> None:
    with pytest.raises(BadMapping, match=r"pipeline\.stages: expected either depends_on or leads_to"):
        mapping_file.parse(
            GRAPH.replace("leads_to: next", "leads_to: next, depends_on: after"), "mapping.yml"
        )
