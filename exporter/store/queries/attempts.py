"""Attempts of stages: rows of one execution."""

from __future__ import annotations

from sqlalchemy import Connection, select

from exporter.store import schema
from exporter.store.records import Attempt


def of_execution(connection: Connection, execution_id: str) -> list[Attempt]:
    """All attempts of the stages of an execution that are to be seen, in the order in which they began."""
    table = schema.stages
    query = select(table).where(table.c.execution_id == execution_id, table.c.status.is_not(None))
    attempts = [Attempt.from_row(row) for row in connection.execute(query)]
    return sorted(attempts, key=_begin)


def _begin(attempt: Attempt) -> tuple[int, str, str, int]:
    began = next((at for at in (attempt.started_at, attempt.queued_at) if at is not None), attempt.first_at)
    return began, attempt.name, attempt.index or "", attempt.attempt
