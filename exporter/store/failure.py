"""Which error of its stages an execution shows: the latest, of stages that did not go well in the end."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from exporter.domain.status import Status
from exporter.store import schema
from exporter.store.records import Execution, Instance
from exporter.store.standing import final_error
from exporter.store.state import Fact
from exporter.store.work import Work

STAGE_ERROR = "stage_error"
"""Fact of an execution."""

_WELL = (Status.SUCCEEDED, Status.SKIPPED)


def note_failure(instance: Instance) -> bool:
    """Tell an execution of a stage's error; True if the error it shows was this stage's, which went well since."""
    facts = instance.execution.facts
    went_well = any(attempt.last and attempt.own_status in _WELL for attempt in instance.attempts.values())
    error = None if went_well else _error(instance)
    if error is not None:
        facts.tell(STAGE_ERROR, error.time, error.value)
    shown = facts.get(STAGE_ERROR)
    return error is None and shown is not None and shown.get("instance") == instance.id.hex()


def find_failure(work: Work, execution: Execution) -> None:
    """Look for another stage's error to show."""
    del execution.facts.told[STAGE_ERROR]
    at_hand = sum(instance.execution is execution for instance in work.instances.values())
    table = schema.stages
    query = (
        select(table.c.path, table.c.index)
        .where(
            table.c.execution_id == execution.id,
            table.c.last,
            table.c.own_status.is_not(None),
            table.c.own_status.not_in(_WELL),
        )
        .order_by(func.coalesce(table.c.ended_at, table.c.first_at).desc())
        .limit(at_hand + 1)
    )
    for path, index in work.connection.execute(query).all():
        work.known_instance(execution, tuple(msgspec.json.decode(path)), index)
    for instance in work.instances.values():
        if instance.execution is execution:
            note_failure(instance)


def _error(instance: Instance) -> Fact | None:
    rest = instance.put_by
    latest = final_error(instance.attempts.values(), None if rest is None else rest.error)
    if latest is None:
        return None
    return Fact(latest.time, {"stage": instance.path[-1], **latest.value, "instance": instance.id.hex()})
