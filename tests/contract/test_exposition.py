"""What is exposed: the catalogue, in formats that others read."""

from __future__ import annotations

import gzip
import subprocess
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from exporter.catalogue import CATALOGUE, METRIC_OF_NAME, Metric
from exporter.catalogue.own import DATABASE_FREE, DATABASE_VOLUME
from exporter.exposition.families import sample_names
from tests.support.exposed import OPENMETRICS, Exposed, expose_everything, openmetrics_families
from tests.support.stored import Stored, stored
from tests.support.tools import tool

THE_PROCESS = ("process_", "python_")
"""Families that prometheus_client adds about the process and the interpreter."""


@pytest.fixture
def store(database_url: str) -> Iterator[Stored]:
    with stored(database_url) as store:
        yield store


@pytest.fixture
def everything(store: Stored) -> Exposed:
    return expose_everything(store)


def test_the_families_are_those_of_the_catalogue_and_of_prometheus_client(store: Stored) -> None:
    text = Exposed(store, process=True).scrape(OPENMETRICS).body.decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    theirs = [name for name in names if name.startswith(THE_PROCESS)]
    assert {"process_cpu_seconds", "python_info", "python_gc_objects_collected"} <= set(theirs)
    ours = [name for name in names if name not in theirs]
    assert sorted(ours) == sorted(metric.family for metric in CATALOGUE)


def test_openmetrics_parses_and_says_what_the_catalogue_says(everything: Exposed) -> None:
    text = everything.scrape(OPENMETRICS).body.decode()
    for family in openmetrics_families(text):
        metric = _metric_of(family.name)
        assert (family.documentation, family.type, family.unit) == (metric.help, metric.kind, metric.unit)
        for sample in family.samples:
            assert sample.name in sample_names(metric)
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_every_metric_has_a_reading_once_everything_has_happened(everything: Exposed) -> None:
    told = {name for name, _ in everything.samples()}
    of_a_file = (
        {DATABASE_FREE, DATABASE_VOLUME} if everything.store.engine.dialect.name != "sqlite" else set()
    )
    untold = {metric for metric in CATALOGUE if not told & {*sample_names(metric)}}
    assert untold == of_a_file


def test_promtool_finds_nothing_to_complain_of(everything: Exposed) -> None:
    text = everything.scrape().body
    check = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_exemplars_lead_to_executions_in_openmetrics_only(everything: Exposed) -> None:
    families = openmetrics_families(everything.scrape(OPENMETRICS).body.decode())
    exemplars = [
        (family.name, sample.exemplar.labels)
        for family in families
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert {name for name, _ in exemplars} >= {
        "pipeline_execution_duration_seconds",
        "pipeline_execution_queue_duration_seconds",
        "pipeline_stage_duration_seconds",
        "gen_ai_client_token_usage",
    }
    assert all([*labels] == ["execution_id"] and len(labels["execution_id"]) == 32 for _, labels in exemplars)
    assert b" # {" not in everything.scrape().body


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_gzip_is_one_member_with_the_same_text(everything: Exposed, accept: str) -> None:
    answer = everything.scrape(accept, "gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    check = subprocess.run([tool("gzip"), "-t"], input=answer.body, capture_output=True, check=False)
    assert (check.returncode, check.stderr) == (0, b"")
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    text = member.decompress(answer.body)
    assert (member.eof, member.unused_data) == (True, b"")
    assert text == gzip.decompress(answer.body)
    assert _settled(text) == _settled(everything.scrape(accept).body)


def test_curl_reads_it(everything: Exposed) -> None:
    with _served(everything) as url:
        command = [tool("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*", "--compressed", url]
        text = subprocess.run(command, capture_output=True, check=True).stdout
    assert _settled(text) == _settled(everything.scrape().body)


def _metric_of(family: str) -> Metric:
    return METRIC_OF_NAME.get(family) or METRIC_OF_NAME[f"{family}_total"]


def _settled(text: bytes) -> list[bytes]:
    """Lines that a scrape does not change."""
    return [line for line in text.splitlines() if not line.startswith(b"pipeline_exporter_scrape_seconds")]


@contextmanager
def _served(exposed: Exposed) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = exposed.scrape(self.headers.get("Accept", ""), self.headers.get("Accept-Encoding", ""))
            self.send_response(200)
            for name, value in {**answer.headers, "Content-Type": answer.content_type}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
