"""The events and commands in README.md and docs/, against a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.domain.events import PAYLOAD_OF_TYPE
from exporter.ingest import cloudevents
from exporter.store import writer
from exporter.store.engine import open_engine
from exporter.store.limits import Limits
from exporter.web import problems
from tests.support.documents import ADDRESS, NAMES, TEXTS, Block, blocks, of_kind
from tests.support.exporter import Exporter, StartExporter

TOKEN = "a-token-of-the-test"
FOR_EVER = ("--retention", "3650d")  # the examples tell of the past


def event_blocks() -> list[Block]:
    return [block for name in NAMES for block in blocks(name) if block.is_events]


def test_every_type_of_event_has_an_example() -> None:
    shown = set(re.findall(r'"type": "(pipeline\.[\w.]+)"', TEXTS["docs/events.md"]))
    shown |= set(re.findall(r"ce-type: (pipeline\.[\w.]+)", TEXTS["docs/events.md"]))
    assert shown == set(PAYLOAD_OF_TYPE)


def test_the_examples_together_make_what_they_say(sqlite_url: str, start_exporter: StartExporter) -> None:
    exporter = start_exporter(*FOR_EVER, database=sqlite_url)
    for block in event_blocks():
        headers = {"content-type": "application/json"}
        url = f"{exporter.url}/api/v1/events"
        answer = requests.post(url, data=block.text.encode(), headers=headers, timeout=30)
        assert answer.status_code == 202, answer.text
        assert answer.json()["duplicates"] == 0
    imaging = execution(exporter, pipeline="imaging")
    assert (imaging["status"], imaging["source_status"]) == ("failed", "crashed")
    assert (imaging["queue_duration_seconds"], imaging["duration_seconds"]) == (90, 540)
    assert imaging["error"]["category"] == "resource"
    assert [len(imaging[part]) for part in ("artifacts", "warnings", "resources")] == [1, 1, 1]
    load = execution(exporter, pipeline="load")
    stages = {(stage["name"], stage["index"]): stage for stage in load["stages"]}
    extract = stages["extract", None]
    assert [attempt["status"] for attempt in extract["attempts"]] == ["failed", "succeeded"]
    assert (extract["items_in"], extract["items_out"]) == (1000, 996)
    assert stages["copy", "0"]["status"] == stages["copy", "1"]["status"] == "succeeded"
    assert stages["notify", None]["status"] == "skipped"
    assert active(exporter) == []


def execution(exporter: Exporter, **wanted: str) -> dict[str, Any]:
    """The latest execution of those wanted, whole."""
    listed = requests.get(f"{exporter.url}/api/pipeline/executions", params=wanted, timeout=30).json()
    url = f"{exporter.url}/api/pipeline/executions/{listed['executions'][0]['id']}"
    whole: dict[str, Any] = requests.get(url, timeout=30).json()
    return whole


def commands(name: str) -> list[Block]:
    return [block for block in blocks(name) if block.kind in ("sh", "sh token")]


@pytest.mark.parametrize("name", [name for name in NAMES if commands(name)])
def test_commands_do_what_is_said(
    name: str, sqlite_url: str, tmp_path: Path, start_exporter: StartExporter
) -> None:
    exporters = {"sh": start_exporter(*FOR_EVER, database=sqlite_url)}
    if any(block.kind == "sh token" for block in commands(name)):
        database = f"sqlite:///{tmp_path / 'with-token.db'}"
        exporters["sh token"] = start_exporter("--token", TOKEN, *FOR_EVER, database=database)
    answers = {block.follows: block for block in blocks(name) if block.kind == "json" and not block.is_events}
    # A body is wanted also where curl is told of an error.
    (tmp_path / ".curlrc").write_text('silent\nshow-error\nfail-with-body\nnoproxy = "*"\n')
    for block in commands(name):
        exporter = exporters[block.kind]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIPELINE_EXPORTER_TOKEN": TOKEN}
        if "$ID" in block.text:
            environment["ID"] = execution(exporter)["id"]
        ran = subprocess.run(
            ["sh", "-e"], input=block.text.replace(ADDRESS, exporter.url), text=True, capture_output=True,
            cwd=tmp_path, env=environment, check=False,
        )  # fmt: skip
        answer = answers.get(block)
        if "/jaeger/api/traces" in block.text and answer is None:
            assert '"total":0,' not in ran.stdout, "a search of the document finds its run"
        if answer is not None:
            assert json.loads(ran.stdout) == json.loads(answer.text)
        is_refused = answer is not None and any(word in answer.text for word in ('"status":', '"errors": [{'))
        assert (ran.returncode != 0) == is_refused, ran.stdout + ran.stderr
    assert active(exporters["sh"]) == []


def active(exporter: Exporter) -> list[str]:
    """Pipelines with a run that never ended: what an example leaves behind looks broken for ever."""
    url = f"{exporter.url}/api/pipeline/executions/active"
    return [run["pipeline"] for run in requests.get(url, timeout=30).json()["executions"]]


def test_the_answer_of_an_overloaded_server(sqlite_url: str) -> None:
    (answer,) = [
        json.loads(block.text)
        for block in blocks("docs/events.md")
        if block.kind == "json" and not block.is_events and block.follows is None
    ]
    (event,) = cloudevents.decode(
        "application/json",
        {},
        b'{"specversion": "1.0", "id": "1", "source": "/t", "type": "pipeline.execution.started",'
        b' "data": {"pipeline": "p", "execution": "1"}}',
        received=datetime.now(UTC),
    )
    idle = writer.Writer(open_engine(sqlite_url), Limits())
    idle.submit([event] * idle.queue_limit)
    with pytest.raises(writer.Overloaded) as overloaded:
        idle.submit([event])
    made = problems.answer(problems.Problem(503, str(overloaded.value)))
    assert json.loads(bytes(made.body)) == answer


def test_a_backup_taken_while_the_exporter_runs_is_whole(
    tmp_path: Path, start_exporter: StartExporter
) -> None:
    backup, vacuum = (block.text for block in of_kind("sh sqlite"))
    exporter = start_exporter(*FOR_EVER, database=f"sqlite:///{tmp_path / 'pipeline-exporter.db'}")
    for block in event_blocks():
        headers = {"content-type": "application/json"}
        requests.post(f"{exporter.url}/api/v1/events", data=block.text.encode(), headers=headers, timeout=30)
    subprocess.run(["sh", "-e", "-c", backup], cwd=tmp_path, check=True)
    before = execution(exporter, pipeline="load")
    assert exporter.stop() == 0
    subprocess.run(["sh", "-e", "-c", vacuum], cwd=tmp_path, check=True)
    restored = start_exporter(*FOR_EVER, database=f"sqlite:///{tmp_path / 'backup.db'}")
    assert execution(restored, pipeline="load") == before
