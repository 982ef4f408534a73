"""What a hostile viewer can post through the reader's role, tried on a real PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest
import requests
from psycopg import errors
from psycopg.sql import SQL, Identifier

from exporter.store.engine import BadDatabase, open_engine
from exporter.store.migrate import migrate
from exporter.store.reader import ReaderWatch
from tests.support.exporter import StartExporter
from tests.support.panels import EXPORTER, Attack, Session, make_reader, prepare, session
from tests.support.postgresql import PostgreSQL
from tests.support.program import wait_for
from tests.support.runs import failed_run
from tests.support.stored import stored
from tests.support.tools import tool

VIEWS = {
    "executions", "stages", "errors", "logs", "warnings", "artifacts", "llm_calls", "resources", "pipelines",
    "pipeline_stages",
}  # fmt: skip


def unlocked(reader: Session) -> Session:
    """A session that has lifted its own limits: what every attack begins with."""
    reader.execute(
        "SET default_transaction_read_only = off; SET statement_timeout = 0; SET lock_timeout = 0; "
        "SET idle_in_transaction_session_timeout = 0"
    )
    return reader


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server whose roles are this module's own."""
    with ExitStack() as stack:
        server = PostgreSQL()
        stack.callback(server.close)
        server.start()
        yield server


@pytest.fixture(scope="module")
def database(server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with an execution in it."""
    url = prepare(server, tmp_path_factory.mktemp("reader"))
    with stored(url) as store:
        store.put(*failed_run())
    return url


class Watched:
    """A watch that ends what lasts longer than so many seconds, and how often it did."""

    def __init__(self, url: str, seconds: float = 0.3, idle_seconds: float = 600) -> None:
        self.number = 0
        self.engine = open_engine(url)
        self.watch = ReaderWatch(
            self.engine, self._ended, self._failed, most_seconds=seconds, most_idle_seconds=idle_seconds
        )
        self.watch.look()

    def _ended(self) -> None:
        self.number += 1

    def _failed(self, task: str, reason: str) -> None:
        raise AssertionError(f"{task}: {reason}")

    def has_ended(self) -> bool:
        """Looks; whether it has ended anything so far."""
        self.watch.look()
        return self.number > 0

    def ends(self, attack: Attack) -> bool:
        """Looks until an attack is over."""
        self.watch.look()
        return attack.over()


@pytest.fixture
def watched(database: str) -> Iterator[Watched]:
    found = Watched(database)
    yield found
    found.engine.dispose()


def test_the_reader_sees_the_views_and_no_table(database: str) -> None:
    with session(database) as reader:
        rows = reader.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind = ANY ('{r,v,m,S,f,p}') "
            "AND has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')"
        ).fetchall()
        assert {name for _, name in rows} == VIEWS
        assert {schema for schema, _ in rows} == {"pipelines"}
        assert reader.execute("SELECT status FROM executions").fetchall() == [("failed",)]


def test_the_role_has_no_attribute_and_starts_with_limits(database: str) -> None:
    with session(database) as reader:
        attributes = reader.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconnlimit "
            "FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert attributes == (False, False, False, False, False, 12)
        for name, value in {
            "default_transaction_read_only": "on",
            "statement_timeout": "8s",
            "lock_timeout": "2s",
            "idle_in_transaction_session_timeout": "5s",
            "work_mem": "16MB",
            "temp_file_limit": "256MB",
            "search_path": "pipelines",
        }.items():
            assert reader.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)


REFUSED: dict[LiteralString, type[psycopg.Error]] = {
    "SELECT * FROM public.executions": errors.InsufficientPrivilege,
    "SELECT body FROM public.events": errors.InsufficientPrivilege,
    "SELECT * FROM pg_authid": errors.InsufficientPrivilege,
    "SELECT rolpassword FROM pg_shadow": errors.UndefinedColumn,
    "SELECT passwd FROM pg_shadow": errors.InsufficientPrivilege,
    "SELECT pg_read_file('/etc/passwd')": errors.InsufficientPrivilege,
    "SELECT pg_read_binary_file('/etc/passwd')": errors.InsufficientPrivilege,
    "SELECT pg_ls_dir('/')": errors.InsufficientPrivilege,
    "SELECT pg_stat_file('/etc/passwd')": errors.InsufficientPrivilege,
    "SELECT * FROM pg_hba_file_rules": errors.InsufficientPrivilege,
    "COPY (SELECT 1) TO '/tmp/reader'": errors.InsufficientPrivilege,
    "COPY (SELECT 1) TO PROGRAM 'true'": errors.InsufficientPrivilege,
    "CREATE TEMP TABLE t (a text); COPY t FROM PROGRAM 'id'": errors.InsufficientPrivilege,
    "SELECT lo_import('/etc/passwd')": errors.InsufficientPrivilege,
    "SELECT lo_create(0)": errors.InsufficientPrivilege,
    "SELECT lo_creat(-1)": errors.InsufficientPrivilege,
    "SELECT lo_from_bytea(0, 'x')": errors.InsufficientPrivilege,
    "SELECT lo_export(1, '/tmp/reader')": errors.InsufficientPrivilege,
    "SELECT dblink('host=127.0.0.1', 'SELECT 1')": errors.UndefinedFunction,
    "CREATE EXTENSION dblink": errors.InsufficientPrivilege,
    "CREATE EXTENSION postgres_fdw": errors.InsufficientPrivilege,
    "CREATE EXTENSION hstore": errors.InsufficientPrivilege,
    "CREATE TEMP TABLE t AS SELECT 1": errors.InsufficientPrivilege,
    "CREATE TABLE pipelines.t (a int)": errors.InsufficientPrivilege,
    "CREATE TABLE public.t (a int)": errors.InsufficientPrivilege,
    "CREATE SCHEMA mine": errors.InsufficientPrivilege,
    "CREATE FUNCTION pipelines.f() RETURNS int LANGUAGE sql AS 'SELECT 1'": errors.InsufficientPrivilege,
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'": errors.InsufficientPrivilege,
    "INSERT INTO executions (id) VALUES ('x')": errors.ObjectNotInPrerequisiteState,
    "UPDATE errors SET message = 'x'": errors.ObjectNotInPrerequisiteState,
    "DELETE FROM logs": errors.ObjectNotInPrerequisiteState,
    "TRUNCATE public.executions": errors.InsufficientPrivilege,
    "DROP VIEW executions": errors.InsufficientPrivilege,
    "SELECT id FROM errors FOR UPDATE": errors.InsufficientPrivilege,
    "BEGIN; LOCK TABLE errors IN EXCLUSIVE MODE": errors.InsufficientPrivilege,
    "SELECT pg_advisory_lock(7016996765)": errors.InsufficientPrivilege,
    "SELECT pg_try_advisory_lock_shared(1, 2)": errors.InsufficientPrivilege,
    "SELECT pg_advisory_xact_lock(1)": errors.InsufficientPrivilege,
    "SELECT pg_logical_emit_message(false, 'x', repeat('x', 100000000))": errors.InsufficientPrivilege,
    "SELECT pg_notify('x', 'y')": errors.InsufficientPrivilege,
    "SELECT pg_export_snapshot()": errors.InsufficientPrivilege,
    "SET ROLE plain_exporter": errors.InsufficientPrivilege,
    "SET SESSION AUTHORIZATION postgres": errors.InsufficientPrivilege,
    "ALTER SYSTEM SET work_mem = '1GB'": errors.InsufficientPrivilege,
    "SET temp_file_limit = -1": errors.InsufficientPrivilege,
    "SELECT set_config('temp_file_limit', '-1', false)": errors.InsufficientPrivilege,
    "ALTER ROLE grafana_reader SET temp_file_limit = -1": errors.InsufficientPrivilege,
    "ALTER ROLE grafana_reader CONNECTION LIMIT -1": errors.InsufficientPrivilege,
    "ALTER ROLE plain_exporter PASSWORD 'x'": errors.InsufficientPrivilege,
    "ALTER ROLE plain_exporter SET search_path = pg_catalog": errors.InsufficientPrivilege,
    "COMMENT ON ROLE grafana_reader IS '{\"settings\": []}'": errors.InsufficientPrivilege,
    "CREATE ROLE another": errors.InsufficientPrivilege,
    "GRANT plain_exporter TO grafana_reader": errors.InsufficientPrivilege,
    "SELECT pg_reload_conf()": errors.InsufficientPrivilege,
    "SELECT pg_stat_reset()": errors.InsufficientPrivilege,
    "SELECT pg_create_physical_replication_slot('x')": errors.InsufficientPrivilege,
    "CREATE PUBLICATION p FOR ALL TABLES": errors.InsufficientPrivilege,
    "CHECKPOINT": errors.InsufficientPrivilege,
    "BEGIN; PREPARE TRANSACTION 'x'": errors.ObjectNotInPrerequisiteState,
    "DO $$ BEGIN END $$": errors.InsufficientPrivilege,
    "SET log_min_messages = 'log'": errors.InsufficientPrivilege,
    "ALTER ROLE grafana_reader RESET log_min_messages": errors.InsufficientPrivilege,
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_the_role_has_no_right_to_is_refused(database: str, statement: LiteralString) -> None:
    with session(database) as reader:
        unlocked(reader)
        with pytest.raises(REFUSED[statement]):
            reader.execute(statement)


def test_sessions_of_others_are_alive_after_all_that(database: str) -> None:
    with session(database, EXPORTER) as other, session(database) as reader:
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute("SELECT pg_terminate_backend(%s::int)", [other.info.backend_pid])
        assert other.execute("SELECT 1").fetchone() == (1,)


LASTING: list[LiteralString] = [
    "SELECT pg_sleep(600)",
    "SELECT count(*) FROM generate_series(1, 100000000000)",
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    "SET work_mem = '512MB'; SELECT i, random() FROM generate_series(1, 100000000) i ORDER BY 2",
    "SELECT repeat('a', 30) ~ '(a*)*(a*)*(a*)*(a*)*b', pg_sleep(600)",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
]


@pytest.mark.parametrize("statement", LASTING)
def test_what_lasts_is_ended(database: str, watched: Watched, statement: LiteralString) -> None:
    with session(database) as reader:
        attack = Attack(unlocked(reader), statement)
        wait_for(lambda: watched.ends(attack), "the attack is ended")
        assert isinstance(
            attack.error, (errors.AdminShutdown, errors.DiskFull, errors.ConfigurationLimitExceeded)
        )
    assert watched.number <= 1


def test_what_catches_its_cancellation_is_ended_where_the_role_may_run_code(
    database: str, watched: Watched
) -> None:
    with session(database, "postgres") as owner, session(database) as reader:
        owner.execute("GRANT USAGE ON LANGUAGE plpgsql TO grafana_reader")
        attack = Attack(
            unlocked(reader),
            "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; "
            "END LOOP; END $$",
        )
        wait_for(lambda: watched.ends(attack), "the attack is ended")
        assert isinstance(attack.error, errors.AdminShutdown)
        owner.execute("REVOKE USAGE ON LANGUAGE plpgsql FROM grafana_reader")


WRITING: list[LiteralString] = [
    "BEGIN; ALTER ROLE grafana_reader SET application_name = 'x'",
    "BEGIN; ALTER DEFAULT PRIVILEGES FOR ROLE grafana_reader GRANT SELECT ON TABLES TO PUBLIC",
]


@pytest.mark.parametrize("statement", WRITING)
def test_a_transaction_that_writes_is_ended_at_the_next_look(database: str, statement: LiteralString) -> None:
    watched = Watched(database, seconds=600)
    with session(database) as reader:
        unlocked(reader).execute(statement)
        watched.watch.look()
        assert watched.number == 1
        with pytest.raises(psycopg.OperationalError):
            reader.execute("COMMIT")
    watched.engine.dispose()


def test_what_a_listener_does_not_read_leaves_the_disk(database: str) -> None:
    watched = Watched(database, seconds=600)
    with session(database, "postgres") as owner, session(database) as listener:
        unlocked(listener).execute("LISTEN x")
        with session(database) as reader:
            unlocked(reader)
            for number in range(3000):
                reader.execute(SQL("NOTIFY x, '{}'").format(SQL(str(number) + "y" * 7900)))
        waits = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
        assert owner.execute(waits, [listener.info.backend_pid]).fetchone() == ("ClientWrite",)

        def kept() -> int:
            sizes = "SELECT (pg_stat_file('pg_notify/' || name)).size FROM pg_ls_dir('pg_notify') AS name"
            return sum(size for (size,) in owner.execute(sizes).fetchall())

        def drained() -> bool:
            watched.watch.look()
            return kept() < 2**20

        assert kept() > 10**7
        wait_for(drained, "the notifications leave the disk")
    assert watched.number == 1
    watched.engine.dispose()


def test_a_session_that_is_idle_for_long_is_ended_and_one_that_is_not_is_left(database: str) -> None:
    with session(database) as reader:
        reader.execute("LISTEN x")
        patient = Watched(database, seconds=0.0)
        assert reader.execute("SELECT 1").fetchone() == (1,)
        patient.engine.dispose()
        watched = Watched(database, idle_seconds=0.3)
        wait_for(watched.has_ended, "the idle session is ended")
        with pytest.raises(psycopg.OperationalError):
            reader.execute("SELECT 1")
    watched.engine.dispose()


def test_a_session_in_another_database_of_the_server_is_ended_too(
    server: PostgreSQL, watched: Watched
) -> None:
    with session(server.url()) as reader:
        attack = Attack(unlocked(reader), "SELECT pg_sleep(600)")
        wait_for(lambda: watched.ends(attack), "the attack is ended")
        assert isinstance(attack.error, errors.AdminShutdown)


def test_errors_of_the_role_are_not_in_the_log_of_the_server(server: PostgreSQL, database: str) -> None:
    with session(database) as reader, session(database, EXPORTER) as other:
        with pytest.raises(errors.InvalidTextRepresentation):
            reader.execute("SELECT repeat('of the reader', 100000)::int")
        with pytest.raises(errors.InvalidTextRepresentation):
            other.execute("SELECT 'of the exporter'::int")
    assert "of the exporter" in server.log
    assert "of the readerof the reader" not in server.log


def test_a_transaction_left_open_is_ended(database: str, watched: Watched) -> None:
    with session(database) as reader:
        unlocked(reader).execute("BEGIN; LISTEN x; LOCK TABLE executions IN ACCESS SHARE MODE")
        wait_for(watched.has_ended, "the transaction is ended")
        with pytest.raises(psycopg.OperationalError):
            reader.execute("SELECT 1")


def test_a_held_advisory_lock_is_given_up_where_the_role_may_take_one(
    database: str, watched: Watched
) -> None:
    with session(database, "postgres") as owner, session(database) as reader:
        owner.execute("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO grafana_reader")
        reader.execute("SELECT pg_advisory_lock(7016996765)")
        watched.watch.look()
        assert watched.number == 1
        owner.execute("REVOKE EXECUTE ON FUNCTION pg_advisory_lock(bigint) FROM grafana_reader")
        migrate(watched.engine)


def test_a_session_after_one_that_was_ended_begins_with_the_limits_again(
    database: str, watched: Watched
) -> None:
    with session(database) as reader:
        attack = Attack(unlocked(reader), "SELECT pg_sleep(600)")
        wait_for(lambda: watched.ends(attack), "the attack is ended")
    with session(database) as reader:
        assert reader.execute("SHOW statement_timeout").fetchone() == ("8s",)


def test_short_queries_and_those_of_others_are_left_alone(database: str) -> None:
    watched = Watched(database, seconds=5)
    with session(database) as reader, session(database, EXPORTER) as other:
        short = Attack(reader, "SELECT pg_sleep(0.3)")
        other.execute("BEGIN; SELECT pg_advisory_xact_lock(1)")
        while not short.over():
            watched.watch.look()
        assert short.error is None
        assert other.execute("SELECT 1").fetchone() == (1,)
    assert watched.number == 0
    watched.engine.dispose()


def test_the_role_has_few_connections_and_the_exporter_its_own(database: str) -> None:
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(session(database))
        with pytest.raises(psycopg.OperationalError, match='too many connections for role "grafana_reader"'):
            stack.enter_context(session(database))
        with session(database, EXPORTER) as other:
            assert other.execute("SELECT 1").fetchone() == (1,)


def test_what_the_role_changes_of_its_own_settings_is_put_back(database: str, watched: Watched) -> None:
    name = database.rpartition("/")[2]
    with session(database) as reader:
        unlocked(reader).execute("ALTER ROLE grafana_reader SET statement_timeout = '1ms'")
        reader.execute("ALTER ROLE grafana_reader SET search_path = pg_catalog, pipelines")
        reader.execute("ALTER ROLE grafana_reader RESET default_transaction_read_only")
        reader.execute(
            SQL("ALTER ROLE grafana_reader IN DATABASE {} SET work_mem = '64kB'").format(SQL(name))
        )
    watched.watch.look()
    with session(database) as reader:
        shown = reader.execute(
            "SELECT current_setting('statement_timeout'), current_setting('search_path'), "
            "current_setting('default_transaction_read_only'), current_setting('work_mem'), "
            "current_setting('temp_file_limit')"
        ).fetchone()
        assert shown == ("8s", "pipelines", "on", "16MB", "256MB")


SHOWN = (
    "SELECT current_setting('statement_timeout'), current_setting('search_path'), "
    "(SELECT count(*) FROM pg_db_role_setting s, unnest(s.setconfig) AS c(setting) "
    "WHERE s.setrole = 'grafana_reader'::regrole AND length(setting) > 100)"
)


def test_settings_are_put_back_by_an_exporter_that_has_not_loaded_the_extension_of_one(database: str) -> None:
    with session(database) as reader:
        unlocked(reader).execute("SELECT error FROM executions")
        reader.execute("ALTER ROLE grafana_reader SET plpgsql.check_asserts = on")
        reader.execute("ALTER ROLE grafana_reader SET search_path = nowhere")
        reader.execute("ALTER ROLE grafana_reader SET statement_timeout = '1ms'")
    started = Watched(database)
    with session(database) as reader:
        assert reader.execute(SHOWN).fetchone() == ("8s", "pipelines", 0)
        left = "SELECT FROM pg_db_role_setting WHERE array_to_string(setconfig, ' ') LIKE '%plpgsql.%'"
        assert reader.execute(left).fetchall() == []
    started.engine.dispose()


def test_a_setting_that_cannot_be_put_back_keeps_none_of_the_others_and_is_told_once(
    server: PostgreSQL, database: str, watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with session(database, "postgres") as owner, session(database) as reader:
        owner.execute("ALTER ROLE grafana_reader SET another.extension = 1")
        owner.execute("ALTER ROLE grafana_reader IN DATABASE postgres SET another.extension = 1")
        unlocked(reader).execute("ALTER ROLE grafana_reader SET statement_timeout = '1ms'")
        watched.watch.look()
        watched.watch.look()
        with session(database) as later:
            assert later.execute(SHOWN).fetchone() == ("8s", "pipelines", 0)
        assert caplog.messages.count("settings of the reader cannot be put back") == 1
        make_reader(server, database.rpartition("/")[2], tmp_path)
        left = "SELECT FROM pg_db_role_setting WHERE array_to_string(setconfig, ' ') LIKE '%another.%'"
        assert owner.execute(left).fetchall() == []


def test_a_setting_of_any_length_is_taken_back(database: str, watched: Watched) -> None:
    with session(database) as reader:
        unlocked(reader).execute(
            SQL("ALTER ROLE grafana_reader SET application_name = '{}'").format(SQL("x" * 3_000_000))
        )
    watched.watch.look()
    with session(database) as reader:
        assert reader.execute(SHOWN).fetchone() == ("8s", "pipelines", 0)


def test_whatever_setting_the_role_may_change_is_put_back(database: str, watched: Watched) -> None:
    kept = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'grafana_reader'::regrole"
    with session(database) as reader:
        before = set(reader.execute(kept).fetchall()[0][0])
        unlocked(reader).execute("SELECT error FROM executions")
        # Those of a transaction cannot be set here at all.
        names = reader.execute(
            "SELECT name FROM pg_settings WHERE context = 'user' AND name !~ '^transaction_'"
        ).fetchall()
        for (name,) in names:
            part = SQL(".").join(Identifier(part) for part in name.split("."))
            reader.execute(SQL("ALTER ROLE grafana_reader SET {} FROM CURRENT").format(part))
        assert len(reader.execute(kept).fetchall()[0][0]) > 100
        watched.watch.look()
        assert [set(row[0]) for row in reader.execute(kept).fetchall()] == [before]


def test_a_password_that_the_role_changed_is_put_back_by_the_script(
    server: PostgreSQL, database: str, tmp_path: Path
) -> None:
    verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = 'grafana_reader'"
    with session(database, "postgres") as owner, session(database) as reader:
        unlocked(reader).execute("ALTER ROLE grafana_reader PASSWORD 'mine'")
        changed = owner.execute(verifier).fetchone()
        make_reader(server, database.rpartition("/")[2], tmp_path)
        restored = owner.execute(verifier).fetchone()
        assert restored is not None
        assert restored != changed
        assert restored[0].startswith("SCRAM-SHA-256$")


def test_a_query_that_asks_for_all_memory_fails_alone_where_a_process_may_have_so_much(
    own_postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = prepare(own_postgresql, tmp_path)
    with session(url, "postgres") as owner:
        (postmaster,) = owner.execute("SELECT pg_read_file('postmaster.pid')").fetchone() or ("",)
    pid = postmaster.splitlines()[0]
    process = psutil.Process(int(pid))
    limit = [tool("prlimit"), f"--pid={pid}", f"--data={1 << 27}"]
    subprocess.run(limit, check=True, user=process.uids().real, group=process.gids().real)
    with session(url, EXPORTER) as other, session(url) as reader:
        unlocked(reader)
        with pytest.raises(errors.OutOfMemory):
            reader.execute("SELECT " + ", ".join(["repeat('x', 40000000)"] * 9))
        assert reader.execute("SELECT 1").fetchone() == (1,)
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_two_exporters_that_start_together_grant_the_views_once_each_may_be_read(
    server: PostgreSQL, start_exporter: StartExporter, tmp_path: Path
) -> None:
    url = prepare(server, tmp_path)
    for exporter in [start_exporter(database=url, wait=False) for _ in range(2)]:
        exporter.wait_until_ready()
    with session(url) as reader:
        for view in VIEWS:
            assert reader.execute(SQL("SELECT * FROM {}").format(SQL(view))).fetchall() == []


def test_a_role_that_came_later_may_read_after_the_next_start(server: PostgreSQL, tmp_path: Path) -> None:
    url = prepare(server, tmp_path)
    engine = open_engine(url)
    migrate(engine)
    with session(url, "postgres") as owner:
        owner.execute("REVOKE ALL ON SCHEMA pipelines FROM grafana_reader")
        owner.execute("REVOKE ALL ON ALL TABLES IN SCHEMA pipelines FROM grafana_reader")
    with session(url) as reader:
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute("SELECT * FROM pipelines.logs")
        migrate(engine)
        assert reader.execute("SELECT * FROM pipelines.logs").fetchall() == []
    engine.dispose()


def test_a_role_that_would_take_the_views_for_its_tables_is_told_so(server: PostgreSQL) -> None:
    name = server.create_database().rpartition("/")[2]
    server.execute(SQL("CREATE ROLE pipelines LOGIN SUPERUSER"))
    engine = open_engine(server.url(name, user="pipelines"))
    with pytest.raises(BadDatabase, match="search_path"):
        migrate(engine)
    engine.dispose()


def test_the_exporter_ends_what_lasts_and_counts_it(
    server: PostgreSQL, start_exporter: StartExporter, tmp_path: Path
) -> None:
    url = prepare(server, tmp_path)
    exporter = start_exporter(database=url)
    with session(url) as reader:
        attack = Attack(unlocked(reader), "SELECT pg_sleep(600)")
        wait_for(attack.over, "the attack is ended")
        assert isinstance(attack.error, errors.AdminShutdown)
    scraped = requests.get(f"{exporter.url}/metrics", timeout=10).text
    assert "pipeline_exporter_reader_queries_ended_total 1.0" in scraped
    assert "query of the reader ended" in exporter.log
