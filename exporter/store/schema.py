"""Tables. Times and durations are whole microseconds, so that SQLite and PostgreSQL compare them alike.

`state`, `marks` and `facts` are JSON written by `exporter.store.state`; `body` is the event's own JSON.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    text,
)

from exporter.domain.status import ACTIVE, Status


class Bytes(LargeBinary):
    """Bytes as they are: both drivers take them without the wrapping that SQLAlchemy does a million times."""

    def bind_processor(self, _dialect: Dialect) -> None:
        return None

    def result_processor(self, _dialect: Dialect, _coltype: object) -> None:
        return None


metadata = MetaData()

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of exactly this type."""

ACTIVE_WORDS = tuple(status.value for status in Status if status in ACTIVE)
_IS_ACTIVE = text("status IN ('queued', 'running', 'paused')")

CONTENT_TYPES = (
    "pipeline.artifact.produced",
    "pipeline.warning.raised",
    "pipeline.log.emitted",
    "pipeline.llm.called",
    "pipeline.records.checked",
)
"""Types of events that are read by their time across executions."""
_IS_CONTENT = text(f"type IN ({', '.join(repr(type_) for type_ in CONTENT_TYPES)})")

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("series", BigInteger, nullable=False),
    Column("alive_at", BigInteger, nullable=False),
    Column("up_since", BigInteger, nullable=False),
    Column("state", Bytes, nullable=False),
)
"""One row. Whoever writes locks it first, so that writers take turns, and raises `version`."""

pipelines = Table(
    "pipelines",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("series_id", BigInteger),
    Column("version", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("state", Bytes, nullable=False),
    UniqueConstraint("environment", "name", name="pipelines_by_name"),
    Index("pipelines_by_version", "version"),
    Index("pipelines_by_due", "due_at"),
)
"""`series_id`: the pipeline whose series take this one's totals, where the budget of series was used up. `due_at`: when
the next expected start counts as missed."""

components = Table(
    "components",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("scope", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("state", Bytes, nullable=False),
    UniqueConstraint("pipeline_id", "scope", "labels", name="components_by_labels"),
)
"""Parts of a pipeline with labels and totals of their own: stages, streams, kinds of errors, models, …"""

executions = Table(
    "executions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text),
    Column("trigger", Text),
    Column("status", Text, nullable=False),
    Column("source_status", Text),
    Column("sort_at", BigInteger, nullable=False),
    Column("queued_at", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("duration", BigInteger),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("deadline", BigInteger),
    Column("lost_at", BigInteger),
    Column("stages_total", Integer, nullable=False),
    Column("stages_done", Integer, nullable=False),
    Column("stages_active", Integer, nullable=False),
    Column("ends_counted", Integer, nullable=False),
    Column("queue_counted", Boolean, nullable=False),
    Column("ends", Bytes, nullable=False),
    Column("marks", Bytes, nullable=False),
    Column("facts", Bytes, nullable=False),
    Index("executions_by_time", "sort_at", "id"),
    Index("executions_by_pipeline", "pipeline_id", "sort_at", "id"),
    Index("executions_by_pipeline_status", "pipeline_id", "status", "sort_at", "id"),
    Index("executions_by_status", "status", "sort_at", "id"),
    Index("executions_by_kind", "kind", "sort_at", "id"),
    Index("executions_by_source", "source", "sort_at", "id"),
    Index("executions_by_environment", "environment", "sort_at", "id"),
    Index("executions_by_external_id", "external_id"),
    Index("executions_by_deadline", "deadline", sqlite_where=_IS_ACTIVE, postgresql_where=_IS_ACTIVE),
    Index(
        "executions_active", "pipeline_id", "started_at", sqlite_where=_IS_ACTIVE, postgresql_where=_IS_ACTIVE
    ),
)
# Literal numbers, as PostgreSQL matches an index on an expression only with the very same expression.
ended_sort = func.coalesce(executions.c.ended_at, literal_column("0"))
duration_sort = func.coalesce(executions.c.duration, literal_column("-1"))
Index("executions_by_end", ended_sort, executions.c.id)
Index("executions_by_status_end", executions.c.status, ended_sort, executions.c.id)
Index("executions_by_status_duration", executions.c.status, duration_sort, executions.c.id)
Index("executions_by_pipeline_end", executions.c.pipeline_id, ended_sort, executions.c.id)
Index("executions_by_duration", duration_sort, executions.c.id)
Index("executions_by_pipeline_duration", executions.c.pipeline_id, duration_sort, executions.c.id)

execution_search = Table(
    "execution_search",
    metadata,
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("execution_id", Text, nullable=False),
    Column("text", Text, nullable=False),
    UniqueConstraint("execution_id", name="execution_search_by_id"),
)
"""Text by which an execution is found. `key` grows with `sort_at`, so that matches come out in its order."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("execution_id", Text, primary_key=True),
    Column("ended_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    Index("tombstones_by_deletion", "deleted_at"),
)
"""Executions that retention deleted: what is still told of them must neither bring them back nor be counted."""

stages = Table(
    "stages",
    metadata,
    Column("instance", Bytes(16), primary_key=True),
    Column("attempt_key", Text, primary_key=True),
    Column("execution_id", Text, nullable=False),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("index", Text),
    Column("path", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("last", Boolean, nullable=False),
    Column("status", Text),
    Column("own_status", Text),
    Column("source_status", Text),
    Column("queued_at", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("duration", BigInteger),
    Column("first_at", BigInteger, nullable=False),
    Column("items_in", BigInteger),
    Column("items_out", BigInteger),
    Column("cpu_seconds", Double),
    Column("memory_peak_bytes", Double),
    Column("marks", Bytes, nullable=False),
    Column("facts", Bytes, nullable=False),
    Index("stages_by_execution", "execution_id"),
    Index("stages_by_name", "pipeline_id", "name", "first_at"),
    Index("stages_active", "pipeline_id", "name", sqlite_where=_IS_ACTIVE, postgresql_where=_IS_ACTIVE),
)
"""One row an attempt. `last`: the attempt that the stage's status is taken from. A null status hides a row that only
says how a source settled a stage whose attempts are known (`attempt_key` "*")."""

long_stages = Table(
    "long_stages",
    metadata,
    Column("instance", Bytes(16), primary_key=True),
    Column("execution_id", Text, nullable=False),
    Column("state", Bytes, nullable=False),
    Index("long_stages_by_execution", "execution_id"),
)
"""What the older attempts of a stage with very many add up to; see `exporter.store.long_stages`."""

errors = Table(
    "errors",
    metadata,
    Column("identity", Bytes(16), primary_key=True),
    Column("execution_id", Text),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("stage", Text),
    Column("index", Text),
    Column("attempt", Integer),
    Column("type", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("component", Text),
    Column("message", Text, nullable=False),
    Column("stacktrace", Text),
    Column("context", Text),
    Index("errors_by_execution", "execution_id", "time"),
    Index("errors_by_time", "time"),
    Index("errors_by_pipeline", "pipeline_id", "time"),
)

events = Table(
    "events",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("identity", Bytes(16), nullable=False),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("execution_id", Text),
    Column("type", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("body", Bytes),
    UniqueConstraint("identity", name="events_by_identity"),
    Index("events_by_execution", "execution_id", "time"),
    Index("events_by_type", "type", "time", sqlite_where=_IS_CONTENT, postgresql_where=_IS_CONTENT),
)
"""Every accepted event, once. The body goes with its execution; the identity stays longer, to know repeats by."""

source_cursors = Table(
    "source_cursors",
    metadata,
    Column("source", Text, primary_key=True),
    Column("read", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Bytes, nullable=False),
)
"""How far each source of the configuration was read; see `exporter.sources.cursor`."""

spans = Table(
    "spans",
    metadata,
    Column("key", Bytes(24), primary_key=True),
    Column("started", BigInteger, primary_key=True, autoincrement=False),
    Column("parent_key", Bytes(24), nullable=False),
    Column("state", Integer, nullable=False),
    Column("due_at", BigInteger),
    Column("arrived_at", BigInteger, nullable=False),
    Column("execution_id", Text),
    Column("told", Bytes),
    Column("body", Bytes),
    Index("spans_by_parent", "parent_key", "state"),
    Index("spans_by_due", "due_at"),
    Index("spans_by_arrival", "arrived_at"),
    Index("spans_by_execution", "execution_id"),
)
"""Spans of traces, for as long as others may refer to them. `key`: trace and span id; `parent_key` is empty for a root.
`body` is gone once no other span can change what it means; `told` says what was made of it."""

open_runs = Table(
    "open_runs",
    metadata,
    Column("execution_id", Text, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("open", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("due_at", BigInteger),
    Column("arrived_at", BigInteger, nullable=False),
    Index("open_runs_by_due", "due_at"),
    Index("open_runs_by_arrival", "arrived_at"),
)
"""Executions told by spans alone, whose end no span tells, with the sums from which it is concluded."""
