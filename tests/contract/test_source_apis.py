"""Polled APIs: what real ones answered, paging, ETags, limits, and what is no answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.source_settings import SourceSetting
from exporter.sources import mapping_file
from exporter.sources.batch import Away
from exporter.sources.mapping_file import BadMapping
from exporter.sources.source import opened
from tests.support.json_server import json_server
from tests.support.sources import READ_AT, STATE, mapped, problems, reading, source, told

RECORDED = json.loads((STATE / "atroz" / "api_responses.json").read_text())
JOBS = ("job_000", "job_003", "job_004")

PAGED = """system: things
reads_from: api
reads:
  - name: runs
    get: /runs
    items: runs.*
    pages: {parameter: cursor, next: next}
    emits:
      - execution: {pipeline: name, execution: id, status: state, ended_at: at}
"""


def atroz() -> dict[str, Any]:
    """The recorded answers, and the list of jobs as that server makes it."""
    snapshots = {job: RECORDED[f"jobs/{job}/snapshot"]["body"] for job in JOBS}
    listed = [
        {"job_id": job, "filename": told["filename"], "status": told["status"]}
        for job, told in snapshots.items()
    ]
    lists = {
        "active_jobs": [job for job in listed if job["status"] == "RUNNING"],
        "completed_jobs": [job for job in listed if job["status"] != "RUNNING"],
    }
    details = {f"/api/v1/monitoring/jobs/{job}/snapshot": told for job, told in snapshots.items()}
    return {"/api/v1/jobs": lists, **details}


POSTED = """system: things
reads_from: api
reads:
  - name: runs
    post: /runs/filter
    body: {limit: 2, sort: newest}
    items: "*"
    pages: {parameter: offset, step: 2}
    newest_by: at
    settle_seconds: 60
    documents:
      kind: {get: "/kinds/{kind}", unchanging: true}
      steps: {post: /steps, body: {run: "{id}", text: "run {id}"}, unless: {steps: [0, null]}}
    emits:
      - execution: {pipeline: kind.name, execution: id, status: state, ended_at: at}
      - each: steps.*
        stage:
          pipeline: $.kind.name
          execution: $.id
          stage: name
          status: {first: ["@next.state", {constant: running}]}
          started_at: at
          ended_at: "@next.at"
"""


class Things:
    """Runs behind an API that is posted to, newest first."""

    def __init__(self, count: int) -> None:
        self.runs = [
            {"id": n, "kind": n % 2, "state": "done", "at": f"2026-11-22T11:{n:02}:00Z", "steps": n % 2}
            for n in range(count)
        ]

    def answers(self) -> dict[str, Any]:
        return {
            "/runs/filter": self.listed,
            "/steps": self.steps,
            "/kinds/0": {"name": "even"},
            "/kinds/1": {"name": "odd"},
        }

    def listed(self, body: Any) -> Any:
        start = body.get("offset", 0)
        return self.runs[::-1][start : start + body["limit"]]

    @staticmethod
    def steps(body: Any) -> Any:
        assert body == {"run": body["run"], "text": f"run {body['run']}"}
        begun = {"name": "only", "state": "running", "at": "2026-11-22T10:00:00Z"}
        return [begun, {"name": "only", "state": "done", "at": "2026-11-22T10:00:30Z"}]


def run(number: int) -> dict[str, object]:
    return {"id": number, "name": "n", "state": "done", "at": "2026-01-01T00:00:00Z"}


def test_the_ten_phase_pipelines_jobs_stand_where_its_snapshots_say(sqlite_url: str) -> None:
    with json_server(atroz()) as server, reading(sqlite_url, source("atroz", server.url)) as read:
        read.round()
        assert read.statuses("atroz") == {"job_000": "succeeded", "job_003": "failed", "job_004": "running"}
        phases = {name: status for (name, _, _), (status, _) in read.stages("job_003").items()}
        assert phases == dict.fromkeys(("P00", "P01", "P02", "P03"), "succeeded") | {"P04": "failed"}
        assert set(read.stages("job_000")) == {(f"P{n:02}", None, 1) for n in range(10)}


def test_the_end_that_the_ten_phase_api_leaves_open_is_that_of_the_failed_phase() -> None:
    with json_server(atroz()) as server:
        ends = {
            event.payload.execution: (event.time, event.payload)
            for event in told(source("atroz", server.url))
            if isinstance(event.payload, e.ExecutionFinished)
        }
    phase = RECORDED["jobs/job_003/snapshot"]["body"]["phases"]["P04"]
    assert ends["job_003"][0].isoformat() == phase["completed_at"] + "+00:00"
    assert ends["job_003"][1].error is not None
    assert ends["job_003"][1].error.message == "JSONDecodeError: contract Q123 malformed"


def test_the_streaming_tools_status_is_shown_as_its_word(sqlite_url: str) -> None:
    status = json.loads((STATE / "pipegen" / "run_api_status.json").read_text())
    with (
        json_server({"/api/status": status}) as server,
        reading(sqlite_url, source("pipegen", server.url)) as read,
    ):
        read.round()
        (start,) = read.statuses("pipegen")
        assert read.statuses("pipegen") == {start: "running"}
        assert set(read.stages(start)) == {
            ("producer", None, 1),
            ("consumer", None, 1),
            ("flink a1b2", None, 1),
        }
        server.answers["/api/status"] = (502, {})
        read.round()
        assert read.metric("source_up", source="ours") == 0
        assert read.statuses("pipegen") == {start: "running"}


def test_what_has_not_changed_is_not_sent_again(sqlite_url: str) -> None:
    with json_server(atroz()) as server, reading(sqlite_url, source("atroz", server.url)) as read:
        read.round()
        asked, count = len(server.asked), read.count()
        read.round(seconds=0)
        assert read.count() == count
        # The list, and the one job that had not ended; both answered 304.
        assert len(server.asked) == asked + 2
        assert server.unchanged == 2


def test_a_list_is_read_page_by_page() -> None:
    pages = {
        "/runs": {"runs": [run(1), run(2)], "next": "two"},
        "/runs?cursor=two": {"runs": [run(3)], "next": None},
    }
    with json_server(pages) as server:
        assert len(told(mapped(PAGED, server.url))) == 3


def test_a_list_that_is_counted_is_read_until_a_page_is_short() -> None:
    pages = {"/runs": {"runs": [run(1), run(2)]}, "/runs?offset=2": {"runs": [run(3)]}}
    counted = PAGED.replace("{parameter: cursor, next: next}", "{parameter: offset, step: 2}")
    with json_server(pages) as server:
        assert len(told(mapped(counted, server.url))) == 3
        assert server.asked == ["/runs", "/runs?offset=2"]


def test_a_list_whose_cursor_stands_still_ends() -> None:
    page = {"runs": [run(1)], "next": "same"}
    with json_server({"/runs": page, "/runs?cursor=same": page}) as server:
        assert len(told(mapped(PAGED, server.url))) == 1
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_patience_gets_it(sqlite_url: str, status: int) -> None:
    with (
        json_server({"/runs": (status, {"Retry-After": "120"})}) as server,
        reading(sqlite_url, mapped(PAGED, server.url)) as read,
    ):
        assert read.round() == [120.0]
        assert read.metric("source_up", source="ours") == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        (404, {}),
        (500, {}),
        (302, {"Location": "http://127.0.0.1:1/"}),
    ],
    ids=["html", "empty", "bytes", "deep", "404", "500", "redirect"],
)
def test_what_is_no_answer_is_away(answer: Any) -> None:
    with json_server({"/runs": answer}) as server, pytest.raises(Away):
        told(mapped(PAGED, server.url))


@pytest.mark.parametrize("answer", [{}, [], 5, None, {"runs": 5}, {"runs": [5, None, "x", {}]}])
def test_an_answer_of_another_shape_tells_nothing_and_breaks_nothing(answer: Any) -> None:
    with json_server({"/runs": answer}) as server:
        assert told(mapped(PAGED, server.url)) == []


def test_an_item_whose_document_is_gone_is_named() -> None:
    answers = {"/api/v1/jobs": {"completed_jobs": [{"job_id": "gone"}]}}
    with json_server(answers) as server:
        assert problems(source("atroz", server.url)) == [
            "jobs: /api/v1/monitoring/jobs/gone/snapshot: HTTP 404"
        ]


def test_a_name_cannot_lead_to_another_path() -> None:
    answers = {"/api/v1/jobs": {"completed_jobs": [{"job_id": "../../secret?x=1"}]}}
    with json_server(answers) as server:
        problems(source("atroz", server.url))
        assert server.asked[1] == "/api/v1/monitoring/jobs/..%2F..%2Fsecret%3Fx%3D1/snapshot"


def test_a_token_is_presented(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    with json_server(atroz()) as server:
        setting = SourceSetting(name="a", preset="atroz", url=server.url, secret_file=str(tmp_path / "token"))
        assert told(opened(setting), READ_AT)
        assert server.authorization == "Bearer secret"


def test_nobody_there_is_away() -> None:
    with pytest.raises(Away, match="does not answer"):
        told(mapped(PAGED, "http://127.0.0.1:9"))


def test_a_list_that_is_posted_to_is_read_page_by_page_with_the_documents_of_its_items(
    sqlite_url: str,
) -> None:
    things = Things(5)
    with json_server(things.answers()) as server, reading(sqlite_url, mapped(POSTED, server.url)) as read:
        read.round()
        assert read.statuses("even") == dict.fromkeys("024", "succeeded")
        assert read.statuses("odd") == dict.fromkeys("13", "succeeded")
        assert read.stages("1") == {("only", None, 1): ("succeeded", "done")}
    lists = [body for path, body in server.bodies if path == "/runs/filter"]
    assert lists == [
        {"limit": 2, "sort": "newest"},
        {"limit": 2, "sort": "newest", "offset": 2},
        {"limit": 2, "sort": "newest", "offset": 4},
    ]
    # What never changes is asked for once, what an item has not is not asked for.
    assert sorted(path for path in server.asked if path.startswith("/kinds")) == ["/kinds/0", "/kinds/1"]
    assert sorted(body["run"] for path, body in server.bodies if path == "/steps") == [1, 3]


def test_a_list_of_newest_first_is_read_down_to_what_was_read_before(sqlite_url: str) -> None:
    things = Things(40)
    with json_server(things.answers()) as server, reading(sqlite_url, mapped(POSTED, server.url)) as read:
        read.round()
        asked = len(server.asked)
        things.runs += Things(43).runs[40:]
        read.round()
        assert read.statuses("even") | read.statuses("odd") == dict.fromkeys(map(str, range(43)), "succeeded")
        # Two pages with what is new and the minute before it, one with what is older.
        assert [path for path in server.asked[asked:] if path == "/runs/filter"] == ["/runs/filter"] * 3
    with json_server(things.answers()) as server, reading(sqlite_url, mapped(POSTED, server.url)) as again:
        again.round()
        assert [path for path, _ in server.bodies].count("/runs/filter") <= 2


def test_an_answer_that_was_cut_off_is_asked_for_again() -> None:
    with json_server({"/runs": {"runs": [run(1)]}}) as server:
        server.hang_up = 1
        assert len(told(mapped(PAGED, server.url))) == 1


def test_a_document_of_one_item_that_is_broken_costs_no_other() -> None:
    things = Things(2)
    with json_server({**things.answers(), "/kinds/1": (500, {})}) as server:
        assert len(told(mapped(POSTED, server.url))) == 1
        assert problems(mapped(POSTED, server.url)) == ["runs: /kinds/1: HTTP 500"]


def test_who_is_not_let_in_is_away() -> None:
    things = Things(2)
    with json_server({**things.answers(), "/kinds/1": (401, {})}) as server, pytest.raises(Away):
        told(mapped(POSTED, server.url))


@pytest.mark.parametrize(
    ("wrong", "right", "problem"),
    [
        ("post: /runs/filter", "get: /runs", "reads.0.body: only what is posted has a body"),
        ("    pages: {parameter: offset, step: 2}\n", "", "reads.0.newest_by: expected pages as well"),
        ("newest_by: at", "newest_by: a..b", "reads.0.newest_by: expected a path"),
        (
            '{get: "/kinds/{kind}", ',
            '{get: "/kinds", post: /kinds, ',
            "reads.0.documents.kind: expected either",
        ),
        ('"/kinds/{kind}"', '"/kinds/{a..b}"', "reads.0.documents.kind: expected a path"),
        ('{get: "/kinds/{kind}", ', "{get: /kinds, body: {}, ", "reads.0.documents.kind.body: only what"),
        ("{first: [", "{join: [a..b, ", "reads.0.emits.1.stage.status.join.0: expected a path"),
    ],
)
def test_a_mapping_of_an_api_that_cannot_be_is_told_by_its_key(wrong: str, right: str, problem: str) -> None:
    assert wrong in POSTED
    with pytest.raises(BadMapping, match=re.escape(problem)):
        mapping_file.parse(POSTED.replace(wrong, right), "mapping.yml")


def test_a_list_is_meant_where_items_lead_to_one() -> None:
    runs = [{"name": "n", "id": n, "state": "done", "at": "2026-01-01T00:00:00Z"} for n in range(3)]
    with json_server({"/runs": {"data": runs}}) as server:
        for items in ("data", "data.*"):
            found = told(mapped(PAGED.replace("runs.*", items), server.url))
            assert len([one for one in found if isinstance(one.payload, e.ExecutionFinished)]) == 3


@pytest.mark.parametrize(
    ("items", "looks"), [("'.'", "it has data: see items"), ("data.*.name", "it is no object: see items")]
)
def test_an_item_that_cannot_fill_a_path_is_told_with_what_it_has(items: str, looks: str) -> None:
    detailed = PAGED.replace("runs.*", items + "\n    detail: /runs/{id}")
    with json_server({"/runs": {"data": [{"name": "n"}]}}) as server:
        (found,) = problems(mapped(detailed, server.url))
    assert found == f"runs: an item has nothing at 'id' to fill /runs/{{id}} with, {looks}"
