"""Where sources are: passwords are not printed, nonsense is told in one line, paths begin beside the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exporter.addresses import without_secrets
from exporter.cli import main

MAPPING = """system: batches
reads_from: database
reads:
  - name: runs
    table: runs
    key: [id]
    emits:
      - execution: {pipeline: name, execution: id, status: state, ended_at: ended}
"""


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:PW@h/x", "postgresql://…@h/x"),
        ("https://u:P/W@x@h/p", "https://…@h/p"),
        ("http://u:PW@[::1/x", "http://…@[::1/x"),
        ("u:PW@h", "…@h"),
        ("https://h/p?token=PW", "https://h/p?…"),
        ("/data/files", "/data/files"),
        ("a" * 200, "a" * 100),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


@pytest.mark.parametrize(
    ("preset", "url"),
    [
        ("flink", "postgresql://u:PW@h/x"),
        ("prefect-api", "ftp://u:PW@h"),
        ("junit", "https://u:PW@h/x"),
        ("flink", "http://u:PW@[::1/x"),
        ("flink", "http://u:PW@h:port/x"),
        ("flink", "http://u:PW@/x"),
        ("junit", "http://u:PW@[::1/x"),
        ("luigi", "u:PW@h"),
        ("luigi", "nothing://u:PW@h:x/y"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_line_without_a_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], preset: str, url: str
) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(f"sources: [{{name: a, preset: {preset}, url: '{url}'}}]\n")
    assert main(["sources", "check", "--config", str(file)]) == 1
    printed = "".join(capsys.readouterr())
    assert printed.startswith("a: source a: url: ")
    assert printed.count("\n") == 1
    assert "PW" not in printed


def test_paths_of_a_source_begin_in_the_folder_of_the_configuration_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = tmp_path / "etc"
    (etc / "suites").mkdir(parents=True)
    (etc / "suites" / "a.xml").write_text('<testsuite name="unit" tests="0"/>')
    (etc / "own.yml").write_text(MAPPING)
    (etc / "secret").write_text("abc")
    with closing(sqlite3.connect(etc / "runs.db")) as owner:
        owner.execute(
            "CREATE TABLE runs AS SELECT 1 AS id, 'n' AS name, 'done' AS state, 1767225600 AS ended"
        )
        owner.commit()
    (etc / "exporter.yml").write_text(
        "sources:\n  - {name: a, preset: junit, url: suites}\n  - {name: b, preset: junit, url: suites/a.xml}\n"
        "  - {name: c, mapping: own.yml, url: 'sqlite:///runs.db', secret_file: secret}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["sources", "check", "--config", "etc/exporter.yml"]) == 0
    assert capsys.readouterr().out.count(": ok\n") == 3


def test_a_mapping_that_is_not_there_is_named_with_its_whole_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text("sources: [{name: a, mapping: doc0.yml, url: 'sqlite:////x.db'}]\n")
    assert main(["sources", "check", "--config", str(file)]) == 1
    assert f"{tmp_path}/doc0.yml: cannot be read" in capsys.readouterr().out
