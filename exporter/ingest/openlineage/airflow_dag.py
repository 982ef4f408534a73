"""What the first event of a DAG run tells of the DAG itself: its tasks, owner, schedule."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from exporter.domain.events import PipelineDeclared, StageDeclaration
from exporter.domain.text import clean_name, clean_text
from exporter.ingest.openlineage import facets
from exporter.ingest.openlineage.airflow_facets import names
from exporter.ingest.openlineage.timetable import schedule
from exporter.ingest.openlineage.wire import ABSENT, RunEvent, lenient, text, word

KIND = "dag"

MOST_STAGES = 10_000
MOST_UPSTREAM = 1000


class _Job(Struct):
    tasks: Raw = ABSENT


class _Task(Struct):
    operator: Any = None
    downstream_task_ids: Any = None


class _Run(Struct):
    dag: Raw = ABSENT


class _Dag(Struct):
    description: Any = None
    owner: Any = None
    timetable: Raw = ABSENT
    schedule_interval: Any = None
    timetable_summary: Any = None


def declaration(event: RunEvent, *, dag_id: str, environment: str) -> PipelineDeclared:
    """The DAG as its run's first event describes it."""
    run = event.run.read("airflowDagRun", _Run)
    dag = None if run is None else lenient(run.dag, _Dag)
    dag = dag or _Dag()
    owner, description = text(dag.owner), text(dag.description)
    return PipelineDeclared(
        pipeline=dag_id,
        environment=environment,
        kind=KIND,
        owner=facets.owner(event.job) or (None if owner is None else clean_name(owner)),
        description=facets.description(event.job)
        or (None if description is None else clean_text(description)),
        labels=facets.labels(event.job),
        stages=_stages(event),
        schedule=schedule(dag.timetable, text(dag.schedule_interval) or dag.timetable_summary),
    )


def _stages(event: RunEvent) -> list[StageDeclaration] | None:
    """The DAG's tasks. Airflow tells what comes after each; a stage tells what it waits for."""
    facet = event.job.read("airflow", _Job)
    told = None if facet is None else lenient(facet.tasks, dict[str, Raw])
    if not told:
        return None
    tasks = {
        clean_name(task_id): lenient(raw, _Task) or _Task()
        for task_id, raw in list(told.items())[:MOST_STAGES]
        if task_id
    }
    upstream: dict[str, list[str]] = {name: [] for name in tasks}
    for name, task in tasks.items():
        for downstream in names(task.downstream_task_ids) or ():
            if downstream in upstream and len(upstream[downstream]) < MOST_UPSTREAM:
                upstream[downstream].append(name)
    return [
        StageDeclaration(name=name, depends_on=upstream[name], kind=_operator(task))
        for name, task in tasks.items()
    ]


def _operator(task: _Task) -> str | None:
    told = text(task.operator)
    return None if told is None else word(told.rpartition(".")[2])
