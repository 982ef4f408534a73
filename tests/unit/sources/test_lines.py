"""Files that lines are added to: read once, whole, and on from where they were left."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.sources import line_reader, lines
from exporter.sources.cursor import Forgetful
from exporter.sources.source import Source
from tests.support.sources import READ_AT, Reading, mapped, problems, reading, told

LINES = """system: lines
reads_from: folder
reads:
  - name: runs
    files: "*.jsonl"
    format: jsonl
    emits:
      - has: [state]
        execution: {pipeline: name, execution: id, status: state, at: at}
      - has: [table]
        stream: {pipeline: name, stream: table, operation: {constant: insert}, time: at}
"""
ROTATED = LINES.replace('"*.jsonl"', '"events.jsonl*"')


def line(number: int, state: str = "done") -> str:
    return json.dumps({"id": number, "name": "n", "state": state, "at": 1767225600 + number}) + "\n"


def over(folder: Path, text: str = LINES) -> Source:
    return mapped(text, str(folder))


def runs(read: Reading) -> list[int]:
    return sorted(int(one) for one in read.statuses("n"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "events.jsonl"
    path.write_text(line(1) + line(2))
    return path


def test_only_what_was_added_is_read(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
        assert read.metric("source_rows_total", source="ours") == 2
        with file.open("a") as opened:
            opened.write(line(3, "failed"))
        read.round()
        read.round()
        assert read.metric("source_rows_total", source="ours") == 3
        assert read.statuses("n") == {"1": "succeeded", "2": "succeeded", "3": "failed"}


def test_a_line_that_is_being_written_is_read_once_it_is_whole(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file.parent)) as read, file.open("a") as opened:
        for part in (line(3)[:10], line(3)[10:-1], "\n" + line(4)[:20]):
            opened.write(part)
            opened.flush()
            read.round()
            assert read.metric("source_errors_total", source="ours", reason="row") == 0
        assert runs(read) == [1, 2, 3]
        assert read.metric("source_rows_total", source="ours") == 3


def test_the_position_survives_a_restart(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
    with file.open("a") as opened:
        opened.write(line(3))
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
        assert runs(read) == [1, 2, 3]
        assert read.metric("source_rows_total", source="ours") == 1


def test_a_lost_position_counts_nothing_twice(file: Path, sqlite_url: str) -> None:
    file.write_text('{"name": "n", "table": "t", "at": 1767225600}\n' * 5)
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
        read.forget()
        read.loops[0].source._sent.clear()
        read.round()
        # Five lines in the same words are five insertions.
        assert read.count() == 5


@pytest.mark.parametrize("text", [LINES, ROTATED])
@pytest.mark.parametrize("way", ["renamed", "copied", "packed"])
def test_a_file_that_was_rotated_is_read_to_its_end(file: Path, sqlite_url: str, text: str, way: str) -> None:
    if way == "packed" and text == ROTATED:
        text = ROTATED.replace("events.jsonl*", "events.json[l]")
    with reading(sqlite_url, over(file.parent, text)) as read:
        read.round()
        with file.open("a") as opened:
            opened.write(line(3))
        if way == "renamed":
            file.rename(file.with_name("events.jsonl.1"))
        elif way == "copied":
            shutil.copy(file, file.with_name("events.jsonl.1"))
        else:
            file.with_name("events.jsonl.1.gz").write_bytes(gzip.compress(file.read_bytes()))
        # The new one is longer than the old one was.
        file.write_text("".join(line(number) for number in range(4, 10)))
        read.round()
        assert runs(read) == list(range(1, 10))
        read.round()
        assert read.metric("source_rows_total", source="ours") == 9


def test_a_writer_that_goes_on_in_the_moved_file_is_followed(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file.parent)) as read, file.open("a") as writer:
        read.round()
        file.rename(file.with_name("events.jsonl.1"))
        file.write_text("")
        read.round()
        writer.write(line(3))
        writer.flush()
        file.write_text(line(4))
        read.round()
        assert runs(read) == [1, 2, 3, 4]


def test_files_that_are_moved_on_again_and_again_are_read_once(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file.parent, ROTATED)) as read:
        for turn in range(4):
            read.round()
            for number in (3, 2, 1):
                older = file.with_name(f"events.jsonl.{number}")
                if older.exists():
                    older.rename(file.with_name(f"events.jsonl.{number + 1}"))
            file.rename(file.with_name("events.jsonl.1"))
            file.write_text(line(10 * turn + 11) + line(10 * turn + 12))
        read.round()
        assert runs(read) == [1, 2, 11, 12, 21, 22, 31, 32, 41, 42]
        assert read.metric("source_rows_total", source="ours") == 10


def test_files_that_begin_with_the_same_line_are_different_files(file: Path, sqlite_url: str) -> None:
    begin = '{"name": "n", "table": "begin", "at": 1767225600}\n'
    file.write_text(begin)
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
        file.write_text(begin + line(1))
        file.with_name("more.jsonl").write_text(begin + line(2) + line(3))
        read.round()
        assert runs(read) == [1, 2, 3]


def test_a_file_that_began_anew_and_outgrew_the_old_one_is_read_whole(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
        file.write_text("".join(line(number) for number in range(5, 50)))
        read.round()
        assert runs(read) == [1, 2, *range(5, 50)]


def test_a_file_moved_long_ago_is_looked_at_no_more(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
        moved = file.with_name("events.jsonl.1")
        file.rename(moved)
        file.write_text(line(3))
        old = (READ_AT - line_reader.FOLLOWED - timedelta(minutes=5)).timestamp()
        os.utime(moved, (old, old))
        read.round()
        read.round()
        kept = read.position("runs")["seen"]
        assert list(kept) == ["events.jsonl"]


def test_what_is_no_line_of_json_is_named_by_file_and_place(file: Path, sqlite_url: str) -> None:
    good = line(3).encode()
    bad = [b"banana\n", b"\xff\xfe\n", b"[[[[\n", b"[5]\n", b'{"name": "n", "state": "done"}\n']
    first = b"\xef\xbb\xbf" + line(1).encode() + b"\r\n\n\0\0\0"
    file.write_bytes(first + b"".join(bad) + good)
    found = problems(over(file.parent))
    assert found[0].startswith(f"events.jsonl at byte {len(first) - 3}: not JSON: ")
    assert [problem.split(": ")[1] for problem in found] == [
        "not JSON",
        "not JSON",
        "not JSON",
        "expected an object",
        "execution",
    ]
    with reading(sqlite_url, over(file.parent)) as read:
        read.round()
        assert runs(read) == [1, 3]
        assert read.metric("source_up", source="ours") == 1


def test_a_line_that_is_too_long_is_passed_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_BYTES", 1000)
    file.write_text(line(1) + '{"a": "' + "x" * 5000 + '"}\n' + line(2))
    assert problems(over(file.parent)) == [
        f"events.jsonl at byte {len(line(1))}: a line of more than 1000 bytes"
    ]
    assert len(told(over(file.parent))) == 2


def test_many_lines_are_never_held_together(file: Path) -> None:
    file.write_text("".join(line(number) for number in range(3500)))
    of = over(file.parent)
    batches = [(batch.rows, batch.done) for batch in of.reader.batches(Forgetful(), READ_AT)]
    assert [rows for rows, _ in batches] == [1000, 1000, 1000, 500]
    assert batches[0][1] == pytest.approx(1000 / 3500, abs=0.01)
    assert batches[-1][1] == 1.0


def test_long_lines_are_never_held_together(file: Path) -> None:
    text = json.dumps({"id": 1, "name": "n", "state": "done", "x": "y" * 1_000_000}) + "\n"
    file.write_text(text * 9)
    of = over(file.parent)
    assert [batch.rows for batch in of.reader.batches(Forgetful(), READ_AT)] == [5, 4]


def test_a_single_file_may_be_named(file: Path, sqlite_url: str) -> None:
    file.with_name("other.jsonl").write_text(line(7))
    with reading(sqlite_url, over(file)) as read:
        read.round()
        assert runs(read) == [1, 2]
        assert read.metric("source_up", source="ours") == 1


def test_a_file_that_may_not_be_read_is_named_and_others_are_read(file: Path, sqlite_url: str) -> None:
    file.with_name("broken.jsonl.gz").write_bytes(b"no gzip")
    with reading(sqlite_url, over(file.parent, LINES.replace("*.jsonl", "*.jsonl*"))) as read:
        read.round()
        assert runs(read) == [1, 2]
        assert read.metric("source_errors_total", source="ours", reason="row") == 1


def test_a_line_that_says_that_a_run_runs_is_no_sign_of_life_now(file: Path) -> None:
    file.write_text(line(1, "running"))
    assert [event.payload.type for event in told(over(file.parent))] == ["pipeline.execution.started"]
