"""Attempts of one stage over many executions, the latest first, at a bounded cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Select, select, tuple_

from exporter.store import schema


class PastAttempt(Struct, frozen=True):
    """An attempt of a stage, without what only its own execution shows. Times in microseconds."""

    instance: bytes
    attempt_key: str
    execution_id: str
    pipeline_id: int
    name: str
    index: str | None
    attempt: int
    status: str
    first_at: int
    started_at: int | None
    ended_at: int | None
    duration: int | None
    items_in: int | None
    items_out: int | None
    cpu_seconds: float | None
    memory_peak_bytes: float | None


Place = tuple[int, bytes, str]
"""Where an attempt stands in the order: when it was first heard of, and its key."""


def place(attempt: PastAttempt) -> Place:
    """Where an attempt stands in the order."""
    return attempt.first_at, attempt.instance, attempt.attempt_key


def latest(
    connection: Connection,
    pipeline_id: int,
    name: str,
    most: int,
    *,
    since: int | None = None,
    until: int | None = None,
    before: Place | None = None,
) -> list[PastAttempt]:
    """The latest attempts of a stage first heard of between two instants, behind a place in their order."""
    table = schema.stages
    query = _query().where(table.c.pipeline_id == pipeline_id, table.c.name == name)
    if since is not None:
        query = query.where(table.c.first_at >= since)
    if until is not None:
        query = query.where(table.c.first_at < until)
    key = tuple_(table.c.first_at, table.c.instance, table.c.attempt_key)
    if before is not None:
        query = query.where(table.c.first_at <= before[0], key < tuple_(*before))
    query = query.order_by(table.c.first_at.desc(), table.c.instance.desc(), table.c.attempt_key.desc())
    return [PastAttempt(*row) for row in connection.execute(query.limit(most))]


def latest_of_all(
    connection: Connection,
    pipeline_ids: Sequence[int],
    name: str,
    most: int,
    *,
    since: int | None = None,
    until: int | None = None,
    before: Place | None = None,
) -> list[PastAttempt]:
    """The same over several pipelines that have a stage of that name."""
    found: list[PastAttempt] = []
    for id_ in pipeline_ids:
        found += latest(connection, id_, name, most, since=since, until=until, before=before)
    found.sort(key=place, reverse=True)
    return found[:most]


def _query() -> Select[Any]:
    table = schema.stages
    return select(*(table.c[field] for field in PastAttempt.__struct_fields__)).where(
        table.c.status.is_not(None)
    )
