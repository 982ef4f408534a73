"""What the store may keep: series, values of labels, silent executions, addresses of people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from exporter.catalogue import CATALOGUE, Scope

CAPS: dict[Scope, int] = {
    Scope.STAGE: 1000,
    Scope.ERROR: 200,
    Scope.STREAM: 1000,
    Scope.CHECK: 1000,
    Scope.RULE: 500,
    Scope.MODEL: 200,
}
"""Most components of a scope that one pipeline may have."""

PART_CAP = 20
"""Most values of a metric's own label that no list bounds (operations of a stream, types of a call's errors)."""

EDGE_CAP = 2000
"""Most edges exposed of one pipeline."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of the store.

    `lost_after`: silence after which an execution without a heartbeat of its own is lost; None leaves it to the
    pipeline's habit: three times its longest recent success, at least an hour, a day where nothing is known.
    `emails`: whether addresses of people are taken out of what is kept, as secrets are.
    """

    series: int = 200_000
    lost_after: timedelta | None = None
    retention: timedelta = timedelta(days=30)
    max_executions: int | None = None
    emails: bool = False


def lines_of(scope: Scope) -> int:
    """Lines that a component of a scope takes at least, with the values seeded at 0."""
    return sum(
        metric.lines for metric in CATALOGUE if metric.scope is scope and metric.name not in _ON_DEMAND
    )


_ON_DEMAND = {metric.name for metric in CATALOGUE if metric.part and not metric.seeds}
LINES = {scope: lines_of(scope) for scope in Scope}
