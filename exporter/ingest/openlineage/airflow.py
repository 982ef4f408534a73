"""Runs of Airflow 2 and 3, as its OpenLineage provider tells of them.

An execution is a DAG run, named by its `run_id` as Airflow wrote it (the provider's own run ids change with
every clearing). A stage is a task, named by its `task_id` with the task's groups (`ingest.orders`); a mapped
instance is its index, a try its attempt. The last event of a DAG run sums up how every task ended, those that
sent nothing included.

Left out is what does not name the DAG run: queries that operators report as children of their task, and tasks
whose state somebody set in Airflow's own pages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from msgspec.structs import replace

from exporter.domain.events import (
    ExecutionHeartbeat,
    ExecutionQueued,
    Parent,
    Payload,
    StageQueued,
    StageSettled,
)
from exporter.domain.status import FINAL, Status, status_of_word
from exporter.domain.text import clean_name
from exporter.ingest.openlineage import airflow_facets, datasets, facets
from exporter.ingest.openlineage.airflow_dag import KIND, declaration
from exporter.ingest.openlineage.airflow_facets import DagRun, TaskInstance
from exporter.ingest.openlineage.facets import JobType
from exporter.ingest.openlineage.states import (
    About,
    AboutStage,
    End,
    Story,
    Told,
    Work,
    artifacts,
    checks,
    end,
    execution_state,
    stage_state,
)
from exporter.ingest.openlineage.wire import RunEvent

SOURCE = "airflow"
NAMESPACE = "airflow"
"""One for all installations, so that Airflow's own spans, which know no namespace, lead to the same
executions."""

LINK_LENGTH = 2048

_TASK_IN_LINK = re.compile(r"/tasks/.*|&task_id=.*", re.DOTALL)
_REASON = re.compile(r"^[a-z_]{1,64}$")


def translate(event: RunEvent, job: JobType, environment: str) -> Story | None:
    """What a run event of Airflow tells; None if it does not say of which DAG run."""
    if job.kind == "DAG" or (not job.kind and "airflow" not in event.run and facets.ancestry(event) is None):
        return _dag_run(event, environment)
    run = airflow_facets.dag_run(event, "airflow")
    return None if run is None else _task(event, environment, run)


def _dag_run(event: RunEvent, environment: str) -> Story:
    run = airflow_facets.dag_run(event, "airflowDagRun")
    # Providers before 1.12 do not say which DAG run ended.
    about = About(
        pipeline=clean_name(event.name) if run is None else run.dag_id,
        environment=environment,
        execution=event.run_id if run is None else run.run_id,
    )
    told = Told(
        kind=KIND,
        trigger=None if run is None else run.trigger,
        parameters=None if run is None else run.parameters,
        labels=facets.labels(event.run),
        parent=_parent(event),
    )
    ended = _dag_run_end(event, run)
    at = event.time if ended is None or run is None else run.ended_at or event.time
    moments: list[tuple[datetime, Payload]] = [(at, execution_state(event, about, told, ended))]
    if event.type == "START":
        moments.append((at, declaration(event, dag_id=about["pipeline"], environment=environment)))
        if run is not None and run.queued_at is not None:
            moments.append((run.queued_at, ExecutionQueued(**about)))
    if ended is not None:
        moments += [(at, payload) for payload in _settled(event, about)]
    return Story(SOURCE, NAMESPACE, moments)


def _dag_run_end(event: RunEvent, run: DagRun | None) -> End | None:
    ended = end(event)
    if ended is None:
        return None
    # A cleared DAG run starts again under the same run_id.
    ended.conclusive = False
    state = airflow_facets.dag_run_state(event)
    status = None if state is None else status_of_word(state)
    if state is not None and status in FINAL:
        ended.status, ended.word = Status(status), state
    if run is not None:
        ended.queued_at, ended.started_at = run.queued_at, run.started_at
    if ended.error is not None and _REASON.match(ended.error.message):
        # The message is but a reason like "task_failure"; what went wrong is told by the task.
        ended.error = replace(ended.error, type=ended.error.message)
    return ended


def _parent(event: RunEvent) -> Parent | None:
    """The DAG run that triggered this one: the job of the parent facet is the task that did."""
    ancestry = facets.ancestry(event)
    if ancestry is None:
        return None
    task, root = ancestry.parent, ancestry.root
    # Only the root, if it is the triggering DAG, tells where its name ends: both names may hold dots.
    dag = (
        root.name
        if root is not None and task.name.startswith(f"{root.name}.")
        else task.name.rpartition(".")[0]
    )
    return Parent(clean_name(dag or task.name), task.run_id)


def _settled(event: RunEvent, about: About) -> list[Payload]:
    found: list[Payload] = []
    for task in airflow_facets.task_ends(event):
        status = status_of_word(task.state)
        if status is None or status not in FINAL:
            continue
        # The provider writes 0.0 where a task never ran.
        unknown = task.duration == 0 and status is Status.SKIPPED
        found.append(
            StageSettled(
                **about,
                stage=task.task_id,
                status=status,
                source_status=task.state,
                duration_seconds=None if unknown else task.duration,
            )
        )
    return found


def _task(event: RunEvent, environment: str, run: DagRun) -> Story:
    task = airflow_facets.task_instance(event, run.dag_id)
    about = About(pipeline=run.dag_id, environment=environment, execution=run.run_id)
    about_stage = AboutStage(
        **about, stage=task.task_id, index=task.index, parent=[], attempt=task.attempt, attempt_id=None
    )
    work = Work(
        depends_on=task.upstream,
        items=datasets.items(datasets.inputs(event), datasets.outputs(event)),
        kind=task.operator,
    )
    at, ended = _task_end(event, task)
    moments: list[tuple[datetime, Payload]] = [(at, stage_state(event, about_stage, work, ended))]
    if event.type == "START":
        moments += _beginnings(event, about, about_stage, run, task)
    results = artifacts(event, about, task.task_id) + checks(event, about, task.task_id)
    moments += [(at, payload) for payload in results]
    return Story(SOURCE, NAMESPACE, moments)


def _task_end(event: RunEvent, task: TaskInstance) -> tuple[datetime, End | None]:
    """When and how a try ended. Airflow 2 tells its duration, a few milliseconds after its end."""
    ended = end(event)
    if ended is None:
        return event.time, None
    at = task.ended_at or event.time
    ended.started_at = task.started_at
    if ended.started_at is None and task.duration is not None:
        ended.started_at = at - timedelta(seconds=task.duration)
    if task.queued_at is not None and task.queued_at <= (ended.started_at or at):
        ended.queued_at = task.queued_at
    if ended.status is Status.FAILED:
        ended.retry = _will_retry(task, ended)
    return at, ended


def _will_retry(task: TaskInstance, ended: End) -> bool:
    told = "" if ended.error is None else f"{ended.error.type} {ended.error.stacktrace}"
    return (
        task.retries is not None
        and task.attempt is not None
        and task.attempt <= task.retries
        and "AirflowFailException" not in told
    )


def _beginnings(
    event: RunEvent, about: About, about_stage: AboutStage, run: DagRun, task: TaskInstance
) -> list[tuple[datetime, Payload]]:
    """What the start of a try tells besides: since when it waited, and where to see its DAG run."""
    found: list[tuple[datetime, Payload]] = []
    if task.queued_at is not None and task.queued_at <= event.time:
        found.append((task.queued_at, StageQueued(**about_stage)))
    link = _link(task.log_url or "")
    if link is not None:
        found.append((event.time, ExecutionHeartbeat(**about, kind=KIND, trigger=run.trigger, link=link)))
    return found


def _link(log_url: str) -> str | None:
    """Where Airflow shows the DAG run, cut from where it shows the log of a task."""
    link = _TASK_IN_LINK.sub("", log_url)
    sound = link.startswith(("http://", "https://")) and link.isprintable() and len(link) <= LINK_LENGTH
    return link if sound and link != log_url else None
