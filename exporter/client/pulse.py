"""The thread that gives signs of life, and looks at what the process and its children use."""

from __future__ import annotations

import os
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING

from exporter.client import record
from exporter.client.accelerator import Accelerators
from exporter.client.complaints import complain
from exporter.client.usage import CROWD
from exporter.client.wording import fields

if TYPE_CHECKING:
    import psutil

    from exporter.client.execution import Execution

FIRST_LOOK = 1.0
"""Seconds until the first look; then each `sample_seconds`."""
MOST_STAGES = 200
"""Open stages that a look tells of, the oldest; with so many at once, figures of the process say little of one."""


class Reading:
    """Figures of this process and all below it at one moment.

    CPU and I/O count those that were waited for too, as the kernel adds them to their parent's.
    """

    def __init__(
        self, root: psutil.Process, *, with_root: bool, accelerators: Accelerators | None = None
    ) -> None:
        import psutil  # noqa: PLC0415 - in this thread: its import takes a while

        self.cpu = 0.0
        self.memory = 0
        self.read: int | None = None
        self.written: int | None = None
        self.accelerator: int | None = None
        self._children: list[tuple[float, float]] = []
        pids = []
        for process in [root, *root.children(recursive=True)]:
            is_root = process is root
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    reaped = times.children_user + times.children_system
                    own = times.user + times.system if with_root or not is_root else 0.0
                    self.cpu += own + reaped
                    if not is_root:
                        self._children.append((process.create_time(), own + reaped))
                    if with_root or not is_root:
                        self.memory += process.memory_info().rss
                    self._add_io(process)
                pids.append(process.pid)
            except psutil.Error:
                continue  # it ended meanwhile
        if accelerators is not None:
            self.accelerator = accelerators.memory(pids)

    def _add_io(self, process: psutil.Process) -> None:
        import psutil  # noqa: PLC0415

        try:
            io = process.io_counters()
        except (psutil.Error, AttributeError, OSError):
            return  # another user's, or a system without these figures
        self.read = (self.read or 0) + io.read_bytes
        self.written = (self.written or 0) + io.write_bytes

    def children_since(self, began: int) -> float:
        """CPU seconds of living child processes that started after a moment (ns)."""
        # The kernel counts in hundredths.
        return sum(cpu for created, cpu in self._children if created >= began / 1e9 - 0.02)


class Pulse:
    """Looks after the open runs of this process. It begins with the first of them and ends with the last."""

    def __init__(self, *, with_root: bool = True) -> None:
        self.with_root = with_root
        self._executions: list[Execution] = []
        self._accelerators: Accelerators | None = None
        self._root: psutil.Process | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, execution: Execution) -> None:
        """Look after a run."""
        with self._lock:
            self._executions.append(execution)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="exporter.client pulse", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:
                    self._thread = None
                    complain("pulse", f"cannot start a thread ({error}): no heartbeats, no resources")

    def remove(self, execution: Execution) -> None:
        """The run ends: a last look."""
        with self._lock:
            if execution in self._executions:
                self._executions.remove(execution)
        if self.with_root and (execution.usage_seen is not None or execution.lasted > FIRST_LOOK):
            self._sample(execution)
        self._wake.set()

    def after_fork(self) -> None:
        """In the child: the thread is the parent's, and so are the heartbeats."""
        self.__init__(with_root=self.with_root)  # type: ignore[misc]

    def _run(self) -> None:
        while True:
            with self._lock:
                executions = list(self._executions)
                if not executions:
                    self._thread = None
                    return
            try:
                self._look(executions)
            except Exception as error:  # figures are not worth a dead thread without a word
                complain("pulse", f"cannot look at resources: {type(error).__name__}: {error}")
            pause = min((each.next_look() for each in executions), default=FIRST_LOOK)
            self._wake.wait(max(pause, 0.05))
            self._wake.clear()

    def _look(self, executions: list[Execution]) -> None:
        now = time.monotonic()
        for execution in executions:
            if now >= execution.beat_at:
                execution.beat_at = now + execution.beat_every
                execution.beat()
        due = [each for each in executions if each.sample_every is not None and now >= each.sample_at]
        if not due:
            return
        reading = self._reading()
        for execution in due:
            execution.sample_at = now + (execution.sample_every or FIRST_LOOK)
            self._tell(execution, reading)
        for stage in list(islice(CROWD.stages.copy().values(), MOST_STAGES)):
            if stage._usage is not None and stage.execution in due:
                stage._usage.seen(reading)

    def _reading(self) -> Reading:
        import psutil  # noqa: PLC0415 - in this thread: its import takes a while

        if self._root is None:
            self._root = psutil.Process(os.getpid())
            self._accelerators = Accelerators()
        return Reading(self._root, with_root=self.with_root, accelerators=self._accelerators)

    def _sample(self, execution: Execution) -> None:
        if execution.sample_every is None:
            return
        try:
            self._tell(execution, self._reading())
        except Exception as error:
            complain("pulse", f"cannot look at resources: {type(error).__name__}: {error}")

    def _tell(self, execution: Execution, reading: Reading) -> None:
        if execution.joined:
            return  # whoever began the run looks at all processes below itself, this one among them
        first = execution.usage_seen
        if first is None:
            first = execution.usage_seen = execution.usage_before(reading)
        execution.memory_peak = max(execution.memory_peak, reading.memory)
        rest = fields(
            cpu_seconds=max(reading.cpu - first.cpu, 0.0),
            memory_bytes=reading.memory,
            memory_peak_bytes=execution.memory_peak,
            io_read_bytes=_since(reading.read, first.read),
            io_written_bytes=_since(reading.written, first.written),
            accelerator_memory_bytes=reading.accelerator,
        )
        execution._tell(record.RESOURCES, execution._head, rest)


def _since(now: int | None, before: int | None) -> int | None:
    return None if now is None else max(now - (before or 0), 0)
