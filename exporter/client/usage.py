"""What one stage uses. On the caller's thread that is two system calls at its start, and no more if it is short."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.client import record
from exporter.client.wording import fields

if TYPE_CHECKING:
    from exporter.client.pulse import Reading
    from exporter.client.scope import Scope
    from exporter.client.stage import Stage

SHORT = 100_000_000
"""A stage below this (ns) is not measured: its figures would say more about the measuring."""


FRESH = 1_000_000
"""What was read within the last millisecond (ns) is good enough for a stage that starts now."""


class Crowd:
    """Open stages of this process, and those of them that hold no other.

    While there is one of the latter, what the process uses is what the stage uses. `overlaps` changes whenever
    there are more.
    """

    def __init__(self) -> None:
        self.stages: dict[int, Stage] = {}
        self.leaves: dict[int, None] = {}
        self.overlaps = 0
        self.read = (0, 0, 0, 0.0)
        """When (ns) and in which thread CPU time was last read; the thread's (ns), and that of the process."""


CROWD = Crowd()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CROWD.__init__)  # type: ignore[misc]


@dataclass(slots=True)
class Peak:
    """Memory now and at most, and CPU of child processes that live, as the pulse saw them."""

    memory: int = 0
    highest: int = 0
    children_cpu: float = 0.0


class Usage:
    """Figures of one stage from its start to its end."""

    __slots__ = (
        "_began",
        "_has_stages",
        "_overlaps",
        "_own",
        "_parent",
        "_stage",
        "_thread",
        "_total",
        "peak",
        "told_items",
    )

    def __init__(self, stage: Stage, parent: Scope) -> None:
        self._stage = stage
        self._parent = id(parent)
        self._has_stages = False
        self._began = stage._started
        self.peak: Peak | None = None
        self.told_items = ""
        crowd = CROWD
        holder = crowd.stages.get(self._parent)
        if holder is not None:
            crowd.leaves.pop(self._parent, None)
            if holder._usage is not None:
                holder._usage._has_stages = True
        crowd.stages[id(stage)] = stage
        crowd.leaves[id(stage)] = None
        self._overlaps = crowd.overlaps
        if len(crowd.leaves) > 1:
            crowd.overlaps += 1
        self._thread = thread = threading.get_ident()
        read_at, in_thread, own, total = crowd.read
        if stage._started - read_at > FRESH or in_thread != thread:
            own, total = time.thread_time_ns(), _cpu()
            crowd.read = stage._started, thread, own, total
        self._own, self._total = own, total

    @property
    def is_alone(self) -> bool:
        """Whether no other stage ran beside it, so that the process's figures are its own."""
        return self._overlaps == CROWD.overlaps

    def cpu(self, children: float = 0.0) -> float | None:
        """CPU seconds so far, with child processes; None where it cannot be told from that of other stages."""
        if self.is_alone:
            return max(_cpu() - self._total, 0.0) + children
        is_own_thread = threading.get_ident() == self._thread and not self._has_stages
        if not is_own_thread or _in_event_loop():
            return None
        return (time.thread_time_ns() - self._own) / 1e9

    def end(self, ended: int) -> None:
        """Tell what it used, if it was long enough."""
        crowd = CROWD
        crowd.leaves.pop(id(self._stage), None)
        crowd.stages.pop(id(self._stage), None)
        holder = crowd.stages.get(self._parent)
        if holder is not None:
            crowd.leaves[self._parent] = None
        execution = self._stage.execution
        if ended - self._began < SHORT or execution is None or execution.sample_every is None:
            return
        peak = self.peak or Peak()
        cpu = self.cpu()
        if cpu is not None and self.peak is not None and self.is_alone:
            cpu = max(cpu, peak.children_cpu)
        is_own = execution.pulse is None or execution.pulse.with_root
        memory = resident() if is_own else 0
        self.tell(cpu, memory or None, max(memory, peak.highest) or None, at=ended)

    def seen(self, reading: Reading) -> None:
        """Take a look at the process's figures while the stage runs, and tell them."""
        peak = self.peak = self.peak or Peak()
        children = reading.children_since(self._began)
        peak.memory = reading.memory
        peak.highest = max(peak.highest, reading.memory)
        cpu = self.cpu(children) if self.is_alone else None
        peak.children_cpu = max(peak.children_cpu, cpu or 0.0)
        self.tell(cpu, peak.memory, peak.highest)
        items = self._stage._items()
        if items != self.told_items:
            self.told_items = items
            self._stage._tell(record.STAGE_PROGRESSED, self._stage._head, items)

    def tell(self, cpu: float | None, memory: int | None, highest: int | None, at: int = 0) -> None:
        """Send a sample."""
        rest = fields(cpu_seconds=cpu, memory_bytes=memory, memory_peak_bytes=highest)
        if rest:
            self._stage._tell(record.RESOURCES, self._stage._head, rest, at=at)


def _cpu() -> float:
    """CPU seconds of this process, its threads, and the child processes that it waited for."""
    times = os.times()
    return times[0] + times[1] + times[2] + times[3]


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def resident() -> int:
    """Bytes of memory that this process holds; 0 where that cannot be read so cheaply."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - cheaper
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
