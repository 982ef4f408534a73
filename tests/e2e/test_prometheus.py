"""A real Prometheus reads the exporter as people's own do: OpenMetrics, exemplars, no complaint."""

from __future__ import annotations

import subprocess
import time

import pytest
import requests

from tests.support.exporter import StartExporter
from tests.support.load import cloud_event, execution, post
from tests.support.program import wait_for
from tests.support.prometheus import Prometheus, StartPrometheus
from tests.support.tools import tool


def scraping(start_prometheus: StartPrometheus, *urls: str) -> Prometheus:
    targets = [url.removeprefix("http://") for url in urls]
    return start_prometheus(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{"job_name": "pipelines", "static_configs": [{"targets": targets}]}],
        }
    )


def test_prometheus_ingests_openmetrics_with_exemplars(
    database_url: str, start_exporter: StartExporter, start_prometheus: StartPrometheus
) -> None:
    exporter = start_exporter(database=database_url)
    prometheus = scraping(start_prometheus, exporter.url)
    began = time.time()
    assert post(exporter.url, execution("nightly", "r1")).ok
    (total,) = wait_for(
        lambda: prometheus.query('pipeline_executions_total{pipeline="nightly",status="succeeded"} == 1'),
        "a scrape",
    )
    assert total["metric"]["environment"] == "default"
    assert prometheus.query("up")[0]["value"][1] == "1"
    id_ = requests.get(f"{exporter.url}/api/pipeline/executions", timeout=30).json()["executions"][0]["id"]

    def exemplars() -> list[dict[str, object]]:
        found: list[dict[str, object]] = prometheus.get(
            "query_exemplars",
            query="pipeline_execution_duration_seconds_bucket",
            start=str(began - 60),
            end=str(time.time() + 60),
        )
        return found

    (series,) = wait_for(exemplars, "exemplars")
    assert series["exemplars"][0]["labels"] == {"execution_id": id_}  # type: ignore[index]  # JSON
    metadata = prometheus.get("metadata", metric="pipeline_execution_duration_seconds")
    assert metadata["pipeline_execution_duration_seconds"][0]["type"] == "histogram"


def test_the_first_failure_is_an_increase(
    sqlite_url: str, start_exporter: StartExporter, start_prometheus: StartPrometheus
) -> None:
    exporter = start_exporter(database=sqlite_url)
    prometheus = scraping(start_prometheus, exporter.url)
    failures = 'pipeline_executions_total{status="failed"}'
    assert post(exporter.url, execution("nightly", "r1")[:1]).ok
    wait_for(lambda: prometheus.query(f"{failures} == 0"), "the counter at 0")
    assert post(exporter.url, execution("nightly", "r1", "failed")[1:]).ok
    wait_for(lambda: prometheus.query(f"increase({failures}[1m]) > 0"), "an increase")


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_promtool_has_no_complaint_about_a_lively_scrape(
    sqlite_url: str, start_exporter: StartExporter, accept: str
) -> None:
    exporter = start_exporter(database=sqlite_url)
    names = {"pipeline": 'odd "names" \\ \u00e4', "execution": "r"}
    events = [
        *execution("nightly", "r1", "failed"),
        cloud_event("pipeline.declared", "d", pipeline="nightly", schedule={"cron": "0 5 * * *"}, owner="data"),
        cloud_event("pipeline.execution.started", "s", **names),
        cloud_event("pipeline.execution.progressed", "p", **names, progress=0.4),
        cloud_event("pipeline.stream.measured", "m", pipeline="cdc", stream="orders", events={"insert": 3},
                    watermark="2026-11-22T05:00:00Z", buffer_depth=4, latency_seconds=[0.2]),
        cloud_event("pipeline.records.checked", "c", pipeline="cdc", stream="orders", valid=9, invalid=1,
                    rules={"not_null": 1}, completeness=0.9),
        cloud_event("pipeline.llm.called", "l", pipeline="review", provider="openai", request_model="gpt-4o",
                    input_tokens=10, output_tokens=5, duration_seconds=1.5, cost_usd=0.01),
    ]  # fmt: skip
    assert post(exporter.url, events).ok
    scrape = requests.get(f"{exporter.url}/metrics", headers={"accept": accept}, timeout=30)
    assert scrape.headers["content-type"].startswith(accept.partition(";")[0])
    if accept == "text/plain":
        found = subprocess.run(
            [tool("promtool"), "check", "metrics"], input=scrape.content, capture_output=True, check=False
        )
        assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")
    else:
        assert scrape.text.endswith("# EOF\n")
