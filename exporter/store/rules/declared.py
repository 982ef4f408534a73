"""A pipeline describes itself."""

from __future__ import annotations

import msgspec

from exporter.catalogue import Scope
from exporter.domain.events import Event, PipelineDeclared
from exporter.store.records import Execution, Pipeline
from exporter.store.work import Work

_TOLD = ("kind", "owner", "description", "labels", "schedule", "paused", "llm_budget_usd")


def declared(
    work: Work, event: Event, payload: PipelineDeclared, pipeline: Pipeline, _: Execution | None, time: int
) -> None:
    """Keep what is told; what is left out stays as it was. Stages and streams are there from now on, at 0."""
    facts = pipeline.state.facts
    for name in _TOLD:
        value = getattr(payload, name)
        if value is not None:
            facts.tell(name, time, msgspec.to_builtins(value))
    facts.tell("source", time, event.source)
    pipeline.restarted = True
    if payload.stages is not None:
        facts.tell("stages", time, [stage.name for stage in payload.stages])
        for stage in payload.stages:
            describe_stage(work, pipeline, stage.name, time, kind=stage.kind, depends_on=stage.depends_on)
    for stream in payload.streams or ():
        work.component(pipeline, Scope.STREAM, (stream, "in"))


def describe_stage(
    work: Work, pipeline: Pipeline, name: str, time: int, *, kind: str | None, depends_on: list[str] | None
) -> None:
    """Keep what is told of a stage; the stages that it waits for are there too, or an edge would hang in the air."""
    component = work.component(pipeline, Scope.STAGE, (name,))
    if kind is not None:
        component.state.facts.tell("kind", time, kind)
    if depends_on is not None:
        component.state.facts.tell("depends_on", time, depends_on)
        for upstream in depends_on:
            work.component(pipeline, Scope.STAGE, (upstream,))
