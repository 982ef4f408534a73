"""Runs of integrations that follow the specification and no more: Spark, Flink, custom ones.

A run without a parent is an execution; a run with one is a stage. Which execution it belongs to, the parent
facet's `root` tells, or else the parent itself. A new run of the same job in the same execution is another
attempt.

Of a stage's place only the parent's name is known: below the second level, the path begins at the parent.
"""

from __future__ import annotations

from exporter.domain.events import Parent, Payload, PipelineDeclared
from exporter.domain.text import clean_name
from exporter.ingest.openlineage import datasets, facets
from exporter.ingest.openlineage.facets import Ancestry, JobType
from exporter.ingest.openlineage.states import (
    About,
    AboutStage,
    Story,
    Told,
    Work,
    artifacts,
    checks,
    end,
    execution_state,
    stage_state,
)
from exporter.ingest.openlineage.wire import RunEvent, word

ATTEMPT_ID_LENGTH = 128

_EXECUTIONS = {("SPARK", "APPLICATION"), ("FLINK", "JOB")}
"""Runs that are executions of their own although another system started them."""


def translate(event: RunEvent, job: JobType, environment: str) -> Story:
    """What a run event of an integration without peculiarities tells."""
    source = (word(job.integration) or "openlineage").lower()
    ancestry = facets.ancestry(event)
    if ancestry is None or job.kind == "DAG" or (job.integration, job.kind) in _EXECUTIONS:
        return execution(event, environment, source, job, ancestry)
    return stage(event, environment, source, job, ancestry)


def execution(
    event: RunEvent, environment: str, source: str, job: JobType, ancestry: Ancestry | None
) -> Story:
    """A run that stands alone."""
    about = About(pipeline=clean_name(event.name), environment=environment, execution=event.run_id)
    told = Told(
        kind=word(job.kind.lower()),
        parameters=facets.parameters(event.run),
        labels=facets.labels(event.run),
        parent=None if ancestry is None else Parent(ancestry.parent.pipeline, ancestry.parent.run_id),
    )
    payloads: list[Payload] = [execution_state(event, about, told, end(event))]
    declared = declaration(event, about, job)
    if declared is not None:
        payloads.append(declared)
    payloads += artifacts(event, about, None) + checks(event, about, None)
    return Story(source, event.namespace, [(event.time, payload) for payload in payloads])


def declaration(event: RunEvent, about: About, job: JobType) -> PipelineDeclared | None:
    """What the start of a run tells of its job."""
    if event.type != "START":
        return None
    declared = PipelineDeclared(
        pipeline=about["pipeline"],
        environment=about["environment"],
        kind=word(job.kind.lower()),
        owner=facets.owner(event.job),
        description=facets.description(event.job),
        labels=facets.labels(event.job),
    )
    nothing = PipelineDeclared(pipeline=declared.pipeline, environment=declared.environment)
    return None if declared == nothing else declared


def stage(event: RunEvent, environment: str, source: str, job: JobType, ancestry: Ancestry) -> Story:
    """A run that is part of another's."""
    parent = ancestry.parent
    # A Spark application names the run that started it as the root of its jobs, yet they are its own stages.
    owner = parent if job.integration == "SPARK" else ancestry.root or parent
    nested = parent.run_id != owner.run_id
    about = AboutStage(
        pipeline=owner.pipeline,
        environment=environment,
        execution=owner.run_id,
        stage=own_name(event.name, parent.name, owner.name),
        index=None,
        parent=[own_name(parent.name, owner.name)] if nested else [],
        attempt=None,
        attempt_id=clean_name(event.run_id, ATTEMPT_ID_LENGTH),
    )
    work = Work(
        items=datasets.items(datasets.inputs(event), datasets.outputs(event)),
        kind=word(job.kind.lower()),
    )
    payloads: list[Payload] = [stage_state(event, about, work, end(event))]
    whole = About(pipeline=about["pipeline"], environment=environment, execution=about["execution"])
    payloads += artifacts(event, whole, about["stage"]) + checks(event, whole, about["stage"])
    return Story(source, owner.namespace, [(event.time, payload) for payload in payloads])


def own_name(name: str, *ancestors: str) -> str:
    """A job's name without the name of an ancestor that it begins with: `nightly.extract` is `extract`."""
    for ancestor in ancestors:
        if name.startswith(f"{ancestor}.") and len(name) > len(ancestor) + 1:
            return clean_name(name[len(ancestor) + 1 :])
    return clean_name(name)
