"""What the OpenLineage provider of Airflow puts into facets of its own."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from msgspec import Raw, Struct

from exporter.domain.text import clean_name
from exporter.ingest.openlineage.wire import (
    ABSENT,
    RUN_ID_LENGTH,
    RunEvent,
    amount,
    free_form,
    instant,
    lenient,
    text,
    whole,
    word,
)

_WAIT_FROM_RUN_AFTER = frozenset({"manual", "asset_triggered", "operator_triggered"})
"""Runs that are made when they may begin. A scheduled run may be made long after, to catch up."""

_BEFORE_2_10 = re.compile(r"^(?:1\.|2\.[0-9]\.)")
# In the events of tasks, lists are written as Python would print them: "['extract', 'transform']".
_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"")


class DagRun(Struct):
    """A DAG run by the database's account."""

    dag_id: str
    run_id: str
    trigger: str | None
    parameters: dict[str, Any] | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


class TaskInstance(Struct):
    """A try of a task by the database's account; `duration` in seconds."""

    task_id: str
    operator: str | None
    upstream: list[str] | None
    retries: int | None
    attempt: int | None
    index: str | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration: float | None
    log_url: str | None


class TaskEnd(Struct):
    """How a task stood when its DAG run was over; `duration` in seconds, None where no time was spent."""

    task_id: str
    state: str
    duration: float | None


class _Airflow(Struct, rename="camel"):
    dag_run: Raw = ABSENT
    task: Raw = ABSENT
    task_instance: Raw = ABSENT


class _DagRun(Struct):
    dag_id: Any = None
    run_id: Any = None
    run_type: Any = None
    conf: Any = None
    queued_at: Any = None
    run_after: Any = None
    start_date: Any = None
    end_date: Any = None
    clear_number: Any = None


class _Task(Struct):
    task_id: Any = None
    operator_class: Any = None
    upstream_task_ids: Any = None
    retries: Any = None


class _TaskInstance(Struct):
    try_number: Any = None
    map_index: Any = None
    queued_dttm: Any = None
    start_date: Any = None
    end_date: Any = None
    duration: Any = None
    log_url: Any = None


class _Mapped(Struct, rename="camel"):
    map_index: Any = None


class _Engine(Struct):
    version: Any = None


class _State(Struct, rename="camel"):
    dag_run_state: Any = None
    tasks_state: Any = None
    tasks_duration: Any = None


def dag_run(event: RunEvent, facet: str) -> DagRun | None:
    """The DAG run that `airflowDagRun` (of a DAG) or `airflow` (of a task) names; None if it names none."""
    whole_facet = event.run.read(facet, _Airflow)
    told = None if whole_facet is None else lenient(whole_facet.dag_run, _DagRun)
    dag_id = None if told is None else text(told.dag_id)
    run_id = None if told is None else text(told.run_id)
    if told is None or dag_id is None or run_id is None:
        return None
    return DagRun(
        dag_id=clean_name(dag_id),
        run_id=clean_name(run_id, RUN_ID_LENGTH),
        trigger=word(told.run_type),
        parameters=free_form(told.conf) if isinstance(told.conf, dict) and told.conf else None,
        queued_at=_queued_at(told),
        started_at=instant(told.start_date),
        ended_at=instant(told.end_date),
    )


def _queued_at(told: _DagRun) -> datetime | None:
    """Since when a DAG run waited. In a run that was cleared, `run_after` still tells of the first time."""
    queued_at = instant(told.queued_at)
    if queued_at is None and word(told.run_type) in _WAIT_FROM_RUN_AFTER and not told.clear_number:
        queued_at = instant(told.run_after)
    started_at = instant(told.start_date)
    return None if queued_at is None or started_at is None or queued_at > started_at else queued_at


def task_instance(event: RunEvent, dag_id: str) -> TaskInstance:
    """The try that an event of a task is about."""
    facet = event.run.read("airflow", _Airflow) or _Airflow()
    task = lenient(facet.task, _Task) or _Task()
    told = lenient(facet.task_instance, _TaskInstance) or _TaskInstance()
    mapped = event.run.read("airflow_mappedTask", _Mapped)
    index = whole(told.map_index)
    if index is None and mapped is not None:
        index = whole(mapped.map_index)
    return TaskInstance(
        task_id=clean_name(text(task.task_id) or event.name.removeprefix(f"{dag_id}.")),
        operator=word(task.operator_class),
        upstream=names(task.upstream_task_ids),
        retries=whole(task.retries),
        attempt=_attempt(event, told),
        index=None if index is None else str(index),
        queued_at=instant(told.queued_dttm),
        started_at=instant(told.start_date),
        ended_at=instant(told.end_date),
        duration=amount(told.duration),
        log_url=text(told.log_url),
    )


def _attempt(event: RunEvent, told: _TaskInstance) -> int | None:
    number = whole(told.try_number)
    if number is not None and event.type == "COMPLETE":
        # Until 2.10, Airflow counted on as soon as a task had succeeded: it told the next try's number.
        engine = event.run.read("processing_engine", _Engine)
        if engine is not None and _BEFORE_2_10.match(text(engine.version) or ""):
            number -= 1
    return number if number and number <= 1_000_000 else None


def names(value: object) -> list[str] | None:
    """Task ids in a list, or in a list as Python prints it."""
    if isinstance(value, list):
        return [clean_name(one) for one in value if text(one) is not None][:1000]
    if isinstance(value, str):
        return [clean_name(single or double) for single, double in _QUOTED.findall(value)][:1000]
    return None


def dag_run_state(event: RunEvent) -> str | None:
    """Airflow's own word for how a DAG run ended."""
    facet = event.run.read("airflowState", _State)
    return None if facet is None else word(facet.dag_run_state)


def task_ends(event: RunEvent) -> list[TaskEnd]:
    """How all tasks of a DAG run ended, by the last event of the run. Mapped instances are one there."""
    facet = event.run.read("airflowState", _State)
    if facet is None or not isinstance(facet.tasks_state, dict):
        return []
    durations = facet.tasks_duration if isinstance(facet.tasks_duration, dict) else {}
    return [
        # The provider writes 0.0 for tasks that never ran.
        TaskEnd(clean_name(task_id), state, amount(durations.get(task_id)))
        for task_id, told in facet.tasks_state.items()
        if (state := word(told)) is not None and text(task_id) is not None
    ]
