"""After the events of a group: what the marks add up to, and what there is to count once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from operator import attrgetter

from exporter.catalogue import Scope
from exporter.catalogue import metrics as m
from exporter.domain.lifecycle import Episode
from exporter.domain.status import ACTIVE, Status
from exporter.domain.times import SECOND
from exporter.store.failure import find_failure, note_failure
from exporter.store.limits import Limits
from exporter.store.long_stages import fits, put_by
from exporter.store.recent import note_end, note_start
from exporter.store.records import Execution, Instance, Pipeline, Standing
from exporter.store.rules.due import refresh
from exporter.store.standing import resolve
from exporter.store.state import STAGE_SUCCESSES, ComponentState, Duration, PipelineState, remember
from exporter.store.work import Work

UNTIMED = frozenset({Status.SKIPPED, Status.LOST})
"""Ends whose duration says nothing about the work."""

LEAST_PATIENCE = timedelta(hours=1)
PATIENCE_WITHOUT_HISTORY = timedelta(days=1)
PATIENCE_OF_LONGEST = 3
_duration = attrgetter("duration")


def settle(work: Work) -> None:
    """Bring all rows of a group up to date and count what ended."""
    for instance in work.instances.values():
        if instance.put_by is not None and not fits(instance):
            work.take_up(instance)
    for execution in work.executions.values():
        _settle_execution(work, execution)
    recovered: dict[str, Execution] = {}
    for instance in work.instances.values():
        _settle_stage(work, instance)
        if note_failure(instance):
            recovered[instance.execution.id] = instance.execution
    for execution in recovered.values():
        find_failure(work, execution)
    for instance in work.instances.values():
        put_by(instance)
    for pipeline in work.cache.by_id.values():
        if pipeline.restarted:
            refresh(pipeline.state)
            pipeline.restarted = False


def _settle_execution(work: Work, execution: Execution) -> None:
    pipeline = work.pipeline(execution.environment, execution.pipeline)
    found = execution.episodes()
    last = found[-1]
    facts = execution.facts
    execution.kind = facts.get("kind")
    execution.trigger = facts.get("trigger")
    if execution.kind is not None:
        pipeline.state.facts.tell("execution_kind", execution.first_at, execution.kind)
    was_active = execution.new or execution.active
    execution.status = last.status.value
    execution.source_status = last.word or None
    execution.queued_at, execution.started_at, execution.ended_at = (
        last.queued_at,
        last.started_at,
        last.ended_at,
    )
    execution.duration = last.duration
    execution.sort_at = last.started_at or last.queued_at or execution.first_at
    _count_queue(work, execution, pipeline, last)
    ended = [episode for episode in found if episode.ended_at is not None]
    _count_ends(work, execution, pipeline, ended)
    note_start(pipeline, last, work.now)
    note_end(pipeline.state, execution, last, work.now)
    if execution.active:
        execution.deadline = execution.seen_at + patience(execution, pipeline.state, work.limits)
    else:
        execution.deadline = None
    if was_active != execution.active:
        work.turned.append(execution)


def patience(execution: Execution, state: PipelineState, limits: Limits) -> int:
    """Silence after which an execution is taken for lost, in microseconds."""
    heartbeat = execution.facts.get("heartbeat_seconds")
    if heartbeat is not None:
        return int(heartbeat * SECOND)
    if limits.lost_after is not None:
        return int(limits.lost_after.total_seconds() * SECOND)
    if not state.successes:
        return int(PATIENCE_WITHOUT_HISTORY.total_seconds() * SECOND)
    longest: int = max(map(_duration, state.successes))
    return max(int(LEAST_PATIENCE.total_seconds() * SECOND), PATIENCE_OF_LONGEST * longest)


def _count_queue(work: Work, execution: Execution, pipeline: Pipeline, last: Episode) -> None:
    waited = last.queue_duration
    if waited is not None and not execution.queue_counted:
        execution.queue_counted = True
        exemplar = (execution.id, execution.sort_at)
        work.meter(pipeline).state.totals.observe(
            m.EXECUTION_QUEUE_DURATION, waited / SECOND, exemplar=exemplar
        )


def _count_ends(work: Work, execution: Execution, pipeline: Pipeline, ended: list[Episode]) -> None:
    shown = [(episode.status, episode.duration) for episode in ended]
    before, execution.ends = execution.ends, shown
    if shown == before:
        return
    extra = len(shown) - execution.ends_counted
    if extra <= 0:
        if shown:
            work.correct("execution")
        return
    execution.ends_counted = len(shown)
    totals = work.meter(pipeline).state.totals
    for position in uncounted([status for status, _ in before], [status for status, _ in shown])[-extra:]:
        episode = ended[position]
        totals.add(m.EXECUTIONS, 1, episode.status)
        if episode.duration is not None and episode.status not in UNTIMED:
            exemplar = (execution.id, episode.ended_at or 0)
            totals.observe(m.EXECUTION_DURATION, episode.duration / SECOND, exemplar=exemplar)


def uncounted(before: list[Status], now: list[Status]) -> list[int]:
    """Positions of the ends whose status was not counted yet."""
    if not before:
        return list(range(len(now)))
    counted = Counter(before)
    fresh = []
    for position, status in enumerate(now):
        if counted[status] > 0:
            counted[status] -= 1
        else:
            fresh.append(position)
    return fresh


def _settle_stage(work: Work, instance: Instance) -> None:
    execution = instance.execution
    before = instance.before
    now = resolve(instance, execution_ended=not execution.active)
    if now.status is None and before.status is None:
        return
    component = work.component(instance.pipeline, Scope.STAGE, (instance.path[-1],))
    state = component.state
    _count_stage_ends(work, state, instance, before, now)
    if now.retries > before.retries:
        state.totals.add(m.STAGE_RETRIES, now.retries - before.retries)
    for part, amount in (("in", now.items_in - before.items_in), ("out", now.items_out - before.items_out)):
        if amount > 0:
            state.totals.add(m.STAGE_ITEMS, amount, part)
    if now.cpu_seconds > before.cpu_seconds:
        state.totals.add(m.STAGE_CPU, now.cpu_seconds - before.cpu_seconds)
    for attempt in instance.attempts.values():
        if attempt.last and attempt.memory_peak_bytes is not None:
            state.facts.tell(
                m.STAGE_MEMORY_PEAK.name, attempt.started_at or attempt.first_at, attempt.memory_peak_bytes
            )
    if len(instance.path) == 1:
        execution.stages_total += (now.status is not None) - (before.status is not None)
        execution.stages_done += _done(now.status) - _done(before.status)
    execution.stages_active += now.active - before.active


def _count_stage_ends(
    work: Work, state: ComponentState, instance: Instance, before: Standing, now: Standing
) -> None:
    if now.ends == before.ends:
        return
    extra = len(now.ends) - len(before.ends)
    if extra <= 0:
        if now.ends and before.ends:
            work.correct("stage")
    else:
        for position in uncounted([end.status for end in before.ends], [end.status for end in now.ends])[
            -extra:
        ]:
            end = now.ends[position]
            state.totals.add(m.STAGE_EXECUTIONS, 1, end.status)
            if end.duration is not None and end.status not in UNTIMED:
                exemplar = (instance.execution.id, end.ended_at or instance.execution.last_at)
                state.totals.observe(m.STAGE_DURATION, end.duration / SECOND, exemplar=exemplar)
    key = instance.id.hex()[-16:]
    if before.ends:
        state.successes = [entry for entry in state.successes if entry.key != key]
    last = now.ends[-1] if now.ends else None
    if (
        last is not None
        and last.status is Status.SUCCEEDED
        and last.duration is not None
        and last.ended_at is not None
    ):
        remember(state.successes, Duration(last.ended_at, key, last.duration), STAGE_SUCCESSES)


def _done(status: str | None) -> int:
    return int(status is not None and status not in ACTIVE and status != Status.LOST)
