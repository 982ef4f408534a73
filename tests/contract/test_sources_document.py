"""docs/sources.md: its snippets run, its tables are what the code knows."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from exporter.cli import main
from exporter.domain.events import ExecutionFinished
from exporter.source_settings import KEYS
from exporter.sources import lines, mapping_file
from exporter.sources.__main__ import FILE, schema
from exporter.sources.batch import ROWS
from exporter.sources.cursor import MOST_OPEN
from exporter.sources.mapping import Emit, ErrorMap, Expression
from exporter.sources.mapping_problems import KINDS
from exporter.sources.sql_pages import MOST_BYTES, OVERLAP, OVERLAP_KEYS
from exporter.sources.sql_reader import MOST_NOW
from tests.support.documents import TEXTS, blocks, table
from tests.support.sources import STATE, mapped, told

NAME = "docs/sources.md"


def block(kind: str) -> str:
    return next(one.text for one in blocks(NAME) if one.kind == kind)


def test_the_first_snippet_and_its_check_give_what_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "exporter.yml"
    url = f"sqlite:///{STATE / 'dsa110' / 'pipeline.sqlite3'}"
    file.write_text(block("yaml").replace("sqlite:////data/pipeline.sqlite3", url))
    command = block("sh config").replace("exporter.yml", str(file)).split()
    assert command.pop(0) == "pipeline-exporter"
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(block("text"))


def test_the_mapping_file_reads_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    details = {
        "host": "a",
        "steps": [{"name": "load", "state": "ok", "at": "2026-01-01T00:00:09Z", "took_ms": 4000}],
    }
    with sqlite3.connect(file) as owner:
        owner.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, name, state, begun, ended, details, error)")
        owner.execute(
            "INSERT INTO runs VALUES (1, 'n', 'boom', '2026-01-01 00:00:00', '2026-01-01 00:00:10', ?, 'no disk')",
            (json.dumps(details),),
        )
    owner.close()
    found = {
        event.payload.type: event.payload
        for event in told(mapped(block("yaml mapping"), f"sqlite:///{file}"))
    }
    assert getattr(found["pipeline.execution.finished"], "status") == "failed"  # noqa: B009 - of any payload
    assert set(found) == {
        "pipeline.execution.started",
        "pipeline.execution.finished",
        "pipeline.stage.started",
        "pipeline.stage.finished",
    }


def test_the_lines_of_the_example_are_read(tmp_path: Path) -> None:
    record = {"table": "orders", "id": 7, "state": "done"}
    times = {"begun": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:00:10Z"}
    (tmp_path / "a.jsonl").write_text(json.dumps(record | times) + "\n")
    assert [one.payload.type for one in told(mapped(block("yaml lines"), str(tmp_path)))] == [
        "pipeline.execution.started",
        "pipeline.execution.finished",
    ]


@pytest.mark.parametrize("kind", ["dbt", "textfile"])
def test_the_examples_of_folders_are_read(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = block(f"yaml {kind}")
    url = text.rpartition("url: ")[2].strip()
    shutil.copytree(STATE / "dbt" / "build", tmp_path / "dbt")
    (tmp_path / "textfile").mkdir()
    (tmp_path / "textfile" / "backup.prom").write_text(block("text textfile"))
    file = tmp_path / "exporter.yml"
    file.write_text(text.replace(url, str(tmp_path / kind)))
    assert main(["sources", "check", "--config", str(file)]) == 0
    assert {"dbt": "shop: 1 failed", "textfile": "db_backup: 1 succeeded"}[kind] in capsys.readouterr().out


def test_the_example_of_metrics_with_other_names_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.prom").write_text("report_sales_made_at 1795310700\nreport_sales_ok 0\n")
    (ended,) = [one.payload for one in told(mapped(block("yaml samples"), str(tmp_path)))]
    assert isinstance(ended, ExecutionFinished)
    assert (ended.pipeline, ended.status) == ("sales", "failed")


def test_the_tables_name_every_preset_key_and_expression() -> None:
    presets = [row[0].strip("`") for row in table(NAME, "preset", "reads", "what is seen", "what is not")]
    assert sorted(presets) == mapping_file.preset_names()
    keys = [row[0].strip("`") for row in table(NAME, "key", "default", "meaning")]
    assert sorted(keys) == sorted(KEYS)
    for name in Expression.__struct_fields__:
        assert name == "path" or f"{name}: " in TEXTS[NAME]


def test_the_table_of_all_ways_in_names_every_preset_and_each_page_of_one_leads_there() -> None:
    rows = table("docs/clients.md", "way in", "seen live", "only at the end", "not at all")
    named = {
        name for row in rows if row[0].startswith("Preset") for name in re.findall(r"`([\w-]+)`", row[0])
    }
    assert sorted(named) == mapping_file.preset_names()
    ways = ("events", "python", "command", "opentelemetry", "sources")
    for page in ("README.md", *(f"docs/{way}.md" for way in ways)):
        assert "clients.md#every-way-in-at-a-glance" in TEXTS[page]
    for way in ways:
        assert any(f"({way}.md" in row[0] for row in rows)


def test_the_table_of_fields_is_that_of_the_types() -> None:
    def named(cell: str) -> list[str]:
        return [name.strip("` ") for name in cell.split(",")]

    kinds = {field.name: field.type for field in msgspec.structs.fields(Emit)}
    rows = {
        what.strip("`"): (needed, more)
        for what, needed, more in table(NAME, "what", "needed", "further fields")
    }
    for kind in KINDS:
        (type_,) = (part for part in get_args(kinds[kind]) if part is not type(None))
        fields = msgspec.structs.fields(type_)
        needed = [field.name for field in fields if field.required]
        more = [field.name for field in fields if not field.required]
        assert [named(cell) for cell in rows[kind]] == [needed, more]
    (error,) = (cells for what, cells in rows.items() if what.startswith("error"))
    assert [name for cell in error for name in named(cell)] == list(ErrorMap.__struct_fields__)


def test_the_limits_are_those_of_the_code() -> None:
    text = " ".join(TEXTS[NAME].split())
    for said in (
        f"Pages of {ROWS} rows",
        f"up to {MOST_OPEN} of them",
        f"the last {OVERLAP.total_seconds():.0f} seconds",
        f"the last {OVERLAP_KEYS} numbers",
        f"up to {MOST_NOW} rows",
        f"more than {MOST_BYTES >> 20} MiB",
        f"A line of more than {lines.MOST_BYTES >> 20} MiB",
    ):
        assert said in text


def test_the_published_schema_is_that_of_the_types() -> None:
    assert FILE.read_text(encoding="utf-8") == schema()
