"""Spans of traces, and the places that they have in executions.

A span says whose child it is by an id, and children arrive before their parents. So spans are kept until it is known
where they belong (`exporter.store.gather`), and only then told as events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from exporter.domain.events import Event, Payload

Attributes = dict[str, Any]

HOST = "host"
"""Dialect of places in a run that was told by another way in, and that spans joined."""


class SpanEvent(Struct, frozen=True, array_like=True):
    """Something that happened within a span; `time` in microseconds."""

    time: int
    name: str
    attributes: Attributes


class Span(Struct, frozen=True, omit_defaults=True):
    """A span that ended. Ids are lower-case hex, times microseconds; `parent` is "" for the root of a trace.

    `remote`: whether the parent is in another process, None if nobody tells. `failed`: whether its status is an error.
    """

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    start: int
    end: int
    environment: str = "default"
    scope: str = ""
    remote: bool | None = None
    failed: bool = False
    message: str = ""
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    events: list[SpanEvent] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    @property
    def key(self) -> bytes:
        """Trace and span id; two tries of a task may share one."""
        return bytes.fromhex(self.trace + self.id)

    @property
    def parent_key(self) -> bytes:
        """The key of its parent; empty for a root."""
        return bytes.fromhex(self.trace + self.parent) if self.parent else b""

    def get(self, name: str) -> Any:
        """An attribute of the span, else of its resource; None if neither has it."""
        found = self.attributes.get(name)
        return self.resource.get(name) if found is None else found


class Place(Struct, frozen=True, omit_defaults=True):
    """Where a span belongs: an execution, and the stage in it that the span is or is part of.

    `path`: names of that stage and those around it, empty for the execution itself. `execution` is None for calls of
    language models outside of any. `dialect`: who read the span. `call`: it is a call of a language model.
    """

    dialect: str
    source: str
    namespace: str
    environment: str
    pipeline: str
    execution: str | None = None
    path: list[str] = field(default_factory=list)
    index: str | None = None
    call: bool = False


class Moment(Struct, frozen=True):
    """What a span tells of a time, in microseconds."""

    time: int
    payload: Payload


class Tally(Struct, frozen=True):
    """What a span adds to the sums of an execution whose end nothing tells.

    `open`: parts that began less those that ended. `failed`: parts that failed less those that were tried again with
    success. `counted`: the execution is over when nothing is open. `quiet`: it is over once nothing was heard of it
    for a while. `quiet_failure`: the same, but only if parts failed, as silence proves no success.
    """

    open: int = 0
    failed: int = 0
    counted: bool = False
    quiet: bool = False
    quiet_failure: bool = False


LATE = 50_000
"""Microseconds by which the instrument that reads the end of a stream first may close its span last."""


class Call(Struct, frozen=True, omit_defaults=True):
    """A call of a language model, as far as it takes to know it again. Times in microseconds.

    `response`: the provider's id of the answer, None if it is not told.
    """

    scope: str
    model: str
    start: int
    end: int
    response: str | None = None

    def is_same_as(self, other: Call) -> bool:
        """Whether two instruments tell of one call: what wraps a client is at work for as long as the client is.

        Calls side by side that one instrument tells are never the same.
        """
        return self.wraps(other) or other.wraps(self)

    def wraps(self, other: Call) -> bool:
        """Whether another instrument tells the same call, from further within."""
        if self.scope == other.scope or self.model != other.model:
            return False
        if self.response is not None and other.response is not None and self.response != other.response:
            return False
        return self.start <= other.start < max(self.end, self.start + 1) and other.end <= self.end + LATE


class Reading(Struct, frozen=True):
    """What a span means: its place and what it tells. `whole`: no other span can change that.

    `call`: what it is known by if it is a call of a language model that counts.
    """

    place: Place
    moments: list[Moment]
    whole: bool = False
    tally: Tally | None = None
    call: Call | None = None


class Interpreter(Protocol):
    """Reads spans. None: its meaning depends on a parent, which is not known yet."""

    def read(
        self, span: Span, parent: Place | None, *, orphan: bool = False, child: Place | None = None
    ) -> Reading | None:
        """What a span means below a parent.

        `orphan`: waiting is over, `parent` is the best that is known. `child`: place of one of its children.
        """
        ...

    def call_of(self, span: Span) -> Call | None:
        """What a span is known by that is a call of a language model."""
        ...

    def filled(self, span: Span, reading: Reading, others: Sequence[Span]) -> Reading:
        """The reading of a call with figures that it lacks, as spans within or beside it tell them."""
        ...

    def events(self, span: Span, reading: Reading) -> list[Event]:
        """The domain events of a reading, with identities that follow from span and place alone."""
        ...
