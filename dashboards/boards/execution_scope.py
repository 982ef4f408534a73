"""What the panels of one execution have in common: which rows and series are its own."""

from __future__ import annotations

from exporter.catalogue.promql import Wanted
from exporter.domain import status

ID = "${execution_id:sqlstring}"
OTHER = "${other:sqlstring}"
ONE_EXECUTION = f"id = {ID}"
ACTIVE = "(" + ", ".join(f"'{each}'" for each in sorted(status.ACTIVE)) + ")"
"""Statuses of what has not ended, for `status IN …`."""
OF_EXECUTION = f"execution_id = {ID}"
ITS_PIPELINE: dict[str, Wanted] = {"environment": "$environment", "pipeline": "$pipeline"}
"""The execution's pipeline: hidden variables follow the execution."""


def as_of_now(expr: str) -> str:
    """The query's value at the end of the time range, else as it is now.

    A link brings the range of the execution. Of an old one, or one that was imported, Prometheus may know nothing at
    that time, and what is usual now is the better answer than none.
    """
    exact = _quoted(expr)
    return f"({exact}) or last_over_time(({exact})[2m:30s] @ ${{asked_at}})"


def _quoted(expr: str) -> str:
    """The query with names quoted by PostgreSQL: Grafana leaves quotes and backslashes in a name as they are."""
    for variable in ("environment", "pipeline"):
        expr = expr.replace(f'"${variable}"', f"${{quoted_{variable}:raw}}")
    return expr
