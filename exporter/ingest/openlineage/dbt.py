"""Runs of dbt, as `dbt-ol` tells of them: during the run (`--consume-structured-logs`), or in one burst after
it.

An execution is one invocation of dbt (jobType JOB), whoever started it: its nodes name it as their parent,
while their root may be an orchestrator's. A stage is a node, named by dbt's own unique id
(`model.shop.stg_orders`, `test.shop.not_null_stg_orders_amount.2546645448`), which no two nodes share; the
burst knows no ids of generic tests and names them as dbt does, without the digest
(`test.shop.not_null_stg_orders_amount`). A statement is stage `sql` below its node, its number the index.
Nothing is tried twice within an invocation."""

from __future__ import annotations

import re

from msgspec.structs import replace

from exporter.domain.errors import Category
from exporter.domain.events import Parent, Payload
from exporter.domain.status import Status
from exporter.domain.text import clean_name
from exporter.ingest.openlineage import datasets, dbt_nodes, dbt_tests, facets
from exporter.ingest.openlineage.facets import Ancestor, Ancestry, JobType
from exporter.ingest.openlineage.plain import declaration
from exporter.ingest.openlineage.states import (
    About,
    AboutStage,
    End,
    Story,
    Told,
    Work,
    artifacts,
    end,
    execution_state,
    stage_state,
)
from exporter.ingest.openlineage.wire import RunEvent, word

SOURCE = "dbt"

_INVOCATION = "dbt-run-"
"""How the job of an invocation is called, unless its user chose another name."""

_STATEMENT = ".sql."

_FAILED = re.compile(r"^(Command `[^`]*` failed) at [\d:.]+ after [\d.]+ seconds$")


def translate(event: RunEvent, job: JobType, environment: str) -> Story | None:
    """What a run event of dbt tells; None if it does not say of which invocation."""
    ancestry = facets.ancestry(event)
    if job.kind == "JOB" or ancestry is None:
        return _invocation(event, environment, job, ancestry)
    if job.kind == "SQL":
        return _statement(event, environment, ancestry)
    return _node(event, environment, job, ancestry.parent)


def _invocation(event: RunEvent, environment: str, job: JobType, ancestry: Ancestry | None) -> Story:
    about = About(pipeline=clean_name(event.name), environment=environment, execution=event.run_id)
    starter = None if ancestry is None else ancestry.root or ancestry.parent
    told = Told(
        kind=word(job.kind.lower()),
        labels=facets.labels(event.run),
        parent=None if starter is None else Parent(starter.pipeline, starter.run_id),
    )
    payloads: list[Payload] = [execution_state(event, about, told, _end_of_all(event))]
    declared = declaration(event, about, job)
    if declared is not None:
        payloads.append(declared)
    return _story(event, event.namespace, payloads)


def _end_of_all(event: RunEvent) -> End | None:
    """How an invocation ended. Its message tells the time and no reason: with it no two failures would be alike."""
    ended = end(event)
    if ended is not None and ended.error is not None:
        ended.error = replace(ended.error, message=_FAILED.sub(r"\1", ended.error.message))
    return ended


def _statement(event: RunEvent, environment: str, ancestry: Ancestry) -> Story | None:
    """A statement names its node and the root of all; below an orchestrator, the invocation is not told."""
    invocation = ancestry.root
    if invocation is None or not invocation.name.startswith(_INVOCATION):
        return None
    node, found, number = event.name.rpartition(_STATEMENT)
    about = _about_stage(_about(invocation, environment), "sql")
    about["parent"] = [clean_name(ancestry.parent.name)]
    about["index"] = clean_name(number if found and node else event.run_id)
    return _story(event, invocation.namespace, [stage_state(event, about, Work(kind="sql"), end(event))])


def _node(event: RunEvent, environment: str, job: JobType, invocation: Ancestor) -> Story:
    about = _about(invocation, environment)
    node = dbt_nodes.node(event, job.kind)
    if job.kind == "TEST":
        together = dbt_tests.summed_up(event, node)
        if together is not None:
            return _story(event, invocation.namespace, dbt_tests.burst(event, about, node, together))
        if dbt_tests.is_echo(event):
            return _story(event, invocation.namespace, [])
    work = Work(
        depends_on=dbt_nodes.upstream(event, node),
        items=datasets.items(datasets.inputs(event), datasets.outputs(event)),
        kind=word(job.kind.lower() or node.resource),
    )
    payloads: list[Payload] = [stage_state(event, _about_stage(about, node.id), work, _end(event, job))]
    # What a test "writes" is the query that looks for failures.
    payloads += (
        dbt_tests.results(event, about, node.id) if job.kind == "TEST" else artifacts(event, about, node.id)
    )
    return _story(event, invocation.namespace, payloads)


def _end(event: RunEvent, job: JobType) -> End | None:
    """How a node ended."""
    if event.type == "OTHER":
        # Sent at the end alone, for ends that the client has no word for, such as dbt's "no-op".
        return End(Status.SKIPPED, event.type)
    ended = end(event)
    if ended is None:
        return None
    if event.type == "ABORT" or (job.kind == "TEST" and dbt_tests.was_skipped(event)):
        # A node is never aborted on its own: a client that was stopped sends ABORT for the invocation.
        ended.status = Status.SKIPPED
    if job.kind == "TEST" and ended.error is not None:
        ended.error = replace(ended.error, category=Category.DATA_QUALITY)
    return ended


def _about(invocation: Ancestor, environment: str) -> About:
    return About(pipeline=invocation.pipeline, environment=environment, execution=invocation.run_id)


def _about_stage(about: About, stage: str) -> AboutStage:
    return AboutStage(**about, stage=stage, index=None, parent=[], attempt=1, attempt_id=None)


def _story(event: RunEvent, namespace: str, payloads: list[Payload]) -> Story:
    return Story(SOURCE, namespace, [(event.time, payload) for payload in payloads])
