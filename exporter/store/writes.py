"""The rows of a group of events, written with as few statements as there are kinds of change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.sql.dml import Update

from exporter.store import schema
from exporter.store.records import Attempt, Component, Execution, Pipeline, encode
from exporter.store.schema import ACTIVE_WORDS
from exporter.store.search import search_key, search_text
from exporter.store.work import Work

_EXECUTION_COLUMNS = [column.name for column in schema.executions.columns]
_LIGHT_COLUMNS = ["first_at", "last_at", "seen_at", "deadline", "stages_total", "stages_done", "stages_active", "facts"]
_ATTEMPT_COLUMNS = [column.name for column in schema.stages.columns]


def write(work: Work) -> None:
    """Write everything that a group of events changed."""
    connection = work.connection
    _insert(work, schema.events, work.event_rows)
    _write_executions(work)
    _write_attempts(work)
    _insert(work, schema.errors, work.error_rows)
    _turn_stages(work)
    _write_pipelines(work)
    connection.execute(
        update(schema.clock).values(version=work.version, series=work.series, state=encode(work.clock))
    )


def _insert(work: Work, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        work.connection.execute(insert(table), rows)


def _update(table: Table, key: Sequence[str], columns: Sequence[str]) -> Update:
    statement = update(table).values({name: bindparam(f"new_{name}") for name in columns if name not in key})
    return statement.where(*(table.c[name] == bindparam(f"key_{name}") for name in key))


_UPDATE_EXECUTION = _update(schema.executions, ["id"], _EXECUTION_COLUMNS)
_UPDATE_EXECUTION_LIGHTLY = _update(schema.executions, ["id"], _LIGHT_COLUMNS)
_UPDATE_ATTEMPT = _update(schema.stages, ["instance", "attempt_key"], _ATTEMPT_COLUMNS)
_UPDATE_PIPELINE = _update(schema.pipelines, ["id"], ["version", "due_at", "state"])
_UPDATE_COMPONENT = _update(schema.components, ["id"], ["state"])


def _write_executions(work: Work) -> None:
    new, full, light = [], [], []
    found: list[Execution] = []
    for execution in work.executions.values():
        if execution.new:
            new.append(_execution_row(execution))
            found.append(execution)
        elif execution.indexed() != execution.before:
            full.append(_renamed(_execution_row(execution), ("id",)))
            found.append(execution)
        else:
            row = _execution_row(execution, _LIGHT_COLUMNS)
            light.append({**{f"new_{name}": value for name, value in row.items()}, "key_id": execution.id})
    _insert(work, schema.executions, new)
    if full:
        work.connection.execute(_UPDATE_EXECUTION, full)
    if light:
        work.connection.execute(_UPDATE_EXECUTION_LIGHTLY, light)
    _write_search(work, found)


def _execution_row(execution: Execution, columns: Sequence[str] = _EXECUTION_COLUMNS) -> dict[str, Any]:
    row = {name: getattr(execution, name) for name in columns}
    row["facts"] = encode(execution.facts)
    if "marks" in row:
        row["marks"] = encode(execution.marks)
        row["ends"] = encode(execution.ends)
    return row


def _renamed(row: dict[str, Any], key: Sequence[str]) -> dict[str, Any]:
    return {f"key_{name}" if name in key else f"new_{name}": value for name, value in row.items()}


def _write_search(work: Work, found: Sequence[Execution]) -> None:
    table = schema.execution_search
    rows = []
    stale = []
    for execution in found:
        row = {"key": search_key(execution), "execution_id": execution.id, "text": search_text(execution)}
        if not execution.new:
            if execution.found_by == (row["key"], row["text"]):
                continue
            stale.append(execution.id)
        rows.append(row)
    if stale:
        work.connection.execute(delete(table).where(table.c.execution_id == bindparam("id_")), [{"id_": i} for i in stale])
    if rows:
        _avoid_clashes(work, rows)
        work.connection.execute(insert(table), rows)


def _avoid_clashes(work: Work, rows: list[dict[str, Any]]) -> None:
    """Two executions of one microsecond may share a key: move the later one on by one."""
    table = schema.execution_search
    taken = set(work.connection.scalars(select(table.c.key).where(table.c.key.in_([row["key"] for row in rows]))))
    for row in rows:
        while row["key"] in taken:
            row["key"] += 1
            if row["key"] not in taken:
                query = select(table.c.key).where(table.c.key == row["key"])
                taken.update(work.connection.scalars(query))
        taken.add(row["key"])


def _write_attempts(work: Work) -> None:
    new, changed = [], []
    for instance in work.instances.values():
        for attempt in instance.attempts.values():
            row = _attempt_row(attempt)
            if attempt.new:
                new.append(row)
            else:
                changed.append(_renamed(row, ("instance", "attempt_key")))
    _insert(work, schema.stages, new)
    if changed:
        work.connection.execute(_UPDATE_ATTEMPT, changed)


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    row = {name: getattr(attempt, name) for name in _ATTEMPT_COLUMNS}
    row["marks"] = encode(attempt.marks)
    row["facts"] = encode(attempt.facts)
    return row


def _turn_stages(work: Work) -> None:
    """Stages that never told of their end are lost once their execution has ended, and run again with it."""
    table = schema.stages
    for execution in work.turned:
        mine = table.c.execution_id == execution.id
        if not execution.active:
            if execution.stages_active == 0:
                continue
            connection = work.connection
            connection.execute(update(table).where(mine, table.c.status.in_(ACTIVE_WORDS)).values(status="lost"))
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
        if pipeline.new:
            new.append(_pipeline_row(pipeline, work.version, state))
        else:
            changed.append(
                {
                    "key_id": pipeline.id,
                    "new_version": work.version,
                    "new_due_at": pipeline.state.due_at,
                    "new_state": state,
                }
            )
        for component in pipeline.components.values():
            if component.new:
                new_components.append(_component_row(component))
            elif component.dirty:
                changed_components.append({"key_id": component.id, "new_state": encode(component.state)})
            component.new = component.dirty = False
        pipeline.new = pipeline.dirty = False
    _insert(work, schema.pipelines, new)
    _insert(work, schema.components, new_components)
    if changed:
        work.connection.execute(_UPDATE_PIPELINE, changed)
    if changed_components:
        work.connection.execute(_UPDATE_COMPONENT, changed_components)


def _pipeline_row(pipeline: Pipeline, version: int, state: bytes) -> dict[str, Any]:
    return {
        "id": pipeline.id,
        "environment": pipeline.environment,
        "name": pipeline.name,
        "series_id": pipeline.series_id,
        "version": version,
        "due_at": pipeline.state.due_at,
        "state": state,
    }


def _component_row(component: Component) -> dict[str, Any]:
    return {
        "id": component.id,
        "pipeline_id": component.pipeline_id,
        "scope": component.scope.value,
        "labels": encode(component.labels).decode(),
        "state": encode(component.state),
    }
