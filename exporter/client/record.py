"""One event as it waits in the spool, and what it becomes on its way to the server.

The caller's thread writes only what it has to: kind, number, times and the JSON of `data`. The sender makes a
CloudEvent of it.
"""

from __future__ import annotations

import json
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from exporter.client.clock import rfc3339


class Importance(IntEnum):
    """What goes first when the spool is full. What is `KEPT` never goes."""

    PROGRESS = 0
    LOG = 1
    START = 2
    """An end tells when its stage started, so that the row is right without this. A run's start tells more."""
    KEPT = 3


class Kind(NamedTuple):
    """A type of event; `number` stands for it in the spool."""

    number: int
    type: str
    importance: Importance


DECLARED = Kind(1, "pipeline.declared", Importance.KEPT)
EXECUTION_STARTED = Kind(2, "pipeline.execution.started", Importance.KEPT)
EXECUTION_HEARTBEAT = Kind(3, "pipeline.execution.heartbeat", Importance.PROGRESS)
EXECUTION_PROGRESSED = Kind(4, "pipeline.execution.progressed", Importance.PROGRESS)
EXECUTION_FINISHED = Kind(5, "pipeline.execution.finished", Importance.KEPT)
STAGE_QUEUED = Kind(6, "pipeline.stage.queued", Importance.START)
STAGE_STARTED = Kind(7, "pipeline.stage.started", Importance.START)
STAGE_PROGRESSED = Kind(8, "pipeline.stage.progressed", Importance.PROGRESS)
STAGE_FINISHED = Kind(9, "pipeline.stage.finished", Importance.KEPT)
RESOURCES = Kind(10, "pipeline.resources.sampled", Importance.PROGRESS)
ARTIFACT = Kind(11, "pipeline.artifact.produced", Importance.KEPT)
WARNING = Kind(12, "pipeline.warning.raised", Importance.KEPT)
LOG = Kind(13, "pipeline.log.emitted", Importance.LOG)
STREAM = Kind(14, "pipeline.stream.measured", Importance.KEPT)
RECORDS = Kind(15, "pipeline.records.checked", Importance.KEPT)
LLM = Kind(16, "pipeline.llm.called", Importance.KEPT)

KINDS = {
    kind.number: kind
    for kind in (
        DECLARED, EXECUTION_STARTED, EXECUTION_HEARTBEAT, EXECUTION_PROGRESSED, EXECUTION_FINISHED,
        STAGE_QUEUED, STAGE_STARTED, STAGE_PROGRESSED, STAGE_FINISHED,
        RESOURCES, ARTIFACT, WARNING, LOG, STREAM, RECORDS, LLM,
    )
}  # fmt: skip

_END = 1 << 62
HEAD = Struct("<BQQQ")
"""Number of the kind, number of the event, its time, and when what ended had started (0: not told); ns."""


def end_of(start: int) -> int:
    """The number of the end that belongs to a start: told twice, as when a signal interrupts it, it is delivered once.

    0, for the next number that is free, if the start has none.
    """
    return start and start | _END


class Record(NamedTuple):
    """One event in the spool. `data`: a JSON object."""

    kind: Kind
    number: int
    time: int
    started: int
    data: bytes

    def cloudevent(self, source: str) -> str:
        """As JSON; `source` is JSON already."""
        data = self.data.decode("ascii")
        if self.started:
            data = f'{data[:-1]},"started_at":"{rfc3339(self.started)}"}}'
        return (
            f'{{"specversion":"1.0","id":"{self.number}","source":{source},"type":"{self.kind.type}",'
            f'"time":"{rfc3339(self.time)}","data":{data}}}'
        )


def decode(raw: bytes) -> Record | None:
    """A record as written; None if it is damaged, as by a machine that lost power."""
    if len(raw) < HEAD.size + 2:
        return None
    number, sequence, time, started = HEAD.unpack_from(raw)
    data = raw[HEAD.size :]
    kind = KINDS.get(number)
    if kind is None or not data.isascii():
        return None
    try:
        json.loads(data)
    except ValueError:
        return None
    return Record(kind, sequence, time, started, data)
