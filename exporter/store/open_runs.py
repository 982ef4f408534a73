"""Executions whose end no span tells: it is concluded from what their parts told, or from silence."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from exporter.domain.events import Event, ExecutionFinished
from exporter.domain.identity import event_identity
from exporter.domain.spans import Reading, Span
from exporter.domain.status import Status
from exporter.domain.times import from_micros
from exporter.store import schema
from exporter.store.bulk import column_names, insert_rows, select_in, update_rows
from exporter.store.work import Work

STEP = 200
"""Executions that are ended at once for having fallen silent."""


class Run(Struct):
    """A row of `open_runs`, in the order of its columns."""

    execution_id: str
    namespace: str
    environment: str
    pipeline: str
    external_id: str
    source: str
    ended: int
    open: int
    failed: int
    due_at: int | None
    arrived_at: int
    stored: bool = False
    counted: bool = False


class OpenRuns:
    """Those that one transaction is about. `quiet`: microseconds of silence that prove an end."""

    def __init__(self, work: Work, quiet: int) -> None:
        self._work = work
        self._quiet = quiet
        self._runs: dict[str, Run] = {}

    def count(self, span: Span, reading: Reading, id_: str) -> None:
        """Add a span to what its execution is concluded from."""
        place, tally = reading.place, reading.tally
        assert place.execution is not None
        assert tally is not None
        run = self._run(id_)
        if run is None:
            run = self._runs[id_] = Run(
                id_, place.namespace, place.environment, place.pipeline, place.execution, place.source,
                span.end, 0, 0, None, self._work.now,
            )  # fmt: skip
        run.open += tally.open
        run.failed += tally.failed
        run.ended = max(run.ended, span.end)
        run.arrived_at = self._work.now
        run.counted = run.counted or tally.counted
        awaited = run.failed > 0 if tally.quiet_failure else tally.quiet or run.due_at is not None
        run.due_at = self._work.now + self._quiet if awaited else None

    def _run(self, id_: str) -> Run | None:
        if id_ not in self._runs:
            for values in select_in(self._work.connection, schema.open_runs, "execution_id", [id_]):
                self._runs[id_] = _stored(values)
        return self._runs.get(id_)

    def silent(self) -> Iterator[Event]:
        """Ends of executions that fell silent."""
        table = schema.open_runs
        query = select(table).where(table.c.due_at < self._work.now).order_by(table.c.due_at).limit(STEP)
        for values in self._work.connection.execute(query):
            run = self._runs.setdefault(values[0], _stored(values))
            run.due_at = None
            yield _end(run)

    def over(self) -> Iterator[Event]:
        """Ends of executions of which all parts have ended."""
        return (_end(run) for run in self._runs.values() if run.counted and run.open <= 0)

    def forget(self, ids: Collection[str]) -> None:
        """Drop what was counted for executions that no span is taken to belong to any more."""
        rows = select_in(self._work.connection, schema.spans, "execution_id", list(ids))
        for id_ in set(ids) - {row[6] for row in rows}:
            if (run := self._runs.get(id_)) is not None and not run.stored:
                del self._runs[id_]

    def drop(self, id_: str) -> None:
        """Forget an execution that was deleted."""
        self._runs.pop(id_, None)

    def write(self) -> None:
        """Store what changed."""
        table = schema.open_runs
        names = column_names(table)
        rows = [(run.stored, tuple(getattr(run, name) for name in names)) for run in self._runs.values()]
        insert_rows(self._work.connection, table, [values for stored, values in rows if not stored])
        update_rows(
            self._work.connection,
            table,
            names[1:],
            names[:1],
            [(*values[1:], values[0]) for stored, values in rows if stored],
        )


def _stored(values: Any) -> Run:
    return Run(*values, True)  # type: ignore[call-arg]  # as many values as columns


def _end(run: Run) -> Event:
    """An execution is over, by what its parts told. Those told later move its end, and do not begin it anew."""
    status = Status.FAILED if run.failed > 0 else Status.SUCCEEDED
    identity = event_identity("otlp-end", f"{run.execution_id}\x1f{run.ended}\x1f{status}")
    finished = ExecutionFinished(
        pipeline=run.pipeline,
        environment=run.environment,
        execution=run.external_id,
        status=status,
        conclusive=True,
    )
    return Event(identity, from_micros(run.ended), run.source, run.namespace, finished)
