"""One execution of a demo pipeline: what it tells about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from exporter.demo.error import Error
from exporter.demo.event import timestamp
from exporter.demo.stage import efforts

if TYPE_CHECKING:
    from exporter.demo.attempt import Attempt
    from exporter.demo.pipeline import Pipeline
    from exporter.demo.simulation import Process, Simulation

LEAST_HEARTBEAT = 10.0
"""Wall-clock seconds of silence that are never held against an execution, however fast the story goes."""


@dataclass(frozen=True, slots=True)
class Start:
    """How an execution came about. `serial` counts from the demo's start, `number` from when it went live."""

    serial: int
    number: int
    due: datetime
    trigger: str
    parent: Execution | None = None


class Execution:
    """One run of a pipeline: its identity, its luck, and everything it says about itself."""

    def __init__(self, simulation: Simulation, pipeline: Pipeline, start: Start) -> None:
        self.simulation = simulation
        self.pipeline = pipeline
        self.serial = start.serial
        self.number = start.number
        self.due = start.due
        self.trigger = start.trigger
        self.parent = start.parent
        self.random = simulation.random(*pipeline.key, start.serial)
        self.volume = self.random.lognormvariate(0, 0.22)
        self.status = "queued"
        self.doomed = False
        self.dead = False
        self.muted = False
        self.attempts: dict[Attempt, None] = {}
        self.id = pipeline.identifier(self)
        self.parameters = pipeline.parameters(self)
        self._started = start.due
        self._done: dict[tuple[object, ...], float] = {}
        self._effort = efforts(pipeline.stages) or 1.0
        self._progress = 0.0
        self._next_progress = start.due
        simulation.open[self] = None

    @property
    def detailed(self) -> bool:
        """Whether it tells of its progress and chats: not in history."""
        return self.simulation.live

    @property
    def ended(self) -> bool:
        """Whether nothing more will be told."""
        return self.dead or self.status not in {"queued", "running", "paused"}

    def real(self, seconds: float) -> float:
        """Wall-clock seconds that so many seconds of the story take."""
        return self.simulation.pace.real(seconds)

    def tell(self, kind: str, /, **data: object) -> None:
        """Emit an event about this execution, unless its process is dead or cut off. None is left out."""
        if self.dead or self.muted:
            return
        told: dict[str, object] = {
            "pipeline": self.pipeline.name,
            "environment": self.pipeline.environment,
            "execution": self.id,
        }
        told.update((key, value) for key, value in data.items() if value is not None)
        self.simulation.emit(kind, told)

    def queue(self) -> None:
        """It waits."""
        self.tell("pipeline.execution.queued", **self._describe())

    def start(self) -> None:
        """It runs."""
        self.status = "running"
        self._started = self.simulation.instant
        self.tell("pipeline.execution.started", **self._describe(), heartbeat_seconds=self.heartbeat)

    def pause(self) -> None:
        """It is halted."""
        self.status = "paused"
        self.tell("pipeline.execution.paused")

    def resume(self) -> None:
        """It goes on."""
        self.status = "running"
        self.tell("pipeline.execution.resumed")

    @property
    def heartbeat(self) -> float | None:
        """Longest silence to declare, in wall-clock seconds.

        In history only of executions that die: a backfill pauses between batches, executions did not.
        """
        if self.pipeline.heartbeat is None or not (self.detailed or self.doomed):
            return None
        return max(LEAST_HEARTBEAT, self.real(self.pipeline.heartbeat))

    def beat(self) -> Process:
        """Give signs of life until the end."""
        silence = self.heartbeat
        while silence is not None and not self.ended:
            self.tell("pipeline.execution.heartbeat")
            yield silence / 3

    def finish(self, status: str = "succeeded", error: Error | None = None) -> None:
        """It ended."""
        self.status = status
        took = (self.simulation.instant - self._started).total_seconds()
        level = "error" if status in {"failed", "timed_out"} else "info"
        self.log(level, f"execution {status} after {took:.1f} s")
        self.tell("pipeline.execution.finished", status=status, error=error.as_data() if error else None)
        self.simulation.open.pop(self, None)

    def die(self) -> None:
        """Its process is gone; nothing is heard of it again."""
        self.dead = True
        self.simulation.open.pop(self, None)

    def cancel(self) -> None:
        """The demo ends and takes it along."""
        self.muted = False
        for attempt in reversed(list(self.attempts)):
            attempt.finish("cancelled")
        self.finish("cancelled")
        self.dead = True

    def log(self, level: str, message: str, stage: str | None = None, **fields: object) -> None:
        """A line of the log. In history only warnings and worse are told."""
        if self.detailed or level in {"warning", "error", "critical"}:
            self.tell(
                "pipeline.log.emitted", stage=stage, level=level, message=message, fields=fields or None
            )

    def progressed(self, key: tuple[object, ...], effort: float, message: str) -> None:
        """Note that so many seconds' worth of work are done under the key; tell it now and then."""
        self._done[key] = effort
        reached = min(0.99, max(self._progress, sum(self._done.values()) / self._effort))
        self.report(reached, message)

    def report(self, progress: float, message: str) -> None:
        """Tell how far it is, every few seconds at most, if this pipeline does so at all."""
        now = self.simulation.instant
        if not (self.pipeline.reports_progress and self.detailed) or now < self._next_progress:
            return
        self._next_progress = now + timedelta(seconds=self.real(2))
        self._progress = progress
        left = (now - self._started) * ((1 - progress) / progress) if progress > 0.08 else None
        self.tell(
            "pipeline.execution.progressed",
            progress=round(progress, 4),
            message=message,
            eta=None if left is None else timestamp(now + left),
        )

    def _describe(self) -> dict[str, object]:
        parent = self.parent and {"pipeline": self.parent.pipeline.name, "execution": self.parent.id}
        return {
            "kind": self.pipeline.kind,
            "trigger": self.trigger,
            "parameters": self.parameters or None,
            "labels": dict(self.pipeline.labels) or None,
            "parent": parent,
        }
