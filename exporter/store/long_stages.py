"""Stages with very many attempts: only the latest are worked on, what the others add up to is kept.

An attempt says nothing new about those that come before it in the order of all. So the oldest are put by, and a group
of events costs the same however many they are. News of one that was put by, or an order that is not that of before,
takes all of them up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, delete

from exporter.domain.lifecycle import Sign
from exporter.store import schema
from exporter.store.bulk import Row, insert_rows, select_in, select_within, update_rows
from exporter.store.records import SETTLED, Attempt, End, Instance, PutBy, encode, told_number
from exporter.store.standing import Try, final_error, order_of, tries

MOST = 128
"""Attempts of a stage that are worked on at once; beyond that the oldest are put by."""

KEPT = 32
"""Attempts that then go on to be worked on. At least two, as the one before the last bounds what settles the last."""

_decode = msgspec.json.Decoder(PutBy).decode


def load(connection: Connection, instances: Sequence[bytes]) -> dict[bytes, PutBy]:
    """What was put by of stages, of those of which anything was."""
    return {
        row[0]: _decode(row[2]) for row in select_in(connection, schema.long_stages, "instance", instances)
    }


def attempts_at_hand(connection: Connection, put_by: Mapping[bytes, PutBy]) -> Iterator[Row]:
    """Rows of the attempts that were not put by, and of how the stages were settled."""
    for instance, rest in put_by.items():
        yield from _attempts(connection, instance, [SETTLED, *rest.at_hand])


def is_put_by(connection: Connection, instance: Instance, keys: Iterable[str]) -> bool:
    """Whether any attempt of these keys, none of which is at hand, was put by, or belongs before one that was."""
    rest = instance.put_by
    if rest is None:
        return False
    named = []
    for key in keys:
        number = told_number(key)
        if not number:
            named.append(key)
        elif rest.named or number <= rest.told_number:
            return True
    return any(True for _ in _attempts(connection, instance.id, named))


def _attempts(connection: Connection, instance: bytes, keys: Sequence[str]) -> Iterator[Row]:
    return select_within(connection, schema.stages, ("instance", "attempt_key"), instance, keys)


def fits(instance: Instance) -> bool:
    """Whether what was put by still comes before all that is at hand, of which each attempt began once."""
    rest = instance.put_by
    assert rest is not None
    for attempt in _real(instance.attempts):
        if any(mark.sign is Sign.FINISHED for mark in attempt.marks[:-1]) and len(tries([attempt])) > 1:
            return False
        if order_of(attempt) < (rest.named, rest.told_number, rest.start, rest.key):
            return False
    return True


def put_by(instance: Instance) -> None:
    """Note which attempts are at hand, and put the oldest by if they are too many."""
    rest = instance.put_by
    if len(instance.attempts) <= MOST:
        _note_at_hand(instance, ())
        return
    real = tries(_real(instance.attempts), after=0 if rest is None else rest.number)
    if len({each.row.attempt_key for each in real}) < len(real):
        return
    gone = real[:-KEPT]
    if gone:
        instance.put_by = _added(rest, gone)
    _note_at_hand(instance, {each.row.attempt_key for each in gone})


def _real(attempts: Mapping[str, Attempt]) -> list[Attempt]:
    return [attempt for key, attempt in attempts.items() if key != SETTLED and not attempt.silent]


def _added(rest: PutBy | None, gone: Sequence[Try]) -> PutBy:
    last = gone[-1]
    ends = [End.of(each.episode) for each in gone if each.episode.ended_at is not None]
    error = final_error([each.row for each in gone], None if rest is None else rest.error)
    named, told_number, start, key = order_of(last.row)
    end = ends[-1] if ends else None if rest is None else rest.end
    return PutBy(last.number, named, told_number, start, key, end, error)


def _note_at_hand(instance: Instance, gone: set[str] | tuple[()]) -> None:
    if instance.put_by is None:
        return
    keys = [key for key in instance.attempts if key != SETTLED and key not in gone]
    if keys != instance.put_by.at_hand:
        instance.put_by = msgspec.structs.replace(instance.put_by, at_hand=keys)


def write(connection: Connection, instances: Iterable[Instance]) -> None:
    """Store what was put by in this group, and forget what was taken up."""
    new: list[Row] = []
    changed: list[Row] = []
    for instance in instances:
        if instance.put_by is instance.put_by_stored:
            continue
        if instance.put_by is None:
            gone = schema.long_stages.c.instance == instance.id
            connection.execute(delete(schema.long_stages).where(gone))
        elif instance.put_by_stored is None:
            new.append((instance.id, instance.execution.id, encode(instance.put_by)))
        else:
            changed.append((encode(instance.put_by), instance.id))
    insert_rows(connection, schema.long_stages, new)
    update_rows(connection, schema.long_stages, ("state",), ("instance",), changed)
