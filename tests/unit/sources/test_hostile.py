"""Databases that are locked, gone, changed, or hold what they should not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from exporter.domain.events import ExecutionFinished
from exporter.source_settings import SourceSetting
from exporter.sources.batch import ROWS, Away
from exporter.sources.cursor import Forgetful
from exporter.sources.database import BadUrl, Database
from exporter.sources.source import Source, opened
from tests.support.sources import READ_AT, mapped, problems, reading, told

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
          started_at: begun
          ended_at: ended
"""


def make(file: Path, rows: int = 3, *, wal: bool = False) -> None:
    with closing(sqlite3.connect(file)) as owner:
        if wal:
            owner.execute("PRAGMA journal_mode=WAL")
        owner.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, name, state, begun, ended)")
        owner.executemany(
            "INSERT INTO runs (name, state, begun, ended) VALUES ('n', 'done', ?, ?)",
            ((1767225600 + n, 1767225601 + n) for n in range(rows)),
        )
        owner.commit()


def make_more(file: Path, rows: int) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.executemany(
            "INSERT INTO runs (name, state, begun, ended) VALUES ('n', 'done', ?, ?)",
            ((1767225700 + n, 1767225701 + n) for n in range(rows)),
        )
        owner.commit()


def over(file: Path, *, name: str = "ours") -> Source:
    return mapped(MAPPING, f"sqlite:///{file}", name=name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    make(path)
    return path


def test_a_locked_database_is_away_and_read_when_it_is_free(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file)) as read, closing(sqlite3.connect(file)) as owner:
        owner.execute("BEGIN EXCLUSIVE")
        read.round()
        assert read.metric("source_up", source="ours") == 0
        assert read.metric("source_errors_total", source="ours", reason="away") == 1
        owner.rollback()
        read.round()
        assert read.metric("source_up", source="ours") == 1
        assert len(read.statuses("n")) == 3


def test_reading_takes_no_lock_that_stops_the_owner(file: Path) -> None:
    of = over(file)
    batches = of.reader.batches(Forgetful(), READ_AT)
    next(batches)
    # The reader holds rows in its hands and no transaction: the owner writes without waiting.
    with closing(sqlite3.connect(file, timeout=0)) as owner:
        owner.execute("BEGIN EXCLUSIVE")
        owner.execute("DELETE FROM runs")
        owner.commit()
    batches.close()  # type: ignore[attr-defined]
    of.reader.close()


def test_the_exporter_cannot_write_to_a_source(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    with pytest.raises(Away, match="readonly"), database.reading() as connection:
        connection.exec_driver_sql("DELETE FROM runs")
    database.close()


def test_the_exporter_cannot_write_to_a_postgresql_source(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as owner:
        owner.execute("CREATE TABLE runs (id INT)")
    database = Database(postgresql_url)
    with pytest.raises(Away, match="read-only transaction"), database.reading() as connection:
        connection.exec_driver_sql("DELETE FROM runs")
    database.close()


def test_a_postgresql_table_that_its_owner_locked_is_away_soon(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as owner:
        owner.execute("CREATE TABLE runs (id INT, name TEXT, state TEXT, begun FLOAT, ended FLOAT)")
        owner.commit()
        owner.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Away, match="lock timeout"):
            told(mapped(MAPPING, postgresql_url))
        owner.rollback()


def test_a_file_that_was_deleted_is_away_and_its_runs_stay(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file)) as read:
        read.round()
        file.unlink()
        read.round()
        assert read.metric("source_up", source="ours") == 0
        assert len(read.statuses("n")) == 3


def test_a_database_that_was_made_anew_is_read_from_its_beginning(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file)) as read:
        read.round()
        file.unlink()
        make(file, rows=1)
        with closing(sqlite3.connect(file)) as owner:
            owner.execute("UPDATE runs SET name = 'other'")
            owner.commit()
        read.round(seconds=600)
        read.round()
        assert read.statuses("other") == {"1": "succeeded"}


def test_a_changed_schema_is_away_and_others_go_on(file: Path, tmp_path: Path, sqlite_url: str) -> None:
    good = tmp_path / "good.db"
    make(good)
    with reading(sqlite_url, over(file), over(good, name="good")) as read:
        read.round()
        with closing(sqlite3.connect(file)) as owner:
            owner.execute("ALTER TABLE runs RENAME TO walks")
        with closing(sqlite3.connect(good)) as owner:
            owner.execute("INSERT INTO runs VALUES (9, 'm', 'failed', 1767225600, 1767225601)")
            owner.commit()
        waits = read.round()
        assert read.metric("source_up", source="ours") == 0
        assert read.metric("source_up", source="good") == 1
        assert read.statuses("m") == {"9": "failed"}
        assert waits == [15.0, 15.0]
        assert read.round()[0] == 30.0
        assert read.round()[0] == 60.0


def test_a_column_that_went_while_serving_makes_the_source_unreadable(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, over(file)) as read:
        read.round()
        assert read.metric("source_up", source="ours") == 1
        with closing(sqlite3.connect(file)) as owner:
            owner.execute("ALTER TABLE runs RENAME COLUMN state TO stand")
            owner.execute("INSERT INTO runs (name, stand) VALUES ('n', 'done')")
            owner.commit()
        read.round()
        assert read.metric("source_up", source="ours") == 0
        assert read.metric("source_errors_total", source="ours", reason="away") == 1


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("begun", "banana", "started_at: expected a time"),
        ("begun", 5, "started_at: expected a time between 2000 and 2100"),
        ("ended", b"\x00\xff", "ended_at: expected a time"),
        ("ended", 1e300, "ended_at: expected a time"),
        ("ended", "2099-01-01T00:00:00Z", "expected a time at most a day ahead"),
        ("name", None, "pipeline: there is nothing"),
        ("name", "", "pipeline: there is nothing"),
        ("state", None, "status: there is nothing"),
    ],
)
def test_a_row_of_the_wrong_type_is_named_and_costs_only_itself(
    file: Path, sqlite_url: str, column: str, value: object, message: str
) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute(f"UPDATE runs SET {column} = ? WHERE id = 2", (value,))  # noqa: S608 - the test's own
        owner.commit()
    (problem,) = problems(over(file))
    assert problem.startswith(f"runs 2: execution: {message}")
    with reading(sqlite_url, over(file)) as read:
        read.round()
        assert read.statuses("n") == {"1": "succeeded", "3": "succeeded"}
        assert read.metric("source_errors_total", source="ours", reason="row") == 1
        assert read.metric("source_up", source="ours") == 1


@pytest.mark.parametrize(
    "name", ["a\x00b", "a\nb", "x" * 5000, "\ud800".encode("utf-8", "replace").decode(), "🚀"]
)
def test_strange_names_are_taken(file: Path, sqlite_url: str, name: str) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("UPDATE runs SET name = ?", (name,))
        owner.commit()
    with reading(sqlite_url, over(file)) as read:
        read.round()
        assert read.count() == 6


def test_an_unknown_status_is_kept_as_a_word_and_open(file: Path, sqlite_url: str) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("UPDATE runs SET state = 'perhaps' WHERE id = 2")
        owner.commit()
        with reading(sqlite_url, over(file)) as read:
            read.round()
            assert read.statuses("n")["2"] == "running"
            owner.execute("UPDATE runs SET state = 'failed' WHERE id = 2")
            owner.commit()
            read.round()
            assert read.statuses("n")["2"] == "failed"


def test_a_source_says_of_which_zone_times_without_one_are(file: Path) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("UPDATE runs SET ended = '2026-01-01 00:10:00', begun = '2025-07-01T00:00:00Z'")
        owner.commit()
    (file.parent / "m.yml").write_text(MAPPING)
    setting = SourceSetting(
        name="ours",
        mapping=str(file.parent / "m.yml"),
        url=f"sqlite:///{file}",
        timezone="Asia/Kathmandu",
    )
    (ended,) = {event.time for event in told(opened(setting)) if isinstance(event.payload, ExecutionFinished)}
    assert ended == datetime(2025, 12, 31, 18, 25, tzinfo=UTC)


def test_an_end_before_its_start_is_an_end(file: Path, sqlite_url: str) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("UPDATE runs SET begun = ended + 5 WHERE id = 2")
        owner.commit()
    with reading(sqlite_url, over(file)) as read:
        read.round()
        assert read.statuses("n")["2"] == "succeeded"


def test_what_is_no_database_is_away(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(os.urandom(5000))
    with pytest.raises(Away, match="not a database"):
        told(over(tmp_path / "state.db"))


def test_many_rows_are_never_held_together(tmp_path: Path) -> None:
    file = tmp_path / "many.db"
    make(file, rows=5 * ROWS + 1, wal=True)
    of = over(file)
    sizes, done = zip(
        *((batch.rows, batch.done) for batch in of.reader.batches(Forgetful(), READ_AT)), strict=True
    )
    of.reader.close()
    assert sizes == (ROWS,) * 5 + (1,)
    assert done[0] is None
    assert done[-1] == 1.0
    assert list(done[1:]) == sorted(done[1:])


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "oracledb://x", "mysql+mysqldb://u@h/d"])
def test_a_url_that_cannot_be_read_from_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(BadUrl) as told:
        Database(url)
    assert "\n" not in str(told.value)


def test_a_source_whose_rows_meet_a_defect_stops_no_other(
    file: Path, tmp_path: Path, sqlite_url: str
) -> None:
    good = tmp_path / "good.db"
    make(good)
    broken = over(file)

    def fail(*_: object) -> Iterator[None]:
        raise RuntimeError("a defect")

    broken.reader.batches = fail  # type: ignore[method-assign,assignment]
    with reading(sqlite_url, broken, over(good, name="good")) as read:
        read.round()
        assert read.metric("source_errors_total", source="ours", reason="defect") == 1
        assert read.metric("source_up", source="good") == 1


CHANGED = MAPPING.replace("    key: [id]\n", "    key: [name, id]\n    changed: ended\n")


def test_the_first_reading_goes_by_key_and_never_through_all_rows_for_a_page(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_more(file, rows=3 * ROWS)
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("CREATE INDEX by_name ON runs (name, id)")
        open_ = Database._open

        def traced(self: Database) -> sqlite3.Connection:
            connection = open_(self)
            connection.set_trace_callback(statements.append)
            return connection

        statements: list[str] = []
        plans: list[str] = []
        monkeypatch.setattr(Database, "_open", traced)
        found = told(mapped(CHANGED, f"sqlite:///{file}"))
        for statement in statements:
            if "ORDER BY" in statement:
                plans += [row[3] for row in owner.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert len(found) == 2 * (3 * ROWS + 3)
    assert len(plans) >= 4
    assert all("USING INDEX by_name" in plan for plan in plans)
    assert not any("TEMP B-TREE" in plan for plan in plans)


def test_what_changes_during_the_first_reading_is_seen(file: Path, sqlite_url: str) -> None:
    make_more(file, rows=ROWS)
    with reading(sqlite_url, mapped(CHANGED, f"sqlite:///{file}")) as read:
        with closing(read.loops[0].source.reader.batches(Forgetful(), READ_AT)) as batches:  # type: ignore[type-var]
            next(batches)
        memory = read.loops[0]._memory
        batches = read.loops[0].source.reader.batches(memory, READ_AT)
        read.loops[0]._take(next(batches))
        with closing(sqlite3.connect(file)) as owner:
            owner.execute("UPDATE runs SET state = 'failed', ended = ended + 9999 WHERE id = 1")
            owner.commit()
        for batch in batches:
            read.loops[0]._take(batch)
        read.round()
        assert read.statuses("n")["1"] == "failed"
        assert len(read.statuses("n")) == ROWS + 3


def test_the_first_reading_goes_on_where_it_was_left(file: Path, sqlite_url: str) -> None:
    make_more(file, rows=2 * ROWS)
    with reading(sqlite_url, mapped(CHANGED, f"sqlite:///{file}")) as read:
        batches = read.loops[0].source.reader.batches(read.loops[0]._memory, READ_AT)
        for _ in range(2):
            read.loops[0]._take(next(batches))
        batches.close()  # type: ignore[attr-defined]
    with reading(sqlite_url, mapped(CHANGED, f"sqlite:///{file}")) as read:
        read.round()
        assert read.metric("source_rows_total", source="ours") == ROWS + 3
        assert len(read.statuses("n")) == 2 * ROWS + 3


def test_large_rows_are_never_held_together(file: Path) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("ALTER TABLE runs ADD COLUMN log")
        owner.execute("UPDATE runs SET log = zeroblob(9000000)")
        owner.commit()
    of = over(file)
    assert [batch.rows for batch in of.reader.batches(Forgetful(), READ_AT)] == [2, 1]
    of.reader.close()


def test_large_rows_that_had_not_ended_are_all_read_again(file: Path, sqlite_url: str) -> None:
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("ALTER TABLE runs ADD COLUMN log")
        owner.execute("UPDATE runs SET log = zeroblob(9000000), state = 'running'")
        owner.commit()
        with reading(sqlite_url, over(file)) as read:
            read.round()
            assert set(read.statuses("n").values()) == {"running"}
            owner.execute("UPDATE runs SET state = 'done'")
            owner.commit()
            read.round()
            assert read.statuses("n") == {"1": "succeeded", "2": "succeeded", "3": "succeeded"}
            assert read.position("runs")["open"] == []


def test_how_far_it_is_is_told_of_keys_that_are_no_numbers_too(file: Path) -> None:
    make_more(file, rows=3 * ROWS)
    with closing(sqlite3.connect(file)) as owner:
        owner.execute("UPDATE runs SET id = -id")
        owner.execute("ALTER TABLE runs RENAME COLUMN id TO number")
        owner.execute("ALTER TABLE runs ADD COLUMN id")
        owner.execute("UPDATE runs SET id = 'run-' || number")
        owner.commit()
    of = over(file)
    done = [batch.done for batch in of.reader.batches(Forgetful(), READ_AT)]
    of.reader.close()
    assert done[0] is None
    assert done[1:] == [pytest.approx(n * ROWS / (3 * ROWS + 3), abs=0.01) for n in (2, 3)] + [1.0]
