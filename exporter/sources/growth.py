"""Totals that a source tells become what they grew by since they were read before.

What they grew by is written down before it is sent. So after a crash, or by another replica, the very same events are
sent again, which counts nothing twice; and of two replicas that read the same totals only one moves on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from exporter.domain.events import Event, StreamMeasured
from exporter.sources.batch import Batch
from exporter.sources.cursor import Memory
from exporter.sources.mapping import Read
from exporter.sources.translate import Total, Translator

MOST_TOTALS = 20_000
"""Totals that are remembered; beyond that those that were not told of for the longest time are forgotten."""

_OF_ONE = ("environment", "pipeline", "execution", "stream", "direction", "stage")
_AMOUNTS = ("bytes", "files", "commits", "dead_letters")


class Claim(msgspec.Struct, frozen=True):
    """What is being sent. `counter` and `grown_from`, the totals before, make it another event than one like it."""

    time: datetime
    payload: StreamMeasured
    counter: str
    grown_from: str


class _State(msgspec.Struct):
    totals: dict[str, dict[str, int]] = {}
    claims: list[Claim] = []


@dataclass(slots=True)
class Growth:
    """Totals of one read: what they were, and what is being sent of their growth."""

    translator: Translator
    memory: Memory
    state: _State
    version: int = 0

    @classmethod
    def load(cls, translator: Translator, memory: Memory) -> Growth:
        """As it was last kept."""
        if not tells_totals(translator.read):
            return cls(translator, memory, _State())
        version, kept = memory.load(translator.source, _place(translator.read))
        state = _State() if kept is None else msgspec.json.decode(kept, type=_State)
        return cls(translator, memory, state, version)

    def unsent(self) -> Batch | None:
        """What was claimed and may not have been sent."""
        if not self.state.claims:
            return None
        return Batch(self.translator.read.name, self._events(), 0)

    def claim(self, totals: Sequence[Total]) -> list[Event]:
        """What totals grew by; written down before it is returned. Raises Overtaken."""
        if not totals:
            return []
        self.state.claims = [claim for total in totals if (claim := self._grown(total)) is not None]
        while len(self.state.totals) > MOST_TOTALS:
            self.state.totals.pop(next(iter(self.state.totals)))
        self._save()
        return self._events()

    def sent(self) -> None:
        """What was claimed is durable. Raises Overtaken."""
        if self.state.claims:
            self.state.claims = []
            self._save()

    def _grown(self, total: Total) -> Claim | None:
        payload = total.payload
        key = "\x1f".join((*(str(getattr(payload, name) or "") for name in _OF_ONE), total.counter))
        before = self.state.totals.pop(key, {})
        now = _amounts(payload)
        # Less than before: the source began to count anew.
        grown = {name: count - before[name] if before.get(name, count + 1) <= count else count
                 for name, count in now.items()}  # fmt: skip
        self.state.totals[key] = {**before, **now}
        fields: dict[str, Any] = {name: grown.get(name) or None for name in _AMOUNTS}
        events = {name[7:]: count for name, count in grown.items() if name.startswith("events ") and count}
        changed = msgspec.structs.replace(payload, **fields, events=events or None)
        return Claim(total.time, changed, key, msgspec.json.encode(before, order="sorted").decode())

    def _events(self) -> list[Event]:
        return [
            self.translator.sum_event(
                claim.payload,
                claim.time,
                claim.counter,
                claim.grown_from,
                claim.time.isoformat(),
                msgspec.json.encode(claim.payload, order="deterministic").decode(),
            )
            for claim in self.state.claims
        ]

    def _save(self) -> None:
        kept = msgspec.json.encode(self.state)
        place = _place(self.translator.read)
        self.version = self.memory.save(self.translator.source, place, self.version, kept)


def tells_totals(read: Read) -> bool:
    """Whether some of what it reads are totals so far."""
    return any(emit.stream is not None and emit.stream.so_far is not None for emit in read.emits)


def _amounts(payload: StreamMeasured) -> dict[str, int]:
    amounts = {f"events {name}": count for name, count in (payload.events or {}).items()}
    told = {name: getattr(payload, name) for name in _AMOUNTS}
    return amounts | {name: count for name, count in told.items() if count is not None}


def _place(read: Read) -> str:
    return f"{read.name} totals"
