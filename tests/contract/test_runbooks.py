"""Links of alerts to runbooks, followed in the real application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import yaml
from starlette.testclient import TestClient

from alerting.catalogue import GROUPS
from alerting.rules import Options
from exporter.cli.rules import RUNBOOKS
from exporter.settings import settings
from tests.support.app import serving
from tests.support.paths import REPOSITORY

ALERTS = [alert.name for group in GROUPS for alert in group.alerts]
BASE = "http://127.0.0.1:9877"


@cache
def links() -> dict[str, str]:
    """The runbook of each alert, as the rules in the repository name it."""
    files = (REPOSITORY / "prometheus" / "rules").glob("*.yml")
    groups = [group for path in files for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("runbooks")
    with serving(f"sqlite:///{folder / 'exporter.db'}") as client:
        yield client


def anchors(page: str) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', page))


def test_rules_lead_to_the_exporter_where_it_listens_by_default() -> None:
    _, port = settings({}, {}).listen
    assert Options().runbooks_url == RUNBOOKS == f"http://localhost:{port}/runbooks"


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_of_every_alert_opens_at_its_heading(client: TestClient, alert: str) -> None:
    parts = urlsplit(links()[alert])
    answer = client.get(parts.path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<h2 id="{parts.fragment}">{alert}</h2>' in answer.text


def test_the_name_of_a_runbook_may_lack_its_suffix(client: TestClient) -> None:
    assert client.get("/runbooks/executions").text == client.get("/runbooks/executions.md").text


def test_the_list_leads_to_every_alert(client: TestClient) -> None:
    page = client.get("/runbooks").text
    assert [f'href="{urlsplit(links()[alert]).path}#{alert.lower()}"' in page for alert in ALERTS] == [
        True for _ in ALERTS
    ]


@pytest.mark.parametrize("name", ["", *(f"/{group.name}.md" for group in GROUPS)])
def test_every_link_of_a_page_leads_somewhere(client: TestClient, name: str) -> None:
    address = f"{BASE}/runbooks{name}"
    for link in re.findall(r'<a [^>]*href="([^"]+)"', client.get(address).text):
        target = urlsplit(urljoin(address, link))
        assert target.netloc == urlsplit(BASE).netloc, link
        answer = client.get(target.path)
        assert answer.status_code == 200, link
        assert not target.fragment or target.fragment in anchors(answer.text), link


@pytest.mark.parametrize("name", ["gone", "gone.md", "executions.md.md", "..%2Falerts", "%2e%2e%2falerts.md"])
def test_another_name_is_not_found(client: TestClient, name: str) -> None:
    answer = client.get(f"/runbooks/{name}")
    assert answer.status_code == 404
    assert "There is no such runbook." in answer.text or "problem+json" in answer.headers["content-type"]


def test_the_pages_are_in_no_description_of_the_api(client: TestClient) -> None:
    assert [path for path in client.get("/openapi.json").json()["paths"] if "runbook" in path] == []
