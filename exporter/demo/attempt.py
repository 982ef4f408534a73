"""One attempt of a stage: what it uses, handles, says and makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.demo.error import Error, StageFailed
from exporter.demo.execution import Execution
from exporter.demo.simulation import Process
from exporter.demo.stage import MEGABYTE, Stage

TICK = 2.5
"""Seconds of the story between two looks at a stage at work."""

MOST_TICKS = 60


@dataclass(slots=True)
class Usage:
    """What an attempt has used so far."""

    cpu: float = 0.0
    peak: float = 0.0
    read: float = 0.0
    written: float = 0.0


@dataclass(eq=False)
class Attempt:
    """One try at a stage, or at one instance of a mapped one."""

    execution: Execution
    stage: Stage
    index: str | None = None
    parents: tuple[str, ...] = ()
    number: int = 1
    fraction: float = field(default=0.0, init=False)
    usage: Usage = field(default_factory=Usage, init=False)

    def __post_init__(self) -> None:
        random = self.execution.random
        self.taken = round(self.stage.items * self.execution.volume * random.uniform(0.92, 1.08))
        self.given = round(self.taken * self.stage.keeps)

    def tell(self, kind: str, /, **data: object) -> None:
        """Emit an event of the stage."""
        self.execution.tell(
            f"pipeline.stage.{kind}",
            stage=self.stage.name,
            index=self.index,
            parent=list(self.parents) or None,
            attempt=self.number,
            **data,
        )

    def queue(self) -> None:
        """It waits for a worker."""
        self.tell("queued")

    def start(self) -> None:
        """It runs."""
        learnt = self.execution.pipeline.graph_from_events
        self.execution.attempts[self] = None
        self.tell("started", depends_on=list(self.stage.depends_on) if learnt and not self.parents else None)

    def finish(self, status: str = "succeeded", error: Error | None = None, *, retry: bool = False) -> None:
        """It ended; with `retry` another attempt follows."""
        if status == "succeeded":
            self.fraction = 1.0
        self.execution.attempts.pop(self, None)
        self.tell(
            "finished",
            status=status,
            items=self._items(),
            error=error.as_data() if error else None,
            retry=retry or None,
        )

    def fail(self, failure: StageFailed, *, retry: bool) -> None:
        """It ended with an error, which its log shows with the stack trace.

        Enclosing stages fail along without repeating the error of the stage inside.
        """
        error = failure.error
        if self.stage.inside:
            self.finish(failure.status, retry=retry)
            return
        level = "critical" if error.severity == "critical" else "error"
        self.log(level, error.stacktrace, attempt=self.number)
        if retry:
            wait = f"{self.stage.retry_after:g} s"
            self.log("warning", f"attempt {self.number} failed, trying again in {wait}", attempt=self.number)
        self.finish(failure.status, error, retry=retry)

    def log(self, level: str, message: str, **fields: object) -> None:
        """A line of the log, under this stage."""
        if self.index is not None:
            fields["index"] = self.index
        self.execution.log(level, message, self.stage.name, **fields)

    def make(self) -> None:
        """Tell of the artifacts of the stage."""
        names = {**self._names(), "stage": self.stage.name, "id": self.execution.id}
        for artifact in self.stage.makes:
            size = (
                artifact.megabytes
                * MEGABYTE
                * self.execution.volume
                * self.execution.random.uniform(0.9, 1.1)
            )
            self.execution.tell(
                "pipeline.artifact.produced",
                stage=self.stage.name,
                name=artifact.name.format_map(names),
                uri=artifact.uri.format_map(names),
                bytes=round(size),
                media_type=artifact.media_type,
            )

    def count(self) -> None:
        """Tell how many items went in and out so far, if it counts any."""
        if self.taken:
            self.tell("progressed", items=self._items())

    def flow(self, taken: int, given: int) -> None:
        """So many more items went through a stage that has no end to come nearer to."""
        self.fraction = 1.0
        self.taken += taken
        self.given += given

    def advance(self, seconds: float, upto: float = 1.0) -> Process:
        """Work until the share `upto` of a stage of so many seconds is done, telling of it on the way."""
        length = (upto - self.fraction) * seconds
        ticks = max(1, min(MOST_TICKS, round(length / TICK))) if self.execution.detailed else 1
        begun = self.fraction
        for tick in range(1, ticks + 1):
            yield self.execution.real(length / ticks)
            self.reach(begun + (upto - begun) * tick / ticks, length / ticks, tick, ticks)

    def reach(self, fraction: float, seconds: float, tick: int, ticks: int) -> None:
        """So much is done after so many more seconds of work, at one of several looks; tell some of it."""
        self.fraction = fraction
        self.use(seconds, tell=tick == ticks or (self.execution.detailed and tick % 2 == 0))
        if self.execution.detailed:
            self._chat(tick, ticks)

    def _chat(self, tick: int, ticks: int) -> None:
        if tick < ticks and tick % 2:
            self.count()
        said = self.stage.says
        for level, text in said[(tick - 1) * len(said) // ticks : tick * len(said) // ticks]:
            self.log(level, text.format_map(self._names()))
        self.execution.progressed(
            (*self.parents, self.stage.name, self.index), self.stage.seconds * self.fraction, self.stage.name
        )

    def use(self, seconds: float, *, tell: bool = True) -> None:
        """It worked for so many seconds and used the processor and memory meanwhile."""
        random, stage, usage = self.execution.random, self.stage, self.usage
        usage.cpu += self.execution.real(seconds) * stage.cores * random.uniform(0.75, 1.0)
        # Memory fills as the stage goes on, and breathes a little.
        memory = stage.memory * MEGABYTE * (0.55 + 0.45 * self.fraction) * random.uniform(0.94, 1.06)
        usage.peak = max(usage.peak, memory)
        share = seconds / max(seconds, stage.seconds)
        usage.read += stage.reads * MEGABYTE * share * self.execution.volume
        usage.written += stage.writes * MEGABYTE * share * self.execution.volume
        if tell:
            self._tell_usage(memory)

    def _tell_usage(self, memory: float) -> None:
        usage = self.usage
        accelerator = self.stage.accelerator * MEGABYTE * self.execution.random.uniform(0.9, 1.0)
        self.execution.tell(
            "pipeline.resources.sampled",
            stage=self.stage.name,
            index=self.index,
            parent=list(self.parents) or None,
            attempt=self.number,
            cpu_seconds=round(usage.cpu, 4),
            memory_bytes=round(memory),
            memory_peak_bytes=round(usage.peak),
            io_read_bytes=round(usage.read),
            io_written_bytes=round(usage.written),
            accelerator_memory_bytes=round(accelerator) or None,
        )

    def _items(self) -> Mapping[str, int] | None:
        if not self.taken:
            return None
        return {"in": round(self.taken * self.fraction), "out": round(self.given * self.fraction)}

    def _names(self) -> dict[str, object]:
        return {
            "done": round(self.taken * self.fraction),
            "total": self.taken,
            "index": self.index or "",
            "serial": self.execution.serial,
        }
