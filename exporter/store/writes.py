"""The rows of a group of events, written with as few statements as there are kinds of change."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from exporter.store import long_stages, schema
from exporter.store.bulk import Row, column_names, insert_rows, present, run_many, update_changed, update_rows
from exporter.store.records import Execution, encode
from exporter.store.schema import ACTIVE_WORDS
from exporter.store.search import search_key, search_text
from exporter.store.work import Work

_SAYS = tuple(map(column_names(schema.executions).index, ("sort_at", "facts")))
"""Columns that the text of an execution, by which it is found, depends on, and its place among others."""


def write(work: Work) -> None:
    """Write everything that a group of events changed."""
    connection = work.connection
    insert_rows(connection, schema.events, work.event_rows)
    _write_attempts(work)
    long_stages.write(connection, work.instances.values())
    _turn_stages(work)
    _write_executions(work)
    insert_rows(connection, schema.errors, work.error_rows)
    _write_pipelines(work)
    connection.execute(
        update(schema.clock).values(version=work.version, series=work.series, state=encode(work.clock))
    )


def _write_executions(work: Work) -> None:
    new: list[Row] = []
    changed: list[tuple[Row, Row]] = []
    told: list[Execution] = []
    for execution in work.executions.values():
        stored, values = execution.stored, execution.values()
        if stored is None:
            new.append(values)
            told.append(execution)
        elif stored != values:
            changed.append((stored, values))
            if any(stored[position] != values[position] for position in _SAYS):
                told.append(execution)
    table = schema.executions
    insert_rows(work.connection, table, new)
    update_changed(work.connection, table, 1, changed)
    _write_search(work, told)


def _write_search(work: Work, told: Sequence[Execution]) -> None:
    table = schema.execution_search
    rows = []
    stale = []
    for execution in told:
        entry = _search_entry(execution)
        if execution.stored is not None:
            if entry == _search_entry(Execution.from_row(execution.stored)):
                continue
            stale.append(execution.id)
        rows.append(entry)
    if stale:
        work.connection.execute(delete(table).where(table.c.execution_id.in_(stale)))
    if rows:
        insert_rows(work.connection, table, _apart(work, rows))


def _search_entry(execution: Execution) -> tuple[int, str, str]:
    return search_key(execution), execution.id, search_text(execution)


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
    new: list[Row] = []
    changed: list[tuple[Row, Row]] = []
    for instance in work.instances.values():
        for attempt in instance.attempts.values():
            stored, values = attempt.stored, attempt.values()
            if stored is None:
                new.append(values)
            elif stored != values:
                changed.append((stored, values))
    insert_rows(work.connection, schema.stages, new)
    update_changed(work.connection, schema.stages, 2, changed)


def _turn_stages(work: Work) -> None:
    """Stages that never told of their end are lost once their execution has ended, and run again with it.

    Those of an execution that is new are all at hand, and so are settled already.
    """
    ended: list[Row] = []
    for execution in work.turned:
        if execution.stored is None:
            continue
        if execution.active:
            execution.stages_active = _run_again(work.connection, execution.id)
        else:
            execution.stages_active = 0
            ended.append((execution.id,))
    run_many(work.connection, _LOSE, ended)


_ACTIVE = ", ".join(f"'{word}'" for word in ACTIVE_WORDS)
_LOSE = f"UPDATE stages SET status = 'lost' WHERE execution_id = ? AND status IN ({_ACTIVE})"  # noqa: S608 - our words


def _run_again(connection: Connection, execution_id: str) -> int:
    """How many stages run, now that those lost with their execution run again with it."""
    table = schema.stages
    mine = table.c.execution_id == execution_id
    again = mine & (table.c.status == "lost") & table.c.own_status.in_(ACTIVE_WORDS)
    connection.execute(update(table).where(again).values(status=table.c.own_status))
    running = mine & table.c.status.in_(ACTIVE_WORDS)
    return connection.scalar(select(func.count()).select_from(table).where(running)) or 0


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
