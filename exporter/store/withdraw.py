"""What was told on too little knowledge, and turned out to belong elsewhere, goes; totals stay."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, update

from exporter.domain.events import Event
from exporter.store import schema
from exporter.store.work import Work


def bury(work: Work, execution_id: str) -> None:
    """Delete an execution with all that belongs to it. It is told of elsewhere, so there is nothing to remember."""
    work.load_executions([execution_id])
    execution = work.executions.pop(execution_id, None)
    if execution is None:
        return
    for table in (
        schema.events,
        schema.stages,
        schema.long_stages,
        schema.errors,
        schema.execution_search,
        schema.open_runs,
    ):
        work.connection.execute(delete(table).where(table.c.execution_id == execution_id))
    work.connection.execute(delete(schema.executions).where(schema.executions.c.id == execution_id))
    pipeline = work.pipeline(execution.environment, execution.pipeline)
    key = execution_id[:16]
    pipeline.state.recent = [entry for entry in pipeline.state.recent if entry.key != key]
    pipeline.state.successes = [entry for entry in pipeline.state.successes if entry.key != key]
    pipeline.dirty = True


def withdraw_stage(
    work: Work, execution_id: str, path: tuple[str, ...], index: str | None, attempts: Iterable[str]
) -> None:
    """Delete attempts of a stage that turned out to be another one's."""
    work.load_executions([execution_id])
    execution = work.executions.get(execution_id)
    if execution is None:
        return
    instance = work.known_instance(execution, path, index)
    if instance is None:
        return
    work.take_up(instance)
    table = schema.stages
    for key in attempts:
        if instance.attempts.pop(key, None) is not None:
            work.connection.execute(
                delete(table).where(table.c.instance == instance.id, table.c.attempt_key == key)
            )
    instance.pipeline.dirty = True


def move_call(work: Work, identity: bytes, event: Event, execution_id: str | None) -> None:
    """Let a call of a language model, and its error, belong to the execution and stage that it turned out to be of."""
    payload = event.payload
    pipeline = work.pipeline(payload.environment, payload.pipeline)
    pipeline.dirty = True
    place = {"execution_id": execution_id, "pipeline_id": pipeline.id}
    work.connection.execute(
        update(schema.events).where(schema.events.c.identity == identity).values(**place, body=event.body)
    )
    stage = getattr(payload, "stage", None)
    work.connection.execute(
        update(schema.errors).where(schema.errors.c.identity == identity).values(**place, stage=stage)
    )
