"""A state database on MariaDB, a real server: read-only, incremental, with its own kinds of values."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pymysql
import pytest

from exporter.domain import events as e
from exporter.sources.batch import ROWS, Away
from exporter.sources.database import BadUrl, Database
from tests.support.mariadb import MariaDB
from tests.support.sources import mapped, problems, reading, told

MAPPING = """system: batches
reads_from: database
reads:
  - name: runs
    table: runs
    key: [id]
    changed: updated_at
    emits:
      - execution:
          pipeline: name
          execution: id
          status: state
          queued_at: created_at
          started_at: begun
          ended_at: ended
          duration_seconds: took
          at: updated_at
          parameters: settings
          labels: {host: settings.host}
          error: {message: error}
"""
TABLE = """CREATE TABLE runs (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64) NOT NULL,
  state ENUM('waiting', 'running', 'done', 'boom'),
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  begun DATETIME NULL, ended DATETIME NULL, took TIME NULL,
  updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  settings JSON, error TEXT, cost DECIMAL(10, 2), KEY (updated_at, id))"""


@pytest.fixture(autouse=True)
def owner(mariadb: MariaDB) -> Iterator[pymysql.cursors.Cursor]:
    """A session of the database's owner, at a table with three runs."""
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE DATABASE state CHARACTER SET utf8mb4")
        cursor.execute("USE state")
        cursor.execute("SET time_zone = '+02:00', sql_mode = ''")
        cursor.execute(TABLE)
        cursor.execute(
            "INSERT INTO runs (name, state, created_at, begun, ended, took, updated_at, settings, error) VALUES"
            " ('n', 'done', '2026-01-01 02:00:00.5', '2026-01-01 00:00:01', '2026-01-01 00:00:11', NULL,"
            " '2026-01-01 02:00:11', '{\"host\": \"a🚀\"}', NULL),"
            " ('n', 'boom', '2026-01-01 02:00:00', '2026-01-01 00:00:01', NULL, '00:01:40',"
            " '2026-01-01 02:00:12', NULL, 'no disk'),"
            " ('n', 'running', '2026-01-01 02:00:00', '2026-01-01 00:00:01', '0000-00-00 00:00:00', NULL,"
            " '2026-01-01 02:00:13', NULL, NULL)"
        )
        yield cursor


def test_rows_are_read_with_their_times(mariadb: MariaDB) -> None:
    assert problems(mapped(MAPPING, mariadb.url("state"))) == []
    found = told(mapped(MAPPING, mariadb.url("state")))
    ends = {
        one.payload.execution: (one.payload, one.time)
        for one in found
        if isinstance(one.payload, e.ExecutionFinished)
    }
    good, ended = ends["1"]
    assert good.status == "succeeded"
    # TIMESTAMP is an instant, whatever the zones of the server and its writers; DATETIME has no zone.
    assert good.queued_at == datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert good.started_at == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert ended == datetime(2026, 1, 1, 0, 0, 11, tzinfo=UTC)
    assert good.labels == {"host": "a🚀"}
    bad, ended = ends["2"]
    assert bad.error is not None
    assert (bad.status, bad.error.message) == ("failed", "no disk")
    assert ended == datetime(2026, 1, 1, 0, 1, 41, tzinfo=UTC)


def test_times_without_a_zone_are_of_the_sources(mariadb: MariaDB) -> None:
    zone = MAPPING.replace("reads_from", "timezone: Europe/Berlin\nreads_from")
    starts = {
        one.payload.execution: one.payload
        for one in told(mapped(zone, mariadb.url("state")))
        if isinstance(one.payload, e.ExecutionFinished)
    }
    assert starts["2"].started_at == datetime(2025, 12, 31, 23, 0, 1, tzinfo=UTC)


def test_rows_that_are_added_or_changed_later_are_seen(
    mariadb: MariaDB, owner: pymysql.cursors.Cursor, sqlite_url: str
) -> None:
    with reading(sqlite_url, mapped(MAPPING, mariadb.url("state"))) as read:
        read.round()
        assert read.statuses("n") == {"1": "succeeded", "2": "failed", "3": "running"}
        owner.execute("UPDATE runs SET state = 'done', ended = '2026-01-01 00:00:14' WHERE id = 3")
        # An ended row that is changed after all, and a new one.
        owner.execute("UPDATE runs SET state = 'done', ended = '2026-01-01 00:02:00' WHERE id = 2")
        owner.execute("INSERT INTO runs (name, state, begun) VALUES ('n', 'waiting', NULL)")
        read.round()
        assert read.statuses("n") == {"1": "succeeded", "2": "succeeded", "3": "succeeded", "4": "queued"}
        events = read.count(without=["pipeline.execution.heartbeat"])
        read.round()
        assert read.count(without=["pipeline.execution.heartbeat"]) == events
        assert read.metric("source_up", source="ours") == 1


def test_many_rows_are_read_in_pages(
    mariadb: MariaDB, owner: pymysql.cursors.Cursor, sqlite_url: str
) -> None:
    owner.execute(
        "INSERT INTO runs (name, state, begun, ended, updated_at) SELECT 'many', 'done', '2026-01-02 00:00:00',"
        " '2026-01-02 00:00:01', '2026-01-02 00:00:02' FROM seq_1_to_3000"
    )
    with reading(sqlite_url, mapped(MAPPING, mariadb.url("state"))) as read:
        read.round()
        assert len(read.statuses("many")) == 3000 > 2 * ROWS


def test_a_session_can_only_read(mariadb: MariaDB, owner: pymysql.cursors.Cursor) -> None:
    database = Database(mariadb.url("state"))
    for _ in range(2):
        with pytest.raises(Away, match="READ ONLY transaction"), database.reading() as connection:
            connection.exec_driver_sql("DELETE FROM runs")
    with database.reading() as connection:
        limits = connection.exec_driver_sql(
            "SELECT @@max_statement_time, @@lock_wait_timeout, @@innodb_lock_wait_timeout, @@time_zone"
        ).one()
    assert [str(limit) for limit in limits] == ["15.0", "1", "1", "+00:00"]
    database.close()
    owner.execute("SELECT COUNT(*) FROM runs")
    assert owner.fetchone() == (3,)


def test_a_table_that_its_owner_locked_is_away_soon(mariadb: MariaDB, owner: pymysql.cursors.Cursor) -> None:
    owner.execute("LOCK TABLES runs WRITE")
    with pytest.raises(Away, match="Lock wait timeout exceeded"):
        told(mapped(MAPPING, mariadb.url("state")))
    owner.execute("UNLOCK TABLES")


def test_reading_holds_no_lock_that_stops_the_owner(
    mariadb: MariaDB, owner: pymysql.cursors.Cursor, sqlite_url: str
) -> None:
    with reading(sqlite_url, mapped(MAPPING, mariadb.url("state"))) as read:
        read.round()
        # The pool still has its connection: an open transaction would stop this.
        owner.execute("SET lock_wait_timeout = 1")
        owner.execute("ALTER TABLE runs ADD COLUMN more INT")


def test_a_table_or_a_server_that_is_gone_is_named(mariadb: MariaDB, owner: pymysql.cursors.Cursor) -> None:
    owner.execute("DROP TABLE runs")
    with pytest.raises(Away, match=r"^Table 'state\.runs' doesn't exist$"):
        told(mapped(MAPPING, mariadb.url("state")))
    with pytest.raises(Away, match=r"^Can't connect to MySQL server on '127\.0\.0\.1'"):
        told(mapped(MAPPING, "mysql://root@127.0.0.1:1/state"))


def test_a_missing_driver_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def without(name: str, *told: object, **more: object) -> object:
        if name.partition(".")[0] == "pymysql":
            raise ModuleNotFoundError("No module named 'pymysql'", name="pymysql")
        return import_(name, *told, **more)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.partition(".")[0] == "pymysql"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        BadUrl, match=r"^mysql needs the package pymysql: pip install 'pipeline-exporter\[mysql\]'$"
    ):
        Database("mysql://root@127.0.0.1/state")
