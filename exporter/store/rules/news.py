"""An event on its way into the rows."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.domain.events import Event
from exporter.store.records import Execution, Pipeline


@dataclass(slots=True)
class News:
    """An event, the rows that it is about, and its time in microseconds. `execution`: None if it names none."""

    event: Event
    pipeline: Pipeline
    execution: Execution | None
    time: int

    @property
    def run(self) -> Execution:
        """The execution, for events that always name one."""
        assert self.execution is not None
        return self.execution
