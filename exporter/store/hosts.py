"""Executions whose own id is a trace's: the client and the wrapper hand it on as W3C Trace Context.

Spans of programs in such a run say that their parent is a place in it, which is no span and never comes.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, select

from exporter.domain.identity import execution_id, trace_span_id
from exporter.domain.spans import HOST, Place
from exporter.store import schema
from exporter.store.records import Execution

MOST_STAGES = 5_000
"""Stages of a run that a span's parent is looked for among, the latest."""

_path = msgspec.json.Decoder(list[str]).decode


class Host(Struct):
    """A run that a trace is told of, and the places in it by the ids that they have as spans."""

    place: Place
    by_span: dict[str, Place]


def host_of(connection: Connection, trace: str) -> Host | None:
    """The run that has the trace's id; None if none is known."""
    table = schema.executions
    columns = (table.c.environment, table.c.pipeline, table.c.external_id, table.c.source)
    row = connection.execute(select(*columns).where(table.c.id == trace)).one_or_none()
    if row is None or execution_id("", row.environment, row.pipeline, row.external_id) != trace:
        return None
    place = Place(
        dialect=HOST,
        source=row.source,
        namespace="",
        environment=row.environment,
        pipeline=row.pipeline,
        execution=row.external_id,
    )
    by_span = {trace_span_id(trace): place}
    stages = schema.stages
    query = select(stages.c.path, stages.c.index).where(stages.c.execution_id == trace)
    for path_text, index in connection.execute(query.order_by(stages.c.first_at.desc()).limit(MOST_STAGES)):
        path = _path(path_text)
        by_span[trace_span_id(trace, path, index)] = replace(place, path=path, index=index)
    return Host(place, by_span)


def is_host(execution: Execution) -> bool:
    """Whether spans may belong to an execution by its own id."""
    own = execution_id("", execution.environment, execution.pipeline, execution.external_id)
    return own == execution.id
