"""Which errors the variables of the dashboard of errors choose, in SQL."""

from __future__ import annotations

from dashboards import tables
from dashboards.scope import WHERE_PIPELINES, chosen

IN_RANGE = "in this time range that the filters above let through"
KIND = "pipeline, environment, coalesce(stage, ''), type"
"""What makes two errors the same kind."""
DISTINCT_KIND = "DISTINCT pipeline, environment, coalesce(stage, '') AS stage, type"

_WHICH = (
    f"{WHERE_PIPELINES} AND {chosen('category', 'category')} AND {chosen('type', 'error_type')} AND {tables.TOLD_ONCE} "
    "AND (${q:sqlstring} = '' OR position(lower(${q:sqlstring}) IN lower(concat_ws(' ', "
    "pipeline, stage, type, component, message))) > 0)"
)


def chosen_errors(columns: str = "*") -> str:
    """The errors of the time range."""
    return f"SELECT {columns} FROM errors e WHERE $__timeFilter(time) AND {_WHICH}"


def kinds_before() -> str:
    """The kinds of errors of the day before the time range, whatever the filters."""
    return (
        f"SELECT {KIND} FROM errors WHERE time < $__timeFrom()::timestamptz "
        "AND time > $__timeFrom()::timestamptz - interval '1 day'"
    )
