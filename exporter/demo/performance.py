"""An execution goes through its graph of stages, as its fate has it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from exporter.demo.attempt import Attempt
from exporter.demo.error import Error, StageFailed
from exporter.demo.execution import Execution
from exporter.demo.pipeline import Fate, Trouble
from exporter.demo.simulation import Process, Task
from exporter.demo.stage import Stage

ENDED_BADLY = ("failed", "timed_out", "cancelled")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stage ended. A blocked one never began, because one before it ended badly."""

    status: str = "succeeded"
    error: Error | None = None


Course = Generator[float | Task, None, Outcome]
"""A process that comes to an outcome."""


class Performance:
    """One pass through the graph; stages that do not depend on each other run at the same time."""

    def __init__(self, execution: Execution, fate: Fate) -> None:
        self.execution = execution
        self.fate = fate
        self._tasks: dict[str, Task] = {}
        self._outcomes: dict[str, Outcome] = {}

    def play(self) -> Process:
        """Run all stages, then finish the execution."""
        for stage in self.execution.pipeline.stages:
            self._tasks[stage.name] = self.execution.simulation.begin(self._when_ready(stage))
        yield from self._tasks.values()
        ends = [outcome for outcome in self._outcomes.values() if outcome.status in ENDED_BADLY]
        last = ends[0] if ends else Outcome()
        # A stage has told why it failed; only of a cancellation the execution itself knows the reason.
        self.execution.finish(last.status, last.error if last.status == "cancelled" else None)

    def _when_ready(self, stage: Stage) -> Process:
        for name in stage.depends_on:
            yield self._tasks[name]
        before = [self._outcomes[name].status for name in stage.depends_on]
        blocked = any(status == "blocked" or status in ENDED_BADLY for status in before)
        if stage.name in self.fate.skips or (before and all(status == "skipped" for status in before)):
            self._outcomes[stage.name] = self._leave_out(stage, "skipped")
        elif blocked and not stage.always:
            self._outcomes[stage.name] = self._leave_out(stage, "blocked")
        else:
            self._outcomes[stage.name] = yield from self._instances(stage)

    def _leave_out(self, stage: Stage, status: str) -> Outcome:
        self.execution.tell("pipeline.stage.finished", stage=stage.name, status="skipped")
        return Outcome(status)

    def _instances(self, stage: Stage) -> Course:
        if not stage.instances:
            return (yield from self._tries(stage))
        outcomes: list[Outcome] = []

        def instance(index: str) -> Process:
            yield self.execution.real(self.execution.random.uniform(0, 0.3))
            outcomes.append((yield from self._tries(stage, index)))

        yield from [self.execution.simulation.begin(instance(index)) for index in stage.instances]
        return next((outcome for outcome in outcomes if outcome.status != "succeeded"), Outcome())

    def _tries(self, stage: Stage, index: str | None = None, parents: tuple[str, ...] = ()) -> Course:
        random = self.execution.random
        slowness = self.fate.slowness * self.fate.slow.get(stage.name, 1.0)
        seconds = stage.seconds * random.lognormvariate(0, stage.spread) * slowness
        for number in range(1, stage.attempts + 1):
            attempt = Attempt(self.execution, stage, index, parents, number)
            if self.execution.pipeline.queues_stages and not parents:
                attempt.queue()
                yield self.execution.real(random.uniform(0.1, 1.2))
            attempt.start()
            try:
                yield from self._work(attempt, seconds)
            except StageFailed as failure:
                retry = number < stage.attempts and failure.status == "failed"
                attempt.fail(failure, retry=retry)
                if not retry:
                    return Outcome(failure.status, failure.error)
                yield self.execution.real(stage.retry_after)
            else:
                attempt.make()
                attempt.finish()
                break
        return Outcome()

    def _work(self, attempt: Attempt, seconds: float) -> Process:
        stage = attempt.stage
        trouble = self._trouble(attempt)
        if stage.name in self.fate.warnings:
            code, message = self.fate.warnings[stage.name]
            self.execution.tell("pipeline.warning.raised", stage=stage.name, code=code, message=message)
        if stage.name == self.fate.dies_in:
            yield from attempt.advance(seconds, 0.55)
            self.execution.die()
        if stage.name == self.fate.silent_in:
            self.execution.muted = True
            yield self.execution.real(self.fate.silence)
            self.execution.muted = False
            attempt.log("warning", f"monitoring was unreachable for {self.fate.silence:.0f} s")
        if stage.inside:
            yield from self._sub_stages(attempt)
        elif stage.act:
            yield from stage.act(attempt, seconds)
        else:
            yield from attempt.advance(seconds, trouble.at if trouble else 1.0)
        if trouble:
            raise StageFailed(trouble.error, trouble.status)

    def _sub_stages(self, attempt: Attempt) -> Process:
        stage = attempt.stage
        for number, inner in enumerate(stage.inside, start=1):
            outcome = yield from self._tries(inner, None, (*attempt.parents, stage.name))
            if outcome.error:
                raise StageFailed(outcome.error, outcome.status)
            attempt.fraction = number / len(stage.inside)

    def _trouble(self, attempt: Attempt) -> Trouble | None:
        trouble = self.fate.troubles.get(attempt.stage.name)
        if trouble is None or attempt.number > trouble.attempts:
            return None
        return trouble if trouble.index in (None, attempt.index) else None


def perform(execution: Execution, fate: Fate) -> Process:
    """Go through the pipeline's graph of stages, or through the body that it has instead."""
    body = execution.pipeline.body
    if body is not None:
        return body(execution, fate)
    return Performance(execution, fate).play()
