"""The rows of a group of events, written with as few statements as there are kinds of change."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update

from exporter.store import schema
from exporter.store.bulk import column_names, insert_rows, present, update_rows
from exporter.store.records import Execution, encode
from exporter.store.schema import ACTIVE_WORDS
from exporter.store.search import search_key, search_text
from exporter.store.work import Work

_EXECUTION = column_names(schema.executions)
_EXECUTION_CHANGES = tuple(name for name in _EXECUTION if name != "id")
_LIGHT = (
    "first_at",
    "last_at",
    "seen_at",
    "deadline",
    "stages_total",
    "stages_done",
    "stages_active",
    "facts",
)
_ATTEMPT_KEY = ("instance", "attempt_key")
_ATTEMPT_CHANGES = tuple(name for name in column_names(schema.stages) if name not in _ATTEMPT_KEY)


def write(work: Work) -> None:
    """Write everything that a group of events changed."""
    connection = work.connection
    insert_rows(connection, schema.events, work.event_rows)
    _write_executions(work)
    _write_attempts(work)
    insert_rows(connection, schema.errors, work.error_rows)
    _turn_stages(work)
    _write_pipelines(work)
    connection.execute(
        update(schema.clock).values(version=work.version, series=work.series, state=encode(work.clock))
    )


def _write_executions(work: Work) -> None:
    new, full, light = [], [], []
    found: list[Execution] = []
    for execution in work.executions.values():
        if execution.new:
            new.append(execution.values())
            found.append(execution)
        elif execution.indexed() != execution.before:
            full.append((*execution.values()[1:], execution.id))
            found.append(execution)
        else:
            e = execution
            counts = (e.stages_total, e.stages_done, e.stages_active)
            light.append((e.first_at, e.last_at, e.seen_at, e.deadline, *counts, encode(e.facts), e.id))
    table = schema.executions
    insert_rows(work.connection, table, new)
    update_rows(work.connection, table, _EXECUTION_CHANGES, ("id",), full)
    update_rows(work.connection, table, _LIGHT, ("id",), light)
    _write_search(work, found)


def _write_search(work: Work, found: Sequence[Execution]) -> None:
    table = schema.execution_search
    rows = []
    stale = []
    for execution in found:
        key, text = search_key(execution), search_text(execution)
        if not execution.new:
            if execution.found_by == (key, text):
                continue
            stale.append(execution.id)
        rows.append((key, execution.id, text))
    if stale:
        work.connection.execute(delete(table).where(table.c.execution_id.in_(stale)))
    if rows:
        insert_rows(work.connection, table, _apart(work, rows))


def _apart(work: Work, rows: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Two executions of one microsecond may share a key: the later one is moved on until there is room."""
    table = schema.execution_search
    taken: set[int] = present(work.connection, table, "key", [key for key, _, _ in rows])
    placed = []
    for wanted, id_, text in rows:
        key = wanted
        while key in taken:
            key += 1
            if key not in taken:
                taken |= present(work.connection, table, "key", [key])
        taken.add(key)
        placed.append((key, id_, text))
    return placed


def _write_attempts(work: Work) -> None:
    new, changed = [], []
    for instance in work.instances.values():
        for attempt in instance.attempts.values():
            values = attempt.values()
            if attempt.new:
                new.append(values)
            else:
                changed.append((*values[2:], *values[:2]))
    insert_rows(work.connection, schema.stages, new)
    update_rows(work.connection, schema.stages, _ATTEMPT_CHANGES, _ATTEMPT_KEY, changed)


def _turn_stages(work: Work) -> None:
    """Stages that never told of their end are lost once their execution has ended, and run again with it."""
    table = schema.stages
    for execution in work.turned:
        mine = table.c.execution_id == execution.id
        if not execution.active:
            if execution.stages_active == 0:
                continue
            connection = work.connection
            connection.execute(
                update(table).where(mine, table.c.status.in_(ACTIVE_WORDS)).values(status="lost")
            )
            remaining = 0
        elif execution.new:
            continue
        else:
            again = mine & (table.c.status == "lost") & table.c.own_status.in_(ACTIVE_WORDS)
            work.connection.execute(update(table).where(again).values(status=table.c.own_status))
            running = mine & table.c.last & table.c.status.in_(ACTIVE_WORDS)
            remaining = work.connection.scalar(select(func.count()).select_from(table).where(running)) or 0
        execution.stages_active = remaining
        executions = schema.executions
        work.connection.execute(
            update(executions).where(executions.c.id == execution.id).values(stages_active=remaining)
        )


def _write_pipelines(work: Work) -> None:
    new, changed = [], []
    new_components, changed_components = [], []
    for pipeline in work.cache.by_id.values():
        if not pipeline.dirty:
            continue
        state = encode(pipeline.state)
        due_at = pipeline.state.due_at
        if pipeline.new:
            names = (pipeline.environment, pipeline.name)
            new.append((pipeline.id, *names, pipeline.series_id, work.version, due_at, state))
        else:
            changed.append((work.version, due_at, state, pipeline.id))
        for component in pipeline.components.values():
            if component.new:
                labels = encode(component.labels).decode()
                row = (
                    component.id,
                    component.pipeline_id,
                    component.scope.value,
                    labels,
                    encode(component.state),
                )
                new_components.append(row)
            elif component.dirty:
                changed_components.append((encode(component.state), component.id))
            component.new = component.dirty = False
        pipeline.new = pipeline.dirty = False
    connection = work.connection
    insert_rows(connection, schema.pipelines, new)
    insert_rows(connection, schema.components, new_components)
    update_rows(connection, schema.pipelines, ("version", "due_at", "state"), ("id",), changed)
    update_rows(connection, schema.components, ("state",), ("id",), changed_components)
