"""Alerts held against the catalogue, the dashboards, the runbooks, the documents and promtool."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import promql_parser as p
import pytest
import yaml

from alerting.__main__ import main
from alerting.alert import SCOPES, Alert, AlertGroup
from alerting.catalogue import ALERTS, GROUPS
from alerting.document import DOCUMENT, PARTS
from alerting.rules import Options, files
from exporter.catalogue import CATALOGUE, Kind, Metric, recorded
from exporter.catalogue.foreign import FOREIGN
from exporter.catalogue.markdown import refreshed
from exporter.catalogue.promql import REPLICA_LABELS
from exporter.catalogue.thresholds import THRESHOLD_OF_NAME, THRESHOLDS
from tests.support.paths import REPOSITORY
from tests.support.tools import tool

BOARDS = REPOSITORY / "provisioning" / "dashboards" / "Pipelines"
TARGET = {"job", *REPLICA_LABELS}


def samples() -> dict[str, set[str]]:
    """Labels of every sample by its name."""
    found = {}
    for metric in (*CATALOGUE, *recorded.RECORDED, *FOREIGN):
        found[metric.name] = {*metric.labels, *TARGET}
        if metric.kind is Kind.HISTOGRAM:
            found |= {f"{metric.name}_{part}": found[metric.name] for part in ("count", "sum")}
            found[f"{metric.name}_bucket"] = found[metric.name] | {"le"}
    return found


SAMPLES = samples()


@cache
def rules() -> dict[str, list[dict[str, object]]]:
    """Rules by the file that they are in."""
    return {
        name: [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
        for name, text in files(Options()).items()
    }


def expressions() -> Iterator[tuple[str, str]]:
    """Every query, by whose it is: of rules, and those within their templates."""
    for group in recorded.GROUPS:
        for rule in group.rules:
            yield f"{rule.metric.name} {rule.labels.get('threshold', '')}", rule.expr
    for alert in ALERTS:
        yield alert.name, alert.expr
        for text in (alert.summary, alert.description):
            for number, query in enumerate(re.findall(r"printf `([^`]*)`", text)):
                yield f"{alert.name}, asked {number}", query.replace("%q", '"x"')


def selectors(node: p.Expr) -> Iterator[p.VectorSelector]:
    """Selectors below a node."""
    if isinstance(node, p.VectorSelector):
        yield node
    elif isinstance(node, p.MatrixSelector):
        yield node.vector_selector
    elif isinstance(node, p.BinaryExpr):
        yield from selectors(node.lhs)
        yield from selectors(node.rhs)
    elif isinstance(node, p.Call):
        for each in node.args:
            yield from selectors(each)
    elif isinstance(node, p.AggregateExpr | p.ParenExpr | p.SubqueryExpr | p.UnaryExpr):
        yield from selectors(node.expr)
    else:
        assert isinstance(node, p.NumberLiteral | p.StringLiteral), type(node)


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in expressions()])
def test_every_query_asks_for_what_is_there(query: str) -> None:
    found = list(selectors(p.parse(query)))
    assert found
    for selector in found:
        assert selector.name is not None
        assert selector.name in SAMPLES
        named = {matcher.name for matcher in selector.matchers.matchers}
        assert named <= SAMPLES[selector.name], selector.name
    grouped = re.findall(r"\b(?:by|on|group_left)\s*\(([^)]*)\)", query)
    renamed = set(re.findall(r', "(\w+)", "\$1"', query))
    labels = {label.strip() for group in grouped for label in group.split(",")} - {""} - renamed
    assert labels <= set().union(*(SAMPLES[str(selector.name)] for selector in found))


@pytest.mark.parametrize(("name", "query"), list(expressions()))
def test_no_query_names_a_job_or_an_instance(name: str, query: str) -> None:
    if "asked" not in name:
        assert re.findall(r"\b(?:job|instance|pod)\s*(?:=|!)", query) == []


def test_only_queries_of_the_exporter_itself_tell_instances_apart() -> None:
    (own,) = [group for group in GROUPS if group.name == "exporter"]
    apart = {alert.name for alert in ALERTS if re.search(r"by \([^)]*\binstance\b", alert.expr)}
    assert apart <= {alert.name for alert in own.alerts}


def test_promtool_reads_every_file_of_rules() -> None:
    paths = sorted((REPOSITORY / "prometheus" / "rules").glob("*.yml"))
    assert {path.name for path in paths} >= set(rules())
    command = [tool("promtool"), "check", "rules", *map(str, paths)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_rules_and_their_document_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert main(["--check"]) == 0
    text = (REPOSITORY / DOCUMENT).read_text(encoding="utf-8")
    assert refreshed(text, PARTS) == text


def test_a_rule_that_was_changed_by_hand_or_left_over_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folder", str(tmp_path)]) == 0
    assert main(["--folder", str(tmp_path), "--check"]) == 0
    changed = tmp_path / "llm.yml"
    changed.write_text(changed.read_text().replace("warning", "info"))
    (tmp_path / "gone.yml").write_text((tmp_path / "stages.yml").read_text())
    (tmp_path / "own.yml").write_text("groups: []\n")
    assert main(["--folder", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err.count("is not fresh") == 2
    assert main(["--folder", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.glob("*.yml")} == {*rules(), "own.yml"}


def test_links_and_labels_are_those_asked_for(tmp_path: Path) -> None:
    asked = ["--runbooks-url", "https://git.example/runbooks/", "--grafana-url", "https://grafana.example"]
    assert main([*asked, "--label", "team=data", "--folder", str(tmp_path)]) == 0
    for group in GROUPS:
        (written,) = yaml.safe_load((tmp_path / f"{group.name}.yml").read_text())["groups"]
        for rule in written["rules"]:
            name = rule["alert"].lower()
            assert rule["labels"]["team"] == "data"
            assert (
                rule["annotations"]["runbook_url"] == f"https://git.example/runbooks/{group.name}.md#{name}"
            )
            assert rule["annotations"]["dashboard_url"].startswith("https://grafana.example/d/pipelines-")


@pytest.mark.parametrize("label", ["team", "se verity=1", "severity=info", "=1"])
def test_what_is_no_label_is_refused(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--label", label])
    assert "expected NAME=VALUE" in capsys.readouterr().err


# Runbooks and dashboards


def runbook(group: AlertGroup) -> str:
    return (REPOSITORY / "docs" / "runbooks" / f"{group.name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_each_alert_has_a_runbook_and_no_runbook_is_without_an_alert(group: AlertGroup) -> None:
    headings = re.findall(r"^## (\w+)$", runbook(group), re.MULTILINE)
    assert headings == [alert.name for alert in group.alerts]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_each_runbook_says_what_it_takes(group: AlertGroup) -> None:
    for text in re.split(r"^## ", runbook(group), flags=re.MULTILINE)[1:]:
        name = text.partition("\n")[0]
        told = re.findall(r"^- \*\*([\w ]+?)\.?\*\*", text, re.MULTILINE)
        assert told == ["Impact", "Look at", "Causes", "Quieten"], name


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_thresholds_in_runbooks_are_those_of_the_alerts(group: AlertGroup) -> None:
    for alert in group.alerts:
        _, _, text = runbook(group).partition(f"## {alert.name}\n")
        text = text.partition("\n## ")[0]
        named = set(re.findall(r"alerts\.(\w+)", text))
        assert named <= set(THRESHOLD_OF_NAME)
        for name, number in re.findall(r"`(\w+)`\s+\(([\d.]+)[);]", text):
            assert THRESHOLD_OF_NAME[name].default == float(number), (alert.name, name)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_links_between_runbooks_lead_somewhere(group: AlertGroup) -> None:
    folder = REPOSITORY / "docs" / "runbooks"
    for link in re.findall(r"\]\(([^)]+)\)", runbook(group)):
        file, _, anchor = link.partition("#")
        text = (folder / file).read_text(encoding="utf-8") if file else runbook(group)
        headings = [
            re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-")
            for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        ]
        assert not anchor or anchor in headings, link


@cache
def variables() -> dict[str, set[str]]:
    """Variables of each dashboard, by its uid."""
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in BOARDS.glob("*.json")]
    return {board["uid"]: {each["name"] for each in board["templating"]["list"]} for board in boards}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_link_leads_to_a_dashboard_that_there_is_with_variables_that_it_has(alert: Alert) -> None:
    assert alert.dashboard.uid in variables()
    assert set(alert.dashboard.variables) <= variables()[alert.dashboard.uid]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_thresholds_named_are_those_asked_for(alert: Alert) -> None:
    asked = set(re.findall(r'effective\{threshold="(\w+)"\}', alert.expr))
    through = {
        "success_age_seconds:limit": {"success_age_seconds", "success_age_periods"},
        "llm_budget:used_ratio": {"llm_budget_days"},
    }
    asked |= {name for key, names in through.items() if key in alert.expr for name in names}
    assert asked - {"enabled"} == {threshold.name for threshold in alert.thresholds}


def test_every_threshold_belongs_to_an_alert() -> None:
    used = {threshold.name for alert in ALERTS for threshold in alert.thresholds}
    assert used == {threshold.name for threshold in THRESHOLDS} - {"enabled"}


def seconds(duration: str) -> int:
    """Of one number and unit, as rules write them."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def test_what_a_failing_pipeline_explains_waits_until_the_pipeline_was_looked_at() -> None:
    """Files of rules are evaluated at different moments: without patience a stage's alert overtakes its pipeline's."""
    prometheus = yaml.safe_load((REPOSITORY / "prometheus" / "prometheus.yml").read_text())
    evaluated = seconds(prometheus["global"]["evaluation_interval"])
    (explained,) = [group.alerts for group in GROUPS if SCOPES[group.name] == "stage"]
    assert [alert.name for alert in explained if seconds(alert.for_) < 2 * evaluated] == []


def test_every_metric_that_a_counter_is_recorded_of_is_named_a_total() -> None:
    assert {metric for metric in recorded.RECORDED if metric.kind is Kind.COUNTER} == {
        metric for metric in recorded.RECORDED if metric.name.endswith(":total")
    }
    for metric in recorded.RECORDED:
        assert re.fullmatch(r"[a-z]+:[a-z_]+:[a-z0-9_]+", metric.name), metric.name


def unused() -> set[Metric]:
    """Recorded metrics that no rule asks for: they are there for dashboards."""
    texts = "\n".join(query for _, query in expressions())
    return {metric for metric in recorded.RECORDED if metric.name not in texts}


def test_metrics_recorded_for_dashboards_alone_are_few() -> None:
    assert {metric.name.rpartition(":")[2] for metric in unused()} <= {
        "total",
        "histogram",
        "periods",
        "p50_1h",
        "p95_1h",
        "mean_1h",
        "increase7d",
        "max",
    }
