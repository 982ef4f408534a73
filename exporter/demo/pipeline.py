"""What a demo pipeline is: its description, its schedule, and what becomes of each of its executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from exporter.demo.error import Error
from exporter.demo.identity import Identifier, universal
from exporter.demo.stage import Stage

if TYPE_CHECKING:
    from exporter.demo.execution import Execution
    from exporter.demo.simulation import Process, Simulation


@dataclass(frozen=True, slots=True)
class Schedule:
    """When executions are due, live at speed 1: every so many seconds; `cron`, if given, says the same.

    `daily`: hour and minute of the time zone's clock of what is due once a day, now as in history.
    """

    every: float
    cron: str | None = None
    timezone: str = "UTC"
    grace: float = 15.0
    daily: tuple[int, int] | None = None

    def until_next_day(self, now: datetime) -> float:
        """Seconds until the clock of the time zone shows the time of day again."""
        hour, minute = self.daily or (0, 0)
        local = now.astimezone(ZoneInfo(self.timezone))
        due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if due <= local:
            due += timedelta(days=1)
        # Both to UTC: within a time zone, differences count hours that a change of the clock left out.
        return (due.astimezone(UTC) - now.astimezone(UTC)).total_seconds()


def daily(hour: int, minute: int, timezone: str, *, grace: float) -> Schedule:
    """Due once a day."""
    return Schedule(86_400, f"{minute} {hour} * * *", timezone, grace, (hour, minute))


@dataclass(frozen=True, slots=True)
class Trouble:
    """A stage's failure: in its first `attempts` attempts, after the share `at` of its time."""

    error: Error
    attempts: int = 99
    status: str = "failed"
    at: float = 0.6
    index: str | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one execution; the empty one is an ordinary success.

    `slowness` stretches all stages, `slow` single ones. `dies_in`: the process vanishes in this stage and
    nothing is heard again. `silent_in`: nothing is heard for `silence` seconds, then it goes on. `skips`:
    stages that a branch leaves out. `nothing_to_do`: why the whole execution is skipped. `waits`: seconds in
    the queue.
    """

    slowness: float = 1.0
    slow: Mapping[str, float] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    warnings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    dies_in: str | None = None
    silent_in: str | None = None
    silence: float = 40.0
    skips: frozenset[str] = frozenset()
    nothing_to_do: str | None = None
    waits: float | None = None


def ordinary(execution: Execution) -> Fate:
    """Every execution succeeds."""
    del execution
    return Fate()


def on_time(number: int) -> float | None:
    """Every execution starts when it is due."""
    del number
    return 0.0


def no_parameters(execution: Execution) -> dict[str, object]:
    """Executions without parameters."""
    del execution
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline and its habits.

    It starts by its `schedule`; or about every `arrivals` seconds, as people and other systems ask for it; or
    when another one that names it in `starts` has succeeded; or, if `restarts` is given, again that many
    seconds after it ended. `first` is when in the first minute of live it starts for the first time.
    `history_every` seconds lie between starts in history, where none is started that could not end before it
    does: `longest` is how many seconds one may take. `punctuality` gives how many
    seconds late the n-th start is, or None if it is missed; without `overlaps` a start waits in the queue
    until the execution before it ended. `heartbeat` is the longest silence of an execution. `body` performs
    an execution in place of going through the graph of stages. `graph_from_events`: the graph is not
    declared, stages tell what they depend on. `thresholds`: what its owner wants alerts to begin at, where the
    usual does not fit.
    """

    name: str
    environment: str = "production"
    kind: str = "batch"
    owner: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    streams: tuple[str, ...] = ()
    schedule: Schedule | None = None
    arrivals: float | None = None
    restarts: float | None = None
    trigger: str = "schedule"
    starts: tuple[str, ...] = ()
    first: float = 5.0
    history_every: float = 1800.0
    longest: float = 600.0
    overlaps: bool = False
    punctuality: Callable[[int], float | None] = on_time
    heartbeat: float | None = None
    reports_progress: bool = False
    queues_stages: bool = False
    paused: bool = False
    graph_from_events: bool = False
    llm_budget_usd: float | None = None
    identifier: Identifier = universal
    parameters: Callable[[Execution], dict[str, object]] = no_parameters
    fate: Callable[[Execution], Fate] = ordinary
    body: Callable[[Execution, Fate], Process] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells pipelines apart: the same name may stand in several environments."""
        return (self.environment, self.name)

    def declare(self, simulation: Simulation) -> None:
        """Emit the pipeline's own description, with the schedule it has now."""
        told: dict[str, object | None] = {
            "pipeline": self.name,
            "environment": self.environment,
            "kind": self.kind,
            "owner": self.owner,
            "description": self.description,
            "labels": {**self.labels, **self._alerts()} or None,
            "stages": None if self.graph_from_events else [_declared(stage) for stage in self.stages] or None,
            "streams": list(self.streams) or None,
            "schedule": self._declared_schedule(simulation),
            "paused": self.paused,
            "llm_budget_usd": self.llm_budget_usd,
        }
        simulation.emit("pipeline.declared", {key: value for key, value in told.items() if value is not None})

    def gap(self, simulation: Simulation) -> float:
        """Wall-clock seconds between two scheduled starts, on average between two that nobody scheduled."""
        live = self.schedule.every if self.schedule else self.arrivals or 60.0
        return simulation.pace.between(live, self.history_every)

    def follows_cron(self, simulation: Simulation) -> bool:
        """Whether starts keep to round times of the clock: live and at the speed of life only."""
        return simulation.live and simulation.pace.speed == 1 and bool(self.schedule and self.schedule.cron)

    def keeps_to_the_day(self, simulation: Simulation) -> bool:
        """Whether it is due once a day, at the speed of life and in history."""
        return bool(self.schedule and self.schedule.daily) and (
            not simulation.live or simulation.pace.speed == 1
        )

    def _alerts(self) -> dict[str, str]:
        return {f"alerts.{name}": f"{value:g}" for name, value in self.thresholds.items()}

    def _declared_schedule(self, simulation: Simulation) -> dict[str, object] | None:
        if self.schedule is None:
            return None
        gap = self.gap(simulation)
        # Below five seconds the way to the server would count as lateness; a rare start has a longer grace.
        grace = max(5.0, gap * self.schedule.grace / self.schedule.every)
        told: dict[str, object] = {"timezone": self.schedule.timezone, "grace_seconds": round(grace, 3)}
        if self.follows_cron(simulation):
            return {"cron": self.schedule.cron, **told}
        return {"every_seconds": round(gap, 6), **told}


def _declared(stage: Stage) -> dict[str, object]:
    return {"name": stage.name, "depends_on": list(stage.depends_on), "kind": stage.kind}
