"""What each kind of event does to the rows and totals. One function an event type, looked up in `RULES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from exporter.domain import events as e
from exporter.domain.events import Payload
from exporter.store.rules import declared, executions, measures, stages
from exporter.store.rules.news import News
from exporter.store.work import Work

Rule = Callable[[Work, News, Any], None]
"""Work, the event with the rows that it is about, and its payload."""

RULES: Mapping[type[Payload], Rule] = {
    e.PipelineDeclared: declared.declared,
    e.ExecutionQueued: executions.entered,
    e.ExecutionStarted: executions.entered,
    e.ExecutionPaused: executions.entered,
    e.ExecutionResumed: executions.entered,
    e.ExecutionHeartbeat: executions.told,
    e.ExecutionProgressed: executions.progressed,
    e.ExecutionFinished: executions.finished,
    e.StageQueued: stages.entered,
    e.StageStarted: stages.entered,
    e.StageProgressed: stages.told,
    e.StageFinished: stages.finished,
    e.StageSettled: stages.settled,
    e.ResourcesSampled: stages.sampled,
    e.ArtifactProduced: executions.kept,
    e.WarningRaised: executions.kept,
    e.LogEmitted: executions.kept,
    e.StreamMeasured: measures.streamed,
    e.RecordsChecked: measures.checked,
    e.LlmCalled: measures.called,
}
