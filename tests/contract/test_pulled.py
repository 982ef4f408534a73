"""Dashboards brought back from Grafana's editor, whatever Grafana answers."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from exporter.cli import main

Json = dict[str, Any]

MADE_IN_GRAFANA: Json = {
    "id": 17,
    "uid": "ours",
    "title": "Our nightly runs",
    "version": 4,
    "panels": [{"id": 1, "type": "stat", "title": "Runs"}],
    "templating": {"list": [{"type": "query", "name": "x", "options": [{"value": "a"}]}]},
}


class Grafana:
    """What Grafana answers to the one question that pulling asks: by uid, a status and a body."""

    def __init__(self) -> None:
        self.answers = {
            "ours": (200, body(MADE_IN_GRAFANA)),
            "new": (200, body({"uid": "new", "elements": {}})),
        }
        self.asked: list[tuple[str, str]] = []
        self.url = ""


def body(dashboard: object) -> str:
    return json.dumps({"meta": {}, "dashboard": dashboard})


@pytest.fixture
def answering() -> Iterator[Grafana]:
    grafana = Grafana()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Authorization", "")
            grafana.asked.append((self.path, asked))
            known = asked in ("Bearer right", f"Basic {b64encode('admin:pässwörd€'.encode()).decode()}")
            status, text = grafana.answers.get(self.path.removeprefix("/api/dashboards/uid/"), (404, "{}"))
            self.send_response(status if known else 401)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    grafana.url = f"http://127.0.0.1:{server.server_port}"
    yield grafana
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def grafana(answering: Grafana) -> str:
    return answering.url


def pull(grafana: str, uid: str, folder: Path) -> int:
    return main(["dashboards", "pull", uid, "--from", grafana, "--to", str(folder)])


def test_a_dashboard_made_in_grafana_becomes_a_file_to_provision(
    grafana: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    assert pull(grafana, "ours", tmp_path) == 0
    board = json.loads((tmp_path / "our-nightly-runs.json").read_text())
    assert "id" not in board
    assert board["uid"] == "ours"
    assert board["panels"] == MADE_IN_GRAFANA["panels"]
    assert pull(grafana, "ours", tmp_path) == 0, "pulled again, it is the newer version"


@pytest.mark.parametrize(
    ("uid", "token", "complaint"),
    [
        ("pipelines-home", "right", "is written by code"),
        ("ours", "wrong", "does not let you read ours: HTTP 401"),
        ("ours", "", "set GRAFANA_TOKEN"),
        ("unknown", "right", "has no dashboard with the uid unknown"),
        ("new", "right", "export it as classic JSON"),
    ],
)
def test_what_cannot_be_pulled_is_said(  # noqa: PLR0917 - fixtures of pytest
    uid: str,
    token: str,
    complaint: str,
    grafana: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", token)
    monkeypatch.delenv("GRAFANA_PASSWORD", raising=False)
    assert pull(grafana, uid, tmp_path) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_dashboard_is_not_overwritten(
    grafana: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    (tmp_path / "our-nightly-runs.json").write_text('{"uid": "theirs"}')
    assert pull(grafana, "ours", tmp_path) == 2
    assert "has another dashboard, theirs" in capsys.readouterr().err


def test_a_grafana_that_is_away_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    assert pull("http://127.0.0.1:9", "ours", tmp_path) == 2
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("uid", ["a/b", "..", "../../api/org", "a b", "ä", "", "x" * 41, "ours?x=1"])
def test_what_is_no_uid_is_refused_before_grafana_is_asked(
    uid: str,
    answering: Grafana,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    assert pull(answering.url, uid, tmp_path) == 2
    assert "expected the uid of a dashboard" in capsys.readouterr().err
    assert answering.asked == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("GRAFANA_TOKEN", "tökén€"), ("GRAFANA_TOKEN", "a\nb"), ("GRAFANA_PASSWORD", "a\udcff")],
)
def test_a_secret_that_cannot_be_sent_is_named_and_not_shown(  # noqa: PLR0917 - fixtures of pytest
    name: str,
    value: str,
    answering: Grafana,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    monkeypatch.setenv(name, value)
    assert pull(answering.url, "ours", tmp_path) == 2
    said = capsys.readouterr().err
    assert f"{name}" in said
    assert value not in said
    assert said.count("\n") == 1
    assert answering.asked == []


def test_a_password_is_sent_in_utf_8(grafana: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    monkeypatch.setenv("GRAFANA_PASSWORD", "pässwörd€")
    assert pull(grafana, "ours", tmp_path) == 0


BOARD: Json = {"uid": "odd", "title": "Odd", "panels": []}


@pytest.mark.parametrize(
    "title", [None, 3, "", "日本", ["x"]], ids=["null", "number", "empty", "no-letters", "list"]
)
def test_without_a_title_the_file_is_called_after_the_uid(
    title: object, answering: Grafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    answering.answers["odd"] = (200, body(BOARD | {"title": title}))
    assert pull(answering.url, "odd", tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["odd.json"]
    answering.answers["odd"] = (200, body({"uid": "odd", "panels": []}))
    assert pull(answering.url, "odd", tmp_path) == 0


def test_the_name_of_a_file_is_cut(
    answering: Grafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    answering.answers["odd"] = (200, body(BOARD | {"title": "a" * 99 + " " + "b" * 300}))
    assert pull(answering.url, "odd", tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a" * 99 + ".json"]


@pytest.mark.parametrize("templating", [None, {}, {"list": None}, {"list": []}])
def test_a_dashboard_without_variables_is_pulled(
    templating: object, answering: Grafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    answering.answers["odd"] = (200, body(BOARD | {"templating": templating}))
    assert pull(answering.url, "odd", tmp_path) == 0


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("status", "text", "complaint"),
    [
        (200, body([1, 2]), "answered HTTP 200, and no dashboard"),
        (200, body("x"), "and no dashboard"),
        (200, "[]", "and no dashboard"),
        (200, "<html>", "and no dashboard"),
        (200, "", "and no dashboard"),
        (200, f'{{"dashboard": {DEEP}}}', "and no dashboard"),
        (200, body(BOARD | {"refresh": float("nan")}), "and no dashboard"),
        (200, body(BOARD | {"refresh": 0}).replace('"refresh": 0', '"refresh": 1e999'), "and no dashboard"),
        (500, body(BOARD), "answered HTTP 500, and no dashboard"),
        (206, body(BOARD), "answered HTTP 206, and no dashboard"),
        (200, body(BOARD | {"uid": "other"}), "answered with another dashboard than odd"),
        (200, body({"title": "x", "panels": []}), "answered with another dashboard than odd"),
        (200, body(BOARD | {"panels": {}}), "panels is no list of objects"),
        (200, body(BOARD | {"panels": None}), "panels is no list of objects"),
        (200, body(BOARD | {"panels": ["x"]}), "panels is no list of objects"),
        (200, body(BOARD | {"templating": ["x"]}), "templating.list is no list of objects"),
        (200, body(BOARD | {"templating": {"list": ["x"]}}), "templating.list is no list of objects"),
        (200, body(BOARD | {"templating": {"list": {"a": 1}}}), "templating.list is no list of objects"),
        (200, body(BOARD | {"title": "x \ud800"}), "that no file can hold"),
    ],
    ids=range(19),
)
def test_nonsense_from_grafana_is_said_in_one_line_and_nothing_written(  # noqa: PLR0917 - fixtures of pytest
    status: int,
    text: str,
    complaint: str,
    answering: Grafana,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    answering.answers["odd"] = (status, text)
    assert pull(answering.url, "odd", tmp_path) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[", "http://" + "a" * 70, "http://a b"])
def test_an_address_that_is_none_is_said(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    assert pull(url, "ours", tmp_path) == 2
    said = capsys.readouterr().err
    assert "--from: " in said
    assert said.count("\n") == 1


def test_a_folder_in_place_of_the_file_is_said(
    grafana: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "right")
    (tmp_path / "our-nightly-runs.json").mkdir()
    assert pull(grafana, "ours", tmp_path) == 2
    assert "is there and is no dashboard" in capsys.readouterr().err
