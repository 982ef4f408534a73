"""What a stage of a demo pipeline is like when nothing goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.demo.attempt import Attempt
    from exporter.demo.simulation import Process

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a stage makes; name and URI may use {id}, {stage}, {index} and {serial}."""

    name: str
    uri: str
    media_type: str
    megabytes: float = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a pipeline: how long it takes, what it uses, handles, says and makes.

    `seconds` is the median of a log-normal distribution of width `spread`. `items` come in (0: it counts
    none) and `keeps` of them go out. `instances` make it a mapped stage, `inside` holds sub-stages that run
    one after another in place of work of its own. `attempts` is how often it is tried before it fails.
    `always` stages run whatever became of those they depend on. `says` are log lines, (level, text), which
    may use {done}, {total}, {index}, {serial}. `act` does the work instead of just letting time pass.
    """

    name: str
    seconds: float = 2.0
    depends_on: tuple[str, ...] = ()
    kind: str = "python"
    spread: float = 0.18
    items: int = 0
    keeps: float = 1.0
    cores: float = 0.8
    memory: int = 220
    reads: float = 0.0
    writes: float = 0.0
    accelerator: int = 0
    instances: tuple[str, ...] = ()
    inside: tuple[Stage, ...] = ()
    attempts: int = 1
    retry_after: float = 2.0
    always: bool = False
    says: tuple[tuple[str, str], ...] = ()
    makes: tuple[Artifact, ...] = ()
    act: Callable[[Attempt, float], Process] | None = None

    @property
    def effort(self) -> float:
        """Seconds of work in it, all instances and sub-stages taken together."""
        own = sum(stage.effort for stage in self.inside) if self.inside else self.seconds
        return own * max(1, len(self.instances))


def chain(*stages: Stage) -> tuple[Stage, ...]:
    """The stages, each depending on the one before it."""
    return (
        stages[0],
        *(replace(stage, depends_on=(before.name,)) for before, stage in pairwise(stages)),
    )


def efforts(stages: Sequence[Stage]) -> float:
    """Seconds of work in all of them."""
    return sum(stage.effort for stage in stages)
