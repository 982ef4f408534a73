"""Dashboards and rules for another Grafana and Prometheus."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.catalogue.foreign import FOREIGN, UP
from exporter.catalogue.matching import BadMatcher, matcher
from exporter.catalogue.metric import Scope
from exporter.catalogue.metrics import METRIC_OF_NAME
from exporter.catalogue.narrowed import OF_ALERTS, narrowed
from exporter.cli import main, writing
from tests.support.boards import boards, panels, promql
from tests.support.paths import REPOSITORY
from tests.support.promql import labels_of, metric_of, selectors
from tests.support.tools import tool

Json = dict[str, Any]

FOREIGN_NAMES = {metric.name for metric in FOREIGN} - {UP.name}


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


def test_outcomes_and_durations_come_from_prometheus_where_there_is_no_sql(tmp_path: Path) -> None:
    without = exported(tmp_path, "--without", "sql")
    for name, title, legend in (
        ("pipeline", "Executions by outcome", "{{status}}"),
        ("pipeline", "Duration", "p95"),
        ("stage", "Attempts by outcome", "{{status}}"),
        ("stage", "Duration", "p95"),
    ):
        (panel,) = [panel for panel in panels(without[name]) if panel["title"] == title]
        assert not any("hide" in target for target in panel["targets"])
        assert legend in [target["legendFormat"] for target in panel["targets"]]


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


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("job=mine", 'job="mine"'),
        ('job!~"a|b"', 'job!~"a|b"'),
        (r"job=~a\.b", r'job=~"a\\.b"'),
        (r'job="a\x41B\"\n"', r'job="a\x41B\"\n"'),
        (r'job=~"(?i)\\pL+[[:alpha:]\\d]\\z|(?s-i:x)\\Q(?=\\E"', None),
    ],
)
def test_a_matcher_is_written_as_promql_has_it(text: str, written: str | None, tmp_path: Path) -> None:
    assert matcher(text).text == (written or text)
    rule = {"record": "a", "expr": f"up{{{matcher(text).text}}}"}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": [rule]}]}))
    command = [tool("promtool"), "check", "rules", str(tmp_path / "rules.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("job", "expected LABEL=VALUE"),
        ('job="a",b="c"', "expected LABEL=VALUE"),
        ("jöb=a", "expected LABEL=VALUE"),
        ("__name__=up", "__name__ is no label to narrow by"),
        ("le=1", "le is no label to narrow by"),
        (r'job="a\d"', r"\\d is no escape of PromQL"),
        (r'job="\400"', "is no escape"),
        (r'job="\ud800"', "is no escape"),
        ('job="a\nb"', "expected a value on one line"),
        ("job=\udcff", "in UTF-8"),
        ('job=~"("', "not a pattern of Prometheus"),
        ('job=~"a**"', "not a pattern of Prometheus"),
        ('job=~"(?=a)b"', "look ahead or back"),
        ('job!~"(?<!a)b"', "look ahead or back"),
        (r'job=~"(a)\\1"', "reference back"),
        (r'job=~"(?P<x>a)(?P=x)"', "look ahead or back, or a group"),
        ('job=~"a++"', "possessive"),
        ('job=~"a{1001}"', "more often than 1000"),
        ('job=~"' + "(" * 5000 + '"', "not a pattern of Prometheus"),
    ],
)
def test_what_is_no_matcher_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadMatcher, match=complaint):
        matcher(text)


def test_only_names_of_metrics_are_narrowed() -> None:
    query = 'sum by (pipeline) (rate(pipeline_executions_total{status="failed"}[5m])) and up'
    assert narrowed(query, [matcher("job=a")]) == (
        'sum by (pipeline) (rate(pipeline_executions_total{job="a",status="failed"}[5m])) and up{job="a"}'
    )
    assert narrowed(query, []) == query


def given(query: str, text: str) -> str:
    return narrowed(query, [matcher(text)])


def test_what_prometheus_tells_of_itself_is_of_another_job_and_not_narrowed() -> None:
    for name in FOREIGN_NAMES:
        assert given(f"{name} < 1", "job=mine") == f"{name} < 1"


@pytest.mark.parametrize("label", ["env", "cluster", "instance", "pod"])
def test_a_label_that_recorded_metrics_lose_narrows_their_inputs_only(label: str) -> None:
    query = "pipeline:executions:total / on () pipeline_info"
    assert given(query, f"{label}=x") == f'pipeline:executions:total / on () pipeline_info{{{label}="x"}}'


def test_a_label_that_recorded_metrics_keep_narrows_them() -> None:
    assert given("pipeline:executions:total", "job=x") == 'pipeline:executions:total{job="x"}'
    assert given("stage:attempts:total", "stage=x") == 'stage:attempts:total{stage="x"}'
    assert given("pipeline:executions:total", "stage=x") == "pipeline:executions:total"


@pytest.mark.parametrize("label", ["environment", "pipeline", "stage", "status", "source"])
def test_a_label_of_pipelines_does_not_narrow_what_the_exporter_tells_of_itself(label: str) -> None:
    query = "absent(pipeline_exporter_build_info) or pipeline_exporter_refusals_total or up"
    assert given(query, f"{label}=x") == query


def test_a_label_narrows_only_metrics_that_have_it() -> None:
    query = "pipeline_executions_total or pipeline_stage_executions_total"
    assert (
        given(query, "stage=x") == 'pipeline_executions_total or pipeline_stage_executions_total{stage="x"}'
    )
    query = "pipeline_exporter_build_info or pipeline_exporter_series"
    assert (
        given(query, "version=1") == 'pipeline_exporter_build_info{version="1"} or pipeline_exporter_series'
    )


@pytest.mark.parametrize("label", ["environment", "cluster", "job"])
def test_rules_never_ask_for_a_label_that_a_series_lacks(label: str, tmp_path: Path) -> None:
    assert main(["rules", "export", str(tmp_path), "--match", f"{label}=x"]) == 0
    asked = [
        (selector.metric, label in selector.labels)
        for path in sorted(tmp_path.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        for selector in selectors(rule["expr"])
    ]
    assert any(found for _, found in asked)
    for series, found in asked:
        metric = METRIC_OF_NAME.get(metric_of(series))
        if series in FOREIGN_NAMES:
            assert not found, series
        elif ":" in series:
            assert found == (label in {"job", *(labels_of(series) or ())}), series
        elif label == "environment":
            assert found == (metric is not None and metric.scope is not Scope.EXPORTER), series
        else:
            assert found, series


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
            assert "job" in selector.labels or selector.metric in FOREIGN_NAMES, rule["expr"]
        if "alert" in rule:
            assert rule["labels"]["team"] == "data"
            assert rule["annotations"]["dashboard_url"].startswith("https://grafana.example/d/")
            assert rule["annotations"]["runbook_url"].startswith("https://wiki.example/runbooks/")


def test_links_that_lead_to_this_machine_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grafana = ["--grafana-url", "https://grafana.example"]
    assert main(["rules", "export", str(tmp_path), *grafana]) == 0
    told = "pipeline-exporter rules export: links lead to http://localhost:9877/runbooks: --runbooks-url changes that\n"
    assert capsys.readouterr().err == told
    assert main(["rules", "export", str(tmp_path), *grafana, "--runbooks-url", "https://runs.example/r"]) == 0
    assert capsys.readouterr().err == ""


def test_rules_are_exported_with_the_links_of_the_generated_ones(tmp_path: Path) -> None:
    assert main(["rules", "export", str(tmp_path)]) == 0
    for path in sorted((REPOSITORY / "prometheus" / "rules").glob("*.yml")):
        assert yaml.safe_load((tmp_path / path.name).read_text()) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--label", "team", "expected NAME=VALUE, where NAME is a label's name, got 'team'"),
        ("--label", "tëam=a", "expected NAME=VALUE"),
        ("--label", "my-team=a", "expected NAME=VALUE"),
        ("--label", "__team=a", "Prometheus' own"),
        *(("--label", f"{name}=x", f"alerts have a label {name}") for name in
          ("alertname", "severity", "scope", "kind", "pipeline", "environment", "owner", "stage", "job", "instance")),
        ("--label", "team={{ $value }}", "begins a template"),
        ("--label", "team=\udcff", "UTF-8"),
        ("--grafana-url", "https://x/{{ 1 }}", "expected a URL"),
        ("--grafana-url", "https://x/{{1}}", "begins a template"),
        ("--runbooks-url", "https://x/{{1}}", "begins a template"),
        ("--runbooks-url", "", "expected a URL"),
    ],
)  # fmt: skip
def test_a_label_or_address_that_rules_cannot_have_is_refused(
    option: str, value: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "export", str(tmp_path / "new"), option, value]) == 2
    said = capsys.readouterr().err
    assert f"{option}: " in said
    assert complaint in said
    assert said.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_every_label_that_alerts_set_is_known_as_theirs() -> None:
    for path in (REPOSITORY / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                assert set(rule.get("labels", {})) <= OF_ALERTS


def test_nothing_is_left_behind_where_a_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(writing.NotWritten, match=r"folder\.json: Is a directory"):
        writing.write(tmp_path, "folder.json", "text")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(writing.NotWritten, match="surrogates not allowed"):
        writing.write(tmp_path, "x.json", "\ud800")
    monkeypatch.setattr(Path, "chmod", full)
    with pytest.raises(writing.NotWritten, match=r"x\.json: No space left on device"):
        writing.write(tmp_path, "x.json", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]
