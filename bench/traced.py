"""Stores of any kind with executions and their stages, to be searched for traces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, text

from bench.filled import bare, ended_executions
from bench.lifecycles import BATCH, body, declaration, name_of
from exporter.domain.lifecycle import Mark, Sign, finish
from exporter.domain.status import Status
from exporter.domain.times import to_micros
from exporter.ingest import cloudevents
from exporter.store import schema
from exporter.store.apply import apply
from exporter.store.bulk import column_names, insert_rows
from exporter.store.engine import open_engine, writing
from exporter.store.limits import Limits
from exporter.store.migrate import migrate
from exporter.store.records import Attempt, Execution, instance_id, path_text
from exporter.store.search import search_key, search_text
from exporter.store.state import Facts
from exporter.store.work import Cache

PIPELINES = 100
STAGES = 2
"""Stages of each execution; where it failed, it failed in the first."""

GROUP = 5_000


def fill_traces(url: str, number: int) -> None:
    """Make a database with so many ended executions, each with its stages."""
    engine = open_engine(url)
    try:
        migrate(engine)
        now = datetime.now(UTC)
        events = [declaration(name_of(each), now - timedelta(days=21)) for each in range(PIPELINES)]
        decoded = cloudevents.decode(BATCH["content-type"], {}, body(events), received=now)
        apply(engine, Cache(), Limits(), decoded, now=to_micros(now))
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:  # the pool gives the same one again
                connection.exec_driver_sql("PRAGMA synchronous=OFF")
                connection.exec_driver_sql("PRAGMA cache_size=-1000000")
        with writing(engine) as connection, _without_indexes(connection):
            found = connection.execute(text("SELECT id, name FROM pipelines ORDER BY id")).all()
            made = ended_executions([(row.id, row.name) for row in found], number)
            while group := list(islice(made, GROUP)):
                _put(connection, group)
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE executions, execution_search, stages")
    finally:
        engine.dispose()


def _put(connection: Connection, group: Sequence[Execution]) -> None:
    _insert(connection, schema.executions, [each.values() for each in group])
    texts = [(search_key(each), each.id, search_text(each)) for each in group]
    _insert(connection, schema.execution_search, texts)
    attempts = [stage.values() for each in group for stage in _stages(each)]
    _insert(connection, schema.stages, attempts)


def _stages(execution: Execution) -> Iterator[Attempt]:
    assert execution.started_at is not None
    assert execution.duration is not None
    length = execution.duration // STAGES
    for number in range(STAGES):
        is_failed = execution.status == Status.FAILED and number == 0
        status = Status.FAILED if is_failed else Status.SUCCEEDED
        name = f"stage_{number}"
        path = path_text((name,))
        start = execution.started_at + number * length
        end = start + length
        yield Attempt(
            instance=instance_id(execution.id, path, None), attempt_key="1", execution_id=execution.id,
            pipeline_id=execution.pipeline_id, name=name, index=None, path=path, attempt=1, last=True,
            status=status.value, own_status=status.value, source_status=None, queued_at=None, started_at=start,
            ended_at=end, duration=length, first_at=start, items_in=10, items_out=9, cpu_seconds=1.5,
            memory_peak_bytes=1e8, marks=[Mark(start, Sign.STARTED), finish(end, status, status.value)],
            facts=Facts(),
        )  # fmt: skip


def _insert(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if connection.dialect.name == "sqlite":
        insert_rows(connection, table, rows)
        return
    names = ", ".join(f'"{name}"' for name in column_names(table))
    driver: Any = connection.connection.driver_connection
    with driver.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Tables without indexes: built at once they take a small part of the time."""
    if connection.dialect.name == "sqlite":
        with bare(connection):
            yield
        return
    query = text(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('executions', 'execution_search', 'stages')"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    parts = connection.execute(query).all()
    for name, _ in parts:
        connection.exec_driver_sql(f'DROP INDEX "{name}"')
    yield
    for _, statement in parts:
        connection.exec_driver_sql(statement)
