"""What a mapping may get wrong without being wrong: columns, words and times that a source does not have."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.domain.events import WarningRaised
from exporter.sources.batch import Away
from tests.support.sources import READ_AT, Reading, mapped, reading, told

MAPPING = """system: batches
reads_from: database
reads:
  - name: runs
    table: runs
    key: [id]
    emits:
      - execution:
          pipeline: name
          execution: id
          status: state
          started_at: t_start
          ended_at: t_finish
      - each: details.steps
        artifact:
          pipeline: $.name
          execution: $.id
          name: title
"""
ROWS = [(1, "done", 1767225610), (2, "BROKEN", 1767225610), (3, "BROKEN", None), (4, "running", None)]
COLUMNS = "details, id, name, state, t_finish, t_start"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(path)) as owner:
        owner.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, name, state, t_start, t_finish, details)")
        details = json.dumps({"steps": [{"title": "a"}]})
        owner.executemany(
            "INSERT INTO runs VALUES (?, 'n', ?, 1767225600, ?, ?)", [(*row, details) for row in ROWS]
        )
        owner.commit()
    return path


def checked(folder: Path, mapping: str, url: str) -> tuple[int, Path]:
    """Exit code of a check."""
    file = folder / "m.yml"
    file.write_text(mapping)
    (folder / "exporter.yml").write_text(f"sources: [{{name: ours, mapping: m.yml, url: '{url}'}}]\n")
    return main(["sources", "check", "--config", str(folder / "exporter.yml")]), file


@pytest.mark.parametrize(
    ("old", "new", "place", "column"),
    [
        ("ended_at: t_finish", "ended_at: t_finis", "13: reads.0.emits.0.execution.ended_at", "t_finis"),
        ("status: state", "status: {path: stat}", "11: reads.0.emits.0.execution.status.path", "stat"),
        ("pipeline: name", "pipeline: {format: '{nam}'}", "9: reads.0.emits.0.execution.pipeline.format", "nam"),
        (
            "status: state",
            "status: {first: [stat, status]}",
            "11: reads.0.emits.0.execution.status.first.0",
            "stat",
        ),
        (
            "status: state",
            "status: {path: state, lookup: {list: detail.*, key: a, value: b}}",
            "11: reads.0.emits.0.execution.status.lookup.list",
            "detail",
        ),
        ("started_at: t_start", "labels: {x: x.y}", "12: reads.0.emits.0.execution.labels.x", "x"),
        ("each: details.steps", "each: detail.steps", "14: reads.0.emits.1.each", "detail"),
        ("pipeline: $.name", "pipeline: $.nam", "16: reads.0.emits.1.artifact.pipeline", "nam"),
        ("key: [id]", "key: [id, idd]", "6: reads.0.key.1", "idd"),
        ("key: [id]", "key: [id]\n    changed: t_change", "7: reads.0.changed", "t_change"),
        ("      - execution", "      - when: {stat: [1]}\n        execution", "8: reads.0.emits.0.when.stat", "stat"),
    ],
)  # fmt: skip
def test_a_column_that_is_not_there_is_told_with_its_line_and_those_that_are(  # noqa: PLR0917 - a table of cases
    tmp_path: Path,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    place: str,
    column: str,
) -> None:
    code, mapping = checked(tmp_path, MAPPING.replace(old, new, 1), f"sqlite:///{file}")
    assert code == 1
    message = f"there is no column {column!r}, expected one of {COLUMNS}"
    assert capsys.readouterr().out == f"ours: cannot be read: {mapping}:{place}: {message}\n"


def test_an_empty_table_lacks_a_column_as_well(file: Path) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("DELETE FROM runs")
        owner.commit()
    with pytest.raises(Away, match=r"mapping.yml:13: .*: there is no column 't_finis'"):
        told(mapped(MAPPING.replace("t_finish", "t_finis"), f"sqlite:///{file}"))


def test_of_several_columns_one_is_enough_and_entries_have_fields_of_their_own(file: Path) -> None:
    either = MAPPING.replace("status: state", "status: {first: [status, state]}")
    assert told(mapped(either.replace("name: title", "name: {first: [nothing, title]}"), f"sqlite:///{file}"))


def test_while_serving_a_missing_column_is_a_source_that_cannot_be_read(
    file: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    of = mapped(MAPPING.replace("ended_at: t_finish", "ended_at: t_finis"), f"sqlite:///{file}")
    with reading(sqlite_url, of) as read:
        read.round()
        assert read.metric("source_up", source="ours") == 0
        assert read.statuses("n") == {}
    (line,) = [one for one in caplog.records if one.getMessage() == "a source cannot be read"]
    assert "mapping.yml:13: reads.0.emits.0.execution.ended_at: there is no column" in vars(line)["reason"]


def test_a_check_tells_runs_that_have_not_ended_and_words_without_a_meaning(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(tmp_path, MAPPING, f"sqlite:///{file}")[0] == 0
    printed = capsys.readouterr().out
    assert "    n: 1 succeeded\n    n: 3 running, not ended\n" in printed
    assert "    words that stand for no status, say by statuses what they mean: BROKEN (2)\n" in printed


MEANINGS = """statuses: {BROKEN: failed, Late: queued}
"""


@pytest.mark.parametrize(
    ("mapping", "counted"),
    [
        (MAPPING, {"BROKEN": 2}),
        (
            MAPPING.replace("status: state", "status: state\n          source_status: {constant: Oh}"),
            {"BROKEN": 2},
        ),
        (MAPPING + MEANINGS, {}),
        (
            MAPPING.replace(
                "status: state", "status: state\n          status_if_unknown: {constant: failed}"
            ),
            {},
        ),
    ],
    ids=["unmapped", "unmapped and shown by another word", "mapped", "any other word is mapped"],
)
def test_only_words_that_the_mapping_does_not_map_are_counted(
    file: Path, sqlite_url: str, mapping: str, counted: dict[str, int]
) -> None:
    with reading(sqlite_url, mapped(mapping, f"sqlite:///{file}")) as read:
        read.round()
        read.round()
        assert read.unmapped() == counted


@pytest.mark.parametrize("llm_emails", ["keep", "remove"])
def test_a_check_shows_no_secrets(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str], llm_emails: str
) -> None:
    shown = MAPPING.replace(
        "ended_at: t_finish", "ended_at: t_finish\n          parameters: details\n          progress: note"
    )
    with closing(sqlite3.connect(file)) as owner:
        details = json.dumps({"password": "hunter2hunter2", "to": "ada@example.org"})
        owner.execute("ALTER TABLE runs ADD COLUMN note")
        owner.execute("UPDATE runs SET details = ? WHERE id = 1", (details,))
        owner.execute("UPDATE runs SET note = 'token=abcdef123456' WHERE id = 4")
        owner.commit()
    (tmp_path / "m.yml").write_text(shown)
    (tmp_path / "exporter.yml").write_text(
        f"llm-emails: {llm_emails}\nsources: [{{name: ours, mapping: m.yml, url: 'sqlite:///{file}'}}]\n"
    )
    assert main(["sources", "check", "--show", "9", "--config", str(tmp_path / "exporter.yml")]) == 1
    printed = capsys.readouterr().out
    assert "hunter2" not in printed
    assert "abcdef123456" not in printed
    assert '"password":"[secret removed]"' in printed
    assert "    not understood: runs" in printed
    assert ("ada@example.org" in printed) is (llm_emails == "keep")


def test_a_word_with_a_meaning_is_no_trouble(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(tmp_path, MAPPING + "statuses: {BROKEN: failed}\n", f"sqlite:///{file}")[0] == 0
    printed = capsys.readouterr().out
    assert "words" not in printed
    assert "    n: 2 failed\n    n: 1 succeeded\n    n: 1 running, not ended\n" in printed
    assert "    ends without a time: 1, dated when they are first read, with a warning\n" in printed


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[str]:
    return [vars(one)["reason"] for one in caplog.records if one.getMessage() == message]


def rounds(read: Reading, number: int) -> None:
    for _ in range(number):
        read.round()


def test_while_serving_doubts_are_logged_once_in_a_while(
    file: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with reading(sqlite_url, mapped(MAPPING, f"sqlite:///{file}")) as read:
        rounds(read, 3)
    (reason,) = logged(caplog, "words that stand for no status")
    assert reason.startswith("runs: BROKEN: say by statuses")


def test_a_row_that_is_complained_of_is_logged_without_its_secrets(
    file: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "sk-proj-" + "a1B2" * 10
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("UPDATE runs SET t_start = ? WHERE id = 1", [f"key {secret}"])
        owner.commit()
    with reading(sqlite_url, mapped(MAPPING, f"sqlite:///{file}")) as read:
        rounds(read, 1)
    (reason,) = logged(caplog, "a row could not be understood")
    assert "expected a time, got 'key " in reason
    assert secret not in reason


@pytest.mark.parametrize("form", ["database", "lines"])
def test_an_end_without_a_time_bears_a_warning_that_says_so_once(
    form: str, file: Path, tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{file}"
    mapping = MAPPING + "statuses: {BROKEN: failed}\n"
    if form == "lines":
        row = {"id": 3, "name": "n", "state": "BROKEN", "t_start": 1767225600}
        (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
        mapping = mapping.replace("from: database", "from: folder").replace("    key: [id]\n", "")
        mapping = mapping.replace("table: runs", "files: '*.jsonl'\n    format: jsonl")
        url = str(tmp_path)
    of = mapped(mapping, url)
    (found,) = [one for one in told(of) if isinstance(one.payload, WarningRaised)]
    assert isinstance(found.payload, WarningRaised)
    assert (found.payload.execution, found.payload.code, found.time) == ("3", "end_without_time", READ_AT)
    with reading(sqlite_url, mapped(mapping, url)) as read:
        rounds(read, 2)
        assert read.statuses("n")["3"] == "failed"
    assert len(logged(caplog, "a source tells ends without a time")) == 1
