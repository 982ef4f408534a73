"""Starts executions: when a schedule has it, when somebody asks, or when another pipeline is done."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from exporter.demo.execution import Execution, Start
from exporter.demo.performance import perform
from exporter.demo.pipeline import Pipeline
from exporter.demo.simulation import Process, Simulation, Task

_BUSY_HOURS = (4, 3, 3, 2, 2, 3, 5, 8, 14, 20, 22, 20, 15, 17, 20, 21, 18, 13, 9, 8, 7, 6, 5, 5)
"""How many people ask for something in each hour of the day (UTC), beside each other."""


class Dispatcher:
    """Keeps all pipelines going."""

    def __init__(self, simulation: Simulation, pipelines: Sequence[Pipeline]) -> None:
        self.simulation = simulation
        self.pipelines = {pipeline.key: pipeline for pipeline in pipelines}
        self._latest: dict[tuple[str, str], Task] = {}
        self._serials = {key: count() for key in self.pipelines}
        self._numbers = {
            key: count(_number_at(simulation, pipeline)) for key, pipeline in self.pipelines.items()
        }

    def open(self) -> None:
        """Put the starts of every pipeline on the agenda, and declare all of them if this is live."""
        for pipeline in self.pipelines.values():
            if self.simulation.live:
                pipeline.declare(self.simulation)
            self.simulation.begin(self._keep_going(pipeline))

    def _keep_going(self, pipeline: Pipeline) -> Process:
        if pipeline.restarts is not None:
            yield self.simulation.pace.real(pipeline.first)
            yield from self._restart(pipeline)
        elif not (pipeline.schedule or pipeline.arrivals):
            return
        elif not self.simulation.live:
            yield from self._in_history(pipeline)
        elif not pipeline.paused:
            yield from self._live(pipeline)

    def _live(self, pipeline: Pipeline) -> Process:
        if not pipeline.keeps_to_the_day(self.simulation):
            yield self.simulation.pace.real(pipeline.first)
            # The first one does not wait for the schedule: somebody wants to see something.
            self._start(pipeline, "manual" if pipeline.follows_cron(self.simulation) else pipeline.trigger)
        while True:
            yield self._until_next(pipeline)
            self._start(pipeline, pipeline.trigger)

    def _in_history(self, pipeline: Pipeline) -> Process:
        margin = self.simulation.pace.real(pipeline.longest)
        while (wait := self._until_next(pipeline)) < self.simulation.until_end - margin:
            yield wait
            self._start(pipeline, pipeline.trigger)

    def _until_next(self, pipeline: Pipeline) -> float:
        gap = pipeline.gap(self.simulation)
        now = self.simulation.instant
        if pipeline.schedule and pipeline.keeps_to_the_day(self.simulation):
            return pipeline.schedule.until_next_day(now)
        if pipeline.follows_cron(self.simulation):
            # Minutes of every time zone's clock coincide with those of UTC as far as these schedules go.
            return gap - now.timestamp() % gap
        if pipeline.schedule:
            return gap
        random = self.simulation.random(*pipeline.key, "arrival", now.timestamp())
        busy = 1.0
        if not self.simulation.live:
            weekend = 0.35 if now.weekday() >= 5 else 1.0
            busy = max(0.2, _BUSY_HOURS[now.hour] * weekend * len(_BUSY_HOURS) / sum(_BUSY_HOURS))
        return min(max(random.expovariate(busy / gap), gap / 6), gap * 4)

    def _start(self, pipeline: Pipeline, trigger: str, parent: Execution | None = None) -> None:
        number = next(self._numbers[pipeline.key])
        late = pipeline.punctuality(number)
        if late is None:
            return
        start = Start(next(self._serials[pipeline.key]), number, self.simulation.instant, trigger, parent)
        before = None if pipeline.overlaps else self._latest.get(pipeline.key)
        wait = self.simulation.pace.real(late)
        process = self._execute(pipeline, start, before)
        self._latest[pipeline.key] = self.simulation.begin(process, after=wait)

    def _restart(self, pipeline: Pipeline) -> Process:
        while pipeline.restarts is not None:
            self._start(pipeline, pipeline.trigger)
            yield self._latest[pipeline.key]
            yield self.simulation.pace.real(pipeline.restarts)

    def _execute(self, pipeline: Pipeline, start: Start, before: Task | None) -> Process:
        execution = Execution(self.simulation, pipeline, start)
        fate = pipeline.fate(execution)
        execution.doomed = fate.dies_in is not None
        execution.queue()
        if before is not None and not before.done:
            yield before
        waits = execution.random.uniform(0.15, 1.4) if fate.waits is None else fate.waits
        yield self.simulation.pace.real(waits)
        execution.start()
        if execution.heartbeat is not None:
            self.simulation.begin(execution.beat())
        if fate.nothing_to_do:
            execution.log("info", fate.nothing_to_do)
            yield self.simulation.pace.real(0.4)
            execution.finish("skipped")
        else:
            yield from perform(execution, fate)
        if execution.status == "succeeded" and not execution.dead:
            for name in pipeline.starts:
                self._start(self.pipelines[pipeline.environment, name], "upstream", execution)


def _number_at(simulation: Simulation, pipeline: Pipeline) -> int:
    """The number of the first start: 0 live; in history about as many as there were since the epoch.

    So what befalls every n-th execution goes on from one day of history to the next.
    """
    if simulation.live:
        return 0
    return int(simulation.instant.timestamp() / pipeline.gap(simulation))
