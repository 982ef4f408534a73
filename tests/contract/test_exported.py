"""Dashboards and rules for another Grafana and Prometheus, and dashboards brought back from Grafana's editor."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.catalogue.narrowed import BadMatcher, matcher, narrowed
from exporter.cli import main
from tests.support.boards import boards, panels, promql
from tests.support.paths import REPOSITORY
from tests.support.promql import OF_OTHERS, selectors
from tests.support.tools import tool

Json = dict[str, Any]


def exported(folder: Path, *options: str) -> dict[str, Json]:
    assert main(["dashboards", "export", str(folder), *options]) == 0
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def queries(board: Json) -> list[str]:
    return [
        target["expr"] for panel in panels(board) for target in panel.get("targets", []) if "expr" in target
    ]


def test_dashboards_are_exported_as_they_are_provisioned(tmp_path: Path) -> None:
    found = exported(tmp_path)
    assert {board["uid"]: board for board in found.values()} == boards()


def test_every_selector_is_narrowed(tmp_path: Path) -> None:
    for board in exported(tmp_path, "--match", 'job=~"mine|yours"').values():
        for query in queries(board):
            for selector in selectors(promql(query, {"asked_at": "1"})):
                assert "job" in selector.labels or selector.metric.startswith("ALERTS"), query


def test_a_dashboard_begins_with_the_datasources_that_were_named(tmp_path: Path) -> None:
    found = exported(tmp_path, "--only", "home", "--prometheus", "thanos", "--sql", "history")
    assert list(found) == ["home"]
    current = {
        each["name"]: each["current"]["value"]
        for each in found["home"]["templating"]["list"]
        if "current" in each
    }
    assert current["datasource"] == "thanos"
    assert current["sql"] == "history"
    assert current["traces"] == "default"


def test_panels_that_need_sql_can_be_left_out(tmp_path: Path) -> None:
    for board in exported(tmp_path, "--without", "sql").values():
        assert "${sql}" not in {
            target["datasource"]["uid"] for panel in panels(board) for target in panel.get("targets", [])
        }
        assert "grafana-postgresql-datasource" not in [
            (variable.get("datasource") or {}).get("type") for variable in board["templating"]["list"]
        ]


def test_all_come_as_one_list_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboards", "export", "-"]) == 0
    assert {board["uid"] for board in json.loads(capsys.readouterr().out)} == set(boards())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--match", "job"], "expected LABEL=VALUE"),
        (["--only", "nothing"], "--only: no dashboard nothing; there are"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_written(
    options: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dashboards", "export", str(tmp_path / "new"), *options]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("")
    assert main(["dashboards", "export", str(tmp_path / "taken")]) == 2
    assert str(tmp_path / "taken") in capsys.readouterr().err


def test_a_matcher_is_written_as_promql_has_it() -> None:
    assert matcher("job=mine") == 'job="mine"'
    assert matcher('job!~"a|b"') == 'job!~"a|b"'
    with pytest.raises(BadMatcher):
        matcher('job="a",b="c"')


def test_only_names_of_metrics_are_narrowed() -> None:
    query = 'sum by (pipeline) (rate(pipeline_executions_total{status="failed"}[5m])) and up'
    assert narrowed(query, ['job="a"']) == (
        'sum by (pipeline) (rate(pipeline_executions_total{job="a",status="failed"}[5m])) and up{job="a"}'
    )
    assert narrowed(query, []) == query


def test_rules_are_exported_with_other_links_labels_and_exporters(tmp_path: Path) -> None:
    options = ["--match", 'job="mine"', "--label", "team=data", "--grafana-url", "https://grafana.example/"]
    assert (
        main(["rules", "export", str(tmp_path), *options, "--runbooks-url", "https://wiki.example/runbooks"])
        == 0
    )
    files = sorted(tmp_path.glob("*.yml"))
    generated = (REPOSITORY / "prometheus" / "rules").glob("*.yml")
    assert [path.name for path in files] == sorted(path.name for path in generated)
    command = [tool("promtool"), "check", "rules", *map(str, files)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    for rule in (rule for group in groups for rule in group["rules"]):
        for selector in selectors(rule["expr"]):
            assert "job" in selector.labels or selector.metric in OF_OTHERS, rule["expr"]
        if "alert" in rule:
            assert rule["labels"]["team"] == "data"
            assert rule["annotations"]["dashboard_url"].startswith("https://grafana.example/d/")
            assert rule["annotations"]["runbook_url"].startswith("https://wiki.example/runbooks/")


def test_rules_are_exported_with_the_links_of_the_generated_ones(tmp_path: Path) -> None:
    assert main(["rules", "export", str(tmp_path)]) == 0
    for path in sorted((REPOSITORY / "prometheus" / "rules").glob("*.yml")):
        assert yaml.safe_load((tmp_path / path.name).read_text()) == yaml.safe_load(path.read_text())


def test_a_label_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "export", "-", "--label", "team"]) == 2
    assert "--label: expected NAME=VALUE, got 'team'" in capsys.readouterr().err


MADE_IN_GRAFANA: Json = {
    "id": 17,
    "uid": "ours",
    "title": "Our nightly runs",
    "version": 4,
    "panels": [{"id": 1, "type": "stat", "title": "Runs"}],
    "templating": {"list": [{"type": "query", "name": "x", "options": [{"value": "a"}]}]},
}


@pytest.fixture
def grafana() -> Iterator[str]:
    """What Grafana answers to the one question that pulling asks."""
    answers = {
        "/api/dashboards/uid/ours": MADE_IN_GRAFANA,
        "/api/dashboards/uid/new": {"uid": "new", "title": "New", "elements": {}},
    }

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == "Bearer right"
            found = answers.get(self.path)
            self.send_response(401 if not known else 200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"meta": {}, "dashboard": found}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


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
