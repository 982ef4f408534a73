"""What messages say, as amtool fills in the templates."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from alerting.rules import Options
from tests.support.notifications import rendered
from tests.support.tools import tool

NASTY = 'a "b" <i>&amp;+ [x](http://evil) \\|>'
LABELS = {
    "alertname": "PipelineFailingInARow",
    "severity": "critical",
    "pipeline": "billing-export",
    "environment": "production",
    "owner": "payments",
}
FIRING = {
    "status": "firing",
    "labels": LABELS,
    "annotations": {
        "summary": "billing-export (production): failed 3 times in a row",
        "description": "The last success was at 03:10 UTC.",
        "dashboard_url": "/d/pipelines-pipeline/pipeline?var-pipeline=billing-export",
        "runbook_url": "https://example.org/runbook#failing",
    },
    "startsAt": "2026-11-22T05:12:09Z",
    "endsAt": "0001-01-01T00:00:00Z",
}


def resolved(ends: str) -> dict[str, Any]:
    return FIRING | {"status": "resolved", "endsAt": ends}


def named(name: str) -> dict[str, Any]:
    """The same of a pipeline with this name."""
    annotations = {**FIRING["annotations"], "summary": f"{name} (production): failed"}  # type: ignore[dict-item]  # JSON
    return FIRING | {"labels": LABELS | {"pipeline": name}, "annotations": annotations}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    rendered(folder, GRAFANA_URL="https://grafana.example/g/")
    return folder / "templates"


def message(templates: Path, name: str, *alerts: dict[str, Any], html: bool = False) -> str:
    """What a template makes of a message with these alerts."""
    common = {k: v for k, v in alerts[0]["labels"].items() if all(a["labels"].get(k) == v for a in alerts)}
    firing = any(alert["status"] == "firing" for alert in alerts)
    data = {
        "receiver": "default: critical",
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "groupLabels": {},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
    }
    file = templates.parent / "message.json"
    file.write_text(json.dumps(data))
    command = [
        tool("amtool"),
        "template",
        "render",
        f"--template.glob={templates}/*.tmpl",
        f"--template.data={file}",
        f"--template.type={'html' if html else 'text'}",
        f'--template.text={{{{ template "pipelines.{name}" . }}}}',
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_subject_says_how_bad_it_is_where_and_what(templates: Path) -> None:
    expected = "[CRITICAL] billing-export (production): failed 3 times in a row"
    assert message(templates, "title", FIRING) == expected
    assert message(templates, "title", FIRING, FIRING, FIRING) == f"{expected} (and 2 more)"


@pytest.mark.parametrize(
    ("ends", "duration"),
    [
        ("2026-11-22T05:12:54Z", "45 s"),
        ("2026-11-22T05:24:10Z", "12 min"),
        ("2026-11-22T06:12:09Z", "1 h"),
        ("2026-11-22T06:24:09Z", "1 h 12 min"),
        ("2026-11-22T15:22:09Z", "10 h 10 min"),
    ],
)
def test_the_subject_says_that_it_is_over_and_after_how_long(
    templates: Path, ends: str, duration: str
) -> None:
    subject = message(templates, "title", resolved(ends))
    assert (
        subject == f"[RESOLVED] billing-export (production): failed 3 times in a row: over after {duration}"
    )


def test_a_dashboard_opens_an_hour_before_the_alert(templates: Path) -> None:
    dashboard = "https://grafana.example/g/d/pipelines-pipeline/pipeline?var-pipeline=billing-export"
    an_hour_before = 1795320729000
    assert message(templates, "group.dashboard_url", FIRING) == f"{dashboard}&from={an_hour_before}&to=now"
    over = message(templates, "group.dashboard_url", resolved("2026-11-22T05:24:09Z"))
    assert over == f"{dashboard}&from={an_hour_before}&to=1795325949000"


def test_a_dashboard_of_the_rules_as_they_come_is_in_the_grafana_that_is_set(templates: Path) -> None:
    rules = "http://localhost:3000/d/pipelines-errors/errors?var-pipeline=x&from=now-6h&to=now"
    alert = FIRING | {"annotations": {"dashboard_url": rules}}
    dashboard = "https://grafana.example/g/d/pipelines-errors/errors?var-pipeline=x"
    assert message(templates, "group.dashboard_url", alert) == f"{dashboard}&from=1795320729000&to=now"


def test_a_runbook_that_is_not_on_the_web_is_named_and_never_a_broken_link(templates: Path) -> None:
    alert = FIRING | {"annotations": {"summary": "x", "runbook_url": "docs/runbooks/a.md#b"}}
    for name in ("slack.text", "teams.text", "email.text"):
        assert "What to do: docs/runbooks/a.md#b" in message(templates, name, alert)
    html = message(templates, "email.html", alert, html=True)
    assert "What to do: docs/runbooks/a.md#b" in html
    assert 'href="docs' not in html
    assert message(templates, "group.runbook_url", alert) == "https://grafana.example/g/"


def test_a_runbook_of_the_rules_as_they_come_is_where_it_is_set(templates: Path, tmp_path: Path) -> None:
    rules = f"{Options().runbooks_url}/executions.md#pipelinefailed"
    alert = FIRING | {"annotations": {"summary": "x", "runbook_url": rules}}
    assert message(templates, "group.runbook_url", alert) == rules
    rendered(tmp_path, RUNBOOKS_URL="https://runs.example//runbooks/")
    folder, link = tmp_path / "templates", "https://runs.example/runbooks/executions.md#pipelinefailed"
    assert message(folder, "group.runbook_url", alert) == link
    assert f"What to do: {link}\n" in message(folder, "email.text", alert)
    assert f'href="{link}">What to do' in message(folder, "email.html", alert, html=True)
    assert f"[What to do]({link})" in message(folder, "teams.text", alert)
    assert f"<{link}|What to do>" in message(folder, "slack.text", alert, alert)


def test_the_silence_is_filled_in_with_what_the_alerts_have_in_common(templates: Path) -> None:
    link = message(templates, "silence_url", named(NASTY))
    assert link.startswith("http://alertmanager:9093/#/silences/new?filter=%7B")
    assert "+" not in link
    assert f"pipeline={json.dumps(NASTY)}" in unquote(link)
    both = unquote(message(templates, "silence_url", FIRING, named("other")))
    assert 'severity="critical"' in both
    assert "pipeline=" not in both


def test_a_mail_names_what_since_when_what_to_do_and_where_to_look(templates: Path) -> None:
    for mail in (
        message(templates, "email.html", FIRING, html=True),
        message(templates, "email.text", FIRING),
    ):
        for part in (
            "failed 3 times in a row",
            "The last success was at 03:10 UTC.",
            "Since 05:12 UTC, Sun 22 Nov",
            "https://grafana.example/g/d/pipelines-pipeline/",
            "https://example.org/runbook#failing",
            "http://alertmanager:9093/#/silences/new?filter=%7B",
            "Owner: payments",
        ):
            assert part in mail


def test_a_mail_that_says_it_is_over_is_green_and_asks_for_nothing(templates: Path) -> None:
    over = message(templates, "email.html", resolved("2026-11-22T05:24:09Z"), html=True)
    assert "Over after 12 min" in over
    assert "#1a7f37" in over
    for part in ("#c4162a", "What to do", "silences/new", "The last success"):
        assert part not in over


def test_a_name_is_never_markup(templates: Path) -> None:
    html = message(templates, "email.html", named(NASTY), html=True)
    assert "<i>" not in html
    assert "&lt;i&gt;&amp;amp;" in html
    for text in (
        message(templates, "slack.title", named(NASTY)),
        message(templates, "slack.text", named(NASTY), FIRING),
    ):
        assert "&lt;i&gt;&amp;amp;+" in text
    assert "\\[x\\](http://evil)" in message(templates, "teams.text", named(NASTY), FIRING)


def test_an_owner_is_never_markup(templates: Path) -> None:
    alert = FIRING | {"labels": LABELS | {"owner": NASTY}}
    assert 'Owner: a "b" <i>&amp;+ \\[x\\](http://evil)' in message(templates, "teams.text", alert)
    assert 'Owner: a "b" &lt;i&gt;&amp;amp;+' in message(templates, "slack.footer", alert)
    assert "&lt;i&gt;&amp;amp;" in message(templates, "email.html", alert, html=True)


def test_slack_and_teams_list_several_alerts_each_with_its_links(templates: Path) -> None:
    slack = message(templates, "slack.text", FIRING, named("second"))
    assert slack.count("|Dashboard>") == slack.count("|What to do>") == 2
    teams = message(templates, "teams.text", FIRING, resolved("2026-11-22T05:24:09Z"))
    assert teams.count("**") == 2
    assert "✅ billing-export (production): failed 3 times in a row: over after 12 min" in teams


def test_an_alert_of_somebody_elses_rules_can_be_told_as_well(templates: Path) -> None:
    bare: dict[str, Any] = FIRING | {"labels": {"alertname": "DiskFull"}, "annotations": {}}
    assert message(templates, "title", bare) == "[ALERT] DiskFull"
    assert message(templates, "group.dashboard_url", bare) == "https://grafana.example/g/"
    assert message(templates, "pagerduty.severity", bare) == "warning"
    assert "DiskFull" in message(templates, "email.html", bare, html=True)
    for name in ("email.text", "slack.text", "teams.text", "thing"):
        assert message(templates, name, bare)
