"""A real OpenTelemetry SDK sends to a real server, as its own documentation says to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.ingest.llm import prices
from exporter.ingest.otlp import mapping
from tests.support.documents import blocks
from tests.support.exporter import StartExporter
from tests.support.program import wait_for


def wait_for_runs(url: str, number: int) -> list[dict[str, Any]]:
    """Executions, once there are so many."""

    def found() -> list[dict[str, Any]]:
        answer = requests.get(f"{url}/api/pipeline/executions", timeout=10).json()
        executions: list[dict[str, Any]] = answer["executions"]
        return executions if len(executions) >= number else []

    return wait_for(found, f"{number} executions")


def run(snippet: str, folder: Path, url: str, **more: str) -> None:
    """Run a program with nothing but the exporter's address told, as docs/opentelemetry.md does."""
    script = folder / "etl.py"
    script.write_text(snippet)
    told = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    environment = told | {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SERVICE_NAME": "etl", **more}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def snippets() -> list[str]:
    return [block.text for block in blocks("docs/opentelemetry.md") if block.kind == "python"]


def test_the_first_snippet_of_the_document_becomes_an_execution_with_stages(
    start_exporter: StartExporter, tmp_path: Path
) -> None:
    exporter = start_exporter()
    run(snippets()[0], tmp_path, exporter.url)
    (found,) = wait_for_runs(exporter.url, 1)
    assert (found["pipeline"], found["status"]) == ("etl", "succeeded")
    whole = requests.get(f"{exporter.url}/api/pipeline/executions/{found['id']}", timeout=10).json()
    assert [stage["name"] for stage in whole["stages"]] == ["extract", "load"]


def test_gzip_and_a_token_are_set_by_the_sdks_own_variables(
    start_exporter: StartExporter, tmp_path: Path
) -> None:
    exporter = start_exporter("--token", "s3cret")
    run(
        snippets()[0],
        tmp_path,
        exporter.url,
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20s3cret",
    )
    (found,) = wait_for_runs(exporter.url, 1)
    assert found["status"] == "succeeded"


MANY = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=4096))
tracer = provider.get_tracer("etl")
with tracer.start_as_current_span("run"):
    for number in range(1500):
        with tracer.start_as_current_span(f"part {number}"):
            pass
provider.shutdown()
"""


def test_a_trace_of_several_batches_whose_root_comes_last_is_one_execution(
    start_exporter: StartExporter, tmp_path: Path
) -> None:
    exporter = start_exporter()
    run(MANY, tmp_path, exporter.url)
    (found,) = wait_for_runs(exporter.url, 1)
    assert (found["status"], found["stages_done"], found["stages_total"]) == ("succeeded", 1500, 1500)


@pytest.mark.parametrize("option", ["--llm-prices", "--otlp-mapping"])
def test_a_bad_mapping_or_price_file_stops_the_start_with_one_line(
    start_exporter: StartExporter, tmp_path: Path, option: str
) -> None:
    file = tmp_path / "bad.yml"
    file.write_text("currency: USD\nmodels:\n  - model: a\n    input: cheap\n")
    exporter = start_exporter(option, str(file), wait=False)
    wait_for(lambda: not exporter.running, "the end of a server with a bad file")
    assert f"pipeline-exporter: {option}: {file}: line" in exporter.log


def test_the_files_of_the_document_are_understood(tmp_path: Path) -> None:
    files = [block.text for block in blocks("docs/opentelemetry.md") if block.kind == "yaml"]
    for text, read in zip(files, (prices.read, mapping.read), strict=True):
        file = tmp_path / "file.yml"
        file.write_text(text)
        read(str(file))
