"""A pipeline describes itself."""

from __future__ import annotations

import msgspec

from exporter.catalogue import Scope
from exporter.catalogue.thresholds import declared as declared_thresholds
from exporter.domain.events import PipelineDeclared
from exporter.store.rules.news import News
from exporter.store.work import Work

_TOLD = ("kind", "owner", "description", "labels", "schedule", "paused", "llm_budget_usd")


def declared(work: Work, news: News, payload: PipelineDeclared) -> None:
    """Keep what is told; what is left out stays as it was. Stages and streams are there from now on, at 0."""
    facts = news.pipeline.state.facts
    for name in _TOLD:
        value = getattr(payload, name)
        if value is not None:
            facts.tell(name, news.time, msgspec.to_builtins(value))
    facts.tell("source", news.time, news.event.source)
    if payload.labels is not None and news.pipeline.series_id is None:
        _make_room(work, news, len(declared_thresholds(payload.labels)))
    news.pipeline.restarted = True
    if payload.stages is not None:
        facts.tell("stages", news.time, [stage.name for stage in payload.stages])
        for stage in payload.stages:
            describe_stage(work, news, stage.name, kind=stage.kind, depends_on=stage.depends_on)
    for stream in payload.streams or ():
        work.component(news.pipeline, Scope.STREAM, (stream, "in"))


def _make_room(work: Work, news: News, thresholds: int) -> None:
    """Take from the budget of series what the pipeline's thresholds need; those beyond it are not exposed."""
    state = news.pipeline.state
    for _ in range(thresholds - state.thresholds):
        if work.series + 1 > work.limits.series:
            work.overflow("threshold")
            return
        work.series += 1
        state.thresholds += 1


def describe_stage(
    work: Work, news: News, name: str, *, kind: str | None = None, depends_on: list[str] | None = None
) -> None:
    """Keep what is told of a stage; those that it waits for are there too, or an edge would hang in the air."""
    component = work.component(news.pipeline, Scope.STAGE, (name,))
    if kind is not None:
        component.state.facts.tell("kind", news.time, kind)
    if depends_on is not None:
        component.state.facts.tell("depends_on", news.time, depends_on)
        for upstream in depends_on:
            work.component(news.pipeline, Scope.STAGE, (upstream,))
