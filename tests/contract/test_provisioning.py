"""What Grafana and Prometheus are given in the stack, held against each other, the containers and the dashboards."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from exporter.catalogue import CATALOGUE
from exporter.web.reading import EXECUTION_DASHBOARD
from tests.support.paths import REPOSITORY
from tests.support.stack import mounts, services
from tests.support.tools import tool

PROVISIONING = REPOSITORY / "provisioning"
TYPES = {
    "prometheus": "prometheus",
    "postgres": "grafana-postgresql-datasource",
    "traces": "jaeger",
    "alertmanager": "alertmanager",
}
"""Type of each datasource by its uid."""

DASHBOARDS = sorted((PROVISIONING / "dashboards").rglob("*.json"))


def datasources() -> list[dict[str, Any]]:
    files = sorted((PROVISIONING / "datasources").glob("*.yml"))
    return [
        each for file in files for each in yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
    ]


def datasource(uid: str) -> dict[str, Any]:
    (found,) = [each for each in datasources() if each["uid"] == uid]
    return found


def prometheus() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        (REPOSITORY / "prometheus/prometheus.yml").read_text(encoding="utf-8")
    )
    return content


# Datasources


def test_there_are_the_datasources_that_dashboards_know() -> None:
    assert {each["uid"]: each["type"] for each in datasources()} == TYPES


def test_exactly_one_datasource_is_the_default() -> None:
    assert [each["uid"] for each in datasources() if each.get("isDefault")] == ["prometheus"]


def test_datasources_are_changed_in_files_only() -> None:
    assert [each["uid"] for each in datasources() if each["editable"] is not False] == []


@pytest.mark.parametrize("uid", TYPES)
def test_a_datasource_is_a_service_that_grafana_shares_a_network_with(uid: str) -> None:
    host = re.sub(r"^\w+://", "", datasource(uid)["url"]).partition(":")[0]
    networks = set(services()[host].get("networks", ["default"]))
    assert networks & set(services()["grafana"]["networks"])


def test_the_password_of_the_database_is_read_from_a_file_that_is_made() -> None:
    found = datasource("postgres")["secureJsonData"]["password"]
    path = re.fullmatch(r"\$__file\{/run/secrets/(grafana/\w+)\}", found)
    assert path is not None
    assert path[1] in (REPOSITORY / "scripts/make-secrets").read_text(encoding="utf-8")


def test_grafana_opens_fewer_connections_than_its_role_may() -> None:
    limit = re.search(
        r"CONNECTION LIMIT (\d+)", (REPOSITORY / "postgres/reader.sql").read_text(encoding="utf-8")
    )
    assert limit is not None
    assert datasource("postgres")["jsonData"]["maxOpenConns"] < int(limit[1])


def test_an_exemplar_leads_to_its_execution() -> None:
    (destination,) = datasource("prometheus")["jsonData"]["exemplarTraceIdDestinations"]
    # Grafana reads variables in these files: two dollar signs are one.
    url = destination["url"].replace("$$", "$")
    assert url == EXECUTION_DASHBOARD + "?var-execution_id=${__value.raw}&${__url_time_range}"
    assert destination["name"] == "execution_id"
    assert "--enable-feature=exemplar-storage" in services()["prometheus"]["command"]


# Dashboards


def references(node: object) -> Iterator[tuple[str | None, str]]:
    """Type and uid of every datasource that a dashboard names."""
    if isinstance(node, dict):
        found = node.get("datasource")
        if isinstance(found, dict) and "uid" in found:
            yield found.get("type"), str(found["uid"])
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_uses_datasources_that_there_are(file: Any) -> None:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    chosen = {
        f"${{{each['name']}}}": each["query"]
        for each in dashboard["templating"]["list"]
        if each["type"] == "datasource"
    }
    assert set(chosen.values()) <= set(TYPES.values())
    own = {"-- Grafana --", "-- Mixed --", "-- Dashboard --", "grafana"}
    for kind, uid in references(dashboard):
        if uid in own:
            continue
        assert kind in (None, chosen.get(uid, TYPES.get(uid)))
        assert uid in chosen or uid in TYPES


def test_the_home_page_of_grafana_is_a_dashboard_of_ours() -> None:
    path = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    (root,) = [
        (source, target) for source, target, _ in mounts(services()["grafana"]) if "provisioning" in source
    ]
    assert (REPOSITORY / path.replace(root[1], root[0])) in DASHBOARDS


def test_dashboards_are_read_from_where_they_are_mounted_and_changed_in_files_only() -> None:
    content = yaml.safe_load((PROVISIONING / "dashboards/provider.yml").read_text(encoding="utf-8"))
    (provider,) = content["providers"]
    assert provider["options"] == {
        "path": "/etc/grafana/provisioning/dashboards",
        "foldersFromFilesStructure": True,
    }
    assert provider["allowUiUpdates"] is False
    # Below ten seconds Grafana watches files, and misses changes through a mount.
    assert provider["updateIntervalSeconds"] > 10
    # With folders from files, these are refused.
    assert not {"folder", "folderUid"} & set(provider)


@pytest.mark.parametrize("folder", ["plugins", "alerting"])
def test_grafana_finds_every_folder_that_it_looks_into(folder: str) -> None:
    assert (PROVISIONING / folder).is_dir()


# Prometheus


def test_prometheus_reads_its_configuration_and_rules() -> None:
    file = REPOSITORY / "prometheus/prometheus.yml"
    checked = subprocess.run(
        [tool("promtool"), "check", "config", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_reads_its_configuration_without_rules(tmp_path: Any) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text((REPOSITORY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    checked = subprocess.run(
        [tool("promtool"), "check", "config", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def published() -> dict[str, str]:
    """HOST:PORT of each service that publishes one, as other containers reach it."""
    return {
        name: f"{name}:{each['ports'][0].rpartition(':')[2]}"
        for name, each in services().items()
        if "ports" in each
    }


def test_prometheus_scrapes_every_service_that_publishes_a_port() -> None:
    targets = {
        target
        for job in prometheus()["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    itself = {"127.0.0.1:9090"}
    assert targets - itself == set(published().values()) - {published()["prometheus"]}


def test_alerts_go_to_alertmanager() -> None:
    (manager,) = prometheus()["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": [published()["alertmanager"]]}]


def job(name: str) -> dict[str, Any]:
    jobs: list[dict[str, Any]] = prometheus()["scrape_configs"]
    (found,) = [each for each in jobs if each["job_name"] == name]
    return found


def test_grafana_knows_how_often_the_exporter_is_scraped() -> None:
    interval = datasource("prometheus")["jsonData"]["timeInterval"]
    assert job("pipeline-exporter")["scrape_interval"] == interval


def test_no_metric_is_scraped_by_both_jobs() -> None:
    (dropped,) = job("pipeline-exporter")["metric_relabel_configs"]
    (relabelled,) = job("pipeline-exporter-live")["metric_relabel_configs"]
    assert dropped["action"] == "drop"
    assert dropped["regex"].split("|") == job("pipeline-exporter-live")["params"]["name[]"]
    assert relabelled == {"target_label": "job", "replacement": "pipeline-exporter"}


def test_what_is_scraped_every_second_is_on_the_live_dashboard() -> None:
    (file,) = [file for file in DASHBOARDS if file.stem == "live"]
    expressions = " ".join(re.findall(r'"expr": "(.*)"', file.read_text(encoding="utf-8")))
    live = job("pipeline-exporter-live")
    assert live["scrape_interval"] == "1s"
    assert [name for name in live["params"]["name[]"] if not re.search(rf"\b{name}\b", expressions)] == []
    assert set(live["params"]["name[]"]) <= {metric.name for metric in CATALOGUE}


def test_no_rule_uses_what_is_scraped_every_second() -> None:
    rules = (REPOSITORY / "prometheus/rules").glob("*.yml")
    expressions = " ".join(
        rule["expr"]
        for file in rules
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    )
    names = job("pipeline-exporter-live")["params"]["name[]"]
    assert [name for name in names if re.search(rf"\b{name}\b", expressions)] == []
