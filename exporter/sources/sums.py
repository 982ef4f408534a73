"""Stretches of rows that are added up: one event for each stream, named by its stretch."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from exporter.domain.events import StreamMeasured
from exporter.sources.batch import Batch
from exporter.sources.paths import BadPath
from exporter.sources.sql_pages import Row
from exporter.sources.sql_turn import Turn, shown
from exporter.sources.values import BadValue, moment

Sums: TypeAlias = dict[tuple[str, ...], tuple[dict[str, Any], datetime]]
"""Fields and latest time by pipeline, stream and so on."""

_ADDED = ("dead_letters", "commits", "files", "bytes")
_OF_ONE = ("pipeline", "environment", "stream", "direction", "stage", "execution")
_NOW = ("watermark", "buffer_depth", "target_rate", "phase")


def settled(turn: Turn, rows: list[Row]) -> list[Row]:
    """Rows up to the first that is too young: others may still be committed before it."""
    horizon = turn.read_at - timedelta(seconds=turn.read.settle_seconds)
    if not turn.read.settle_seconds:
        return rows
    zone = turn.translator.zone
    for number, row in enumerate(rows):
        for emit in turn.read.emits:
            if emit.stream is None or emit.stream.time is None:
                continue
            for record in turn.translator.records(emit, row):
                try:
                    young = moment(turn.translator.value_of(emit.stream.time, record), zone) > horizon
                except BadValue:
                    continue  # told of when the row is added up
                if young:
                    return rows[:number]
    return rows


def summed(turn: Turn, rows: list[Row]) -> Batch:
    """What a stretch of rows adds up to."""
    batch = Batch(turn.read.name, [], len(rows))
    sums: Sums = {}
    for row in rows:
        for emit in turn.read.emits:
            if emit.stream is None:
                continue
            for record in turn.translator.records(emit, row):
                try:
                    payload, time = turn.translator.measurement(emit.stream, record)
                except (BadValue, BadPath, msgspec.ValidationError) as error:
                    batch.problems.append(
                        f"{turn.read.name} {shown(turn.pages.key_of(row))}: stream: {error}"
                    )
                    continue
                _add(sums, payload, time or turn.read_at)
    stretch = (repr(turn.position.after), repr(turn.position.claimed))
    for key, (fields, time) in sums.items():
        payload = msgspec.convert(fields, StreamMeasured)
        batch.events.append(turn.translator.sum_event(payload, time, *stretch, *key))
    return batch


def _add(sums: Sums, payload: StreamMeasured, time: datetime) -> None:
    key = tuple(str(getattr(payload, name) or "") for name in _OF_ONE)
    one = msgspec.to_builtins(payload, builtin_types=(datetime,))
    if key not in sums:
        sums[key] = (one, time)
        return
    fields, latest = sums[key]
    for name in _ADDED:
        if name in one:
            fields[name] = fields.get(name, 0) + one[name]
    for operation, count in one.get("events", {}).items():
        events = fields.setdefault("events", {})
        events[operation] = events.get(operation, 0) + count
    if "latency_seconds" in one:
        fields["latency_seconds"] = fields.get("latency_seconds", []) + one["latency_seconds"]
    if time >= latest:
        fields |= {name: one[name] for name in _NOW if name in one}
    sums[key] = (fields, max(time, latest))
