"""The snippets of docs/python.md, docs/command.md and README.md, run as they stand."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clients import Programs, executions, nowhere
from tests.support.documents import Block, of_kind
from tests.support.exporter import Exporter, StartExporter
from tests.support.paths import REPOSITORY
from tests.support.program import wait_for

PYTHON = [block for block in of_kind("python") if block.document in ("README.md", "docs/python.md")]
COMMANDS = of_kind("sh command")


def test_each_page_begins_with_its_shortest_snippet() -> None:
    for page, blocks in (("docs/python.md", PYTHON), ("docs/command.md", COMMANDS)):
        own = [block.text for block in blocks if block.document == page]
        assert own[0] == min(own, key=len) or len(own[0].splitlines()) <= 5
        assert [block.text for block in blocks if block.document == "README.md"] == own[:1]


def test_the_page_of_the_exporter_shows_the_same(exporter: Exporter) -> None:
    import requests  # noqa: PLC0415

    page = html.unescape(requests.get(exporter.url, timeout=30).text)
    assert PYTHON[0].text.strip() in page
    assert "pipeline-exporter run --pipeline nightly -- " in page


@pytest.fixture
def exporter(sqlite_url: str, start_exporter: StartExporter) -> Exporter:
    return start_exporter(database=sqlite_url)


def places(blocks: list[Block]) -> list[str]:
    return [f"{block.document}-{number}" for number, block in enumerate(blocks)]


@pytest.mark.parametrize("block", PYTHON, ids=places(PYTHON))
def test_python_runs_as_it_stands(block: Block, exporter: Exporter, tmp_path: Path) -> None:
    done = Programs(tmp_path, exporter.url).python(block.text)
    assert done.returncode == 0, done.stderr
    if "declare(" not in block.text:
        found = wait_for(lambda: executions(exporter), "its run arrived")
        assert [each["status"] for each in found] == ["succeeded"]
        assert re.search(rf'pipeline\(\s*"{found[0]["pipeline"]}"', block.text)


def test_systemd_takes_the_unit_as_it_stands(tmp_path: Path) -> None:
    (unit,) = (block for block in of_kind("ini") if block.document == "docs/command.md")
    program = tmp_path / "pipeline-exporter"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = tmp_path / "nightly.service"
    file.write_text(unit.text.replace("/opt/venv/bin/pipeline-exporter", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", COMMANDS, ids=places(COMMANDS))
def test_commands_run_as_they_stand(block: Block, exporter: Exporter, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "pipeline-exporter"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n')
    program.chmod(0o755)
    programs = Programs(tmp_path, exporter.url)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e"], input=block.text, text=True, capture_output=True, cwd=tmp_path,
        env=programs.environment(PATH=path), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found = wait_for(lambda: executions(exporter), "its run arrived")
    assert [(each["pipeline"], each["status"]) for each in found] == [("nightly", "succeeded")]


def test_the_client_needs_nothing_of_the_server(tmp_path: Path) -> None:
    names = ("msgspec", "requests", "sqlalchemy", "fastapi", "yaml")
    blocked = f"import sys\nfor name in {names}: sys.modules[name] = None\n"
    done = Programs(tmp_path, nowhere()).python(blocked + PYTHON[0].text)
    assert done.returncode == 0, done.stderr
    assert (REPOSITORY / "exporter" / "client").is_dir()
