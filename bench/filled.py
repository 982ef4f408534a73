"""Stores that already hold something, filled past HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from bench.lifecycles import BATCH, EVENTS, STAGES, body, declaration, name_of, side_by_side
from exporter.catalogue import Scope
from exporter.domain.identity import execution_id
from exporter.domain.lifecycle import Mark, Sign, finish
from exporter.domain.status import Status
from exporter.domain.times import SECOND, to_micros
from exporter.ingest import cloudevents
from exporter.store import schema
from exporter.store.apply import apply
from exporter.store.bulk import insert_rows
from exporter.store.engine import open_engine, writing
from exporter.store.limits import LINES, Limits
from exporter.store.migrate import migrate
from exporter.store.records import Execution
from exporter.store.search import search_key, search_text
from exporter.store.state import Fact, Facts
from exporter.store.work import Cache

SUCCESSES = 4
"""Executions of each pipeline, so that it has a usual duration."""

LATELY = timedelta(days=20)
"""Span of the executions: retention leaves them alone."""

GROUP = 5_000
NEEDLE = "needle"
"""A word that one execution is found by."""


def database_url(file: Path) -> str:
    """URL of a SQLite file."""
    return f"sqlite:///{file}"


def pipelines_for(lines: int) -> int:
    """Pipelines of ten stages in a row that take about so many lines."""
    return lines // (LINES[Scope.PIPELINE] + STAGES * LINES[Scope.STAGE])


def fill_lines(file: Path, lines: int) -> None:
    """Make a store with about so many lines of metrics, from events."""
    now = datetime.now(UTC)
    start = now - timedelta(hours=1)
    pipelines = pipelines_for(lines)
    events = [declaration(name_of(number), start) for number in range(pipelines)]
    events += islice(side_by_side(pipelines, start, label="filled"), pipelines * EVENTS * SUCCESSES)
    cache = Cache()
    with _opened(file) as engine:
        migrate(engine)
        for begin in range(0, len(events), GROUP):
            batch = body(events[begin : begin + GROUP])
            decoded = cloudevents.decode(BATCH["content-type"], {}, batch, received=now)
            apply(engine, cache, Limits(), decoded, now=to_micros(now))


def add_executions(file: Path, number: int) -> None:
    """Add ended executions to the pipelines of a store: rows only, as they matter to lists."""
    with _opened(file) as engine:
        with engine.connect() as connection:  # the pool gives the same one again
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
            connection.exec_driver_sql("PRAGMA cache_size=-1000000")
        with writing(engine) as connection, bare(connection):
            pipelines = connection.execute(text("SELECT id, name FROM pipelines ORDER BY id")).all()
            made = ended_executions([(row.id, row.name) for row in pipelines], number)
            while group := list(islice(made, GROUP)):
                insert_rows(connection, schema.executions, [each.values() for each in group])
                texts = [(search_key(each), each.id, search_text(each)) for each in group]
                insert_rows(connection, schema.execution_search, texts)


@contextmanager
def bare(connection: Connection) -> Iterator[None]:
    """Tables without their indexes, which are built at once many times as fast as row by row."""
    query = (
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name LIKE 'execution%' OR tbl_name = 'stages'"
    )
    parts = [row for row in connection.execute(text(query)) if row.sql and row.type != "table"]
    for kind, name, _ in parts:
        connection.exec_driver_sql(f"DROP {kind} {name}")
    yield
    for *_, statement in parts:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql("INSERT INTO execution_text(execution_text) VALUES ('rebuild')")


def ended_executions(pipelines: list[tuple[int, str]], number: int) -> Iterator[Execution]:
    """Executions of the last days, oldest first; one in fifty failed."""
    end = to_micros(datetime.now(UTC) - timedelta(hours=2))
    step = round(LATELY.total_seconds() * SECOND) // number
    for position in range(number):
        pipeline_id, pipeline = pipelines[position % len(pipelines)]
        run = f"run-{position:07}"
        start = end - (number - position) * step
        status = Status.FAILED if position % 50 == 7 else Status.SUCCEEDED
        duration = SECOND * (60 + position * 7919 % 3600)
        labels = {"customer": f"c{position % 1000}", "team": f"team {position % 7}"}
        if position == number // 2:
            labels["mark"] = NEEDLE
        facts = {"source": Fact(start, "cloudevents"), "labels": Fact(start, labels)}
        if status is Status.FAILED:
            error = {"type": "ValueError", "message": f"row {position} has no key"}
            facts["error"] = Fact(start + duration, error)
        yield Execution(
            id=execution_id("", "default", pipeline, run), pipeline_id=pipeline_id, pipeline=pipeline,
            environment="default", external_id=run, source="cloudevents", kind="batch", trigger="schedule",
            status=status.value, source_status=None, sort_at=start, queued_at=None, started_at=start,
            ended_at=start + duration, duration=duration, first_at=start, last_at=start + duration,
            seen_at=start + duration, deadline=None, lost_at=None, stages_total=STAGES, stages_done=STAGES,
            stages_active=0, ends_counted=1, queue_counted=False, ends=[(status, duration)],
            marks=[Mark(start, Sign.STARTED), finish(start + duration, status, status.value)],
            facts=Facts(facts),
        )  # fmt: skip


@contextmanager
def _opened(file: Path) -> Iterator[Engine]:
    engine = open_engine(database_url(file))
    try:
        yield engine
    finally:
        engine.dispose()
