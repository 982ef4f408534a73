"""Executions, stages, events, errors, totals"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tables()
    _tombstones()
    _sort_indexes()
    _clock()
    if op.get_context().dialect.name == "sqlite":
        _search_in_sqlite()
    else:
        _search_in_postgresql()


def _tables() -> None:
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("series", sa.BigInteger(), nullable=False),
        sa.Column("alive_at", sa.BigInteger(), nullable=False),
        sa.Column("up_since", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "components",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("pipeline_id", "scope", "labels", name="components_by_labels"),
    )
    op.create_table(
        "errors",
        sa.Column("identity", sa.LargeBinary(length=16), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=True),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("index", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("stacktrace", sa.Text(), nullable=True),
        sa.Column("context", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("identity"),
    )
    op.create_index("errors_by_execution", "errors", ["execution_id", "time"], unique=False)
    op.create_index("errors_by_pipeline", "errors", ["pipeline_id", "time"], unique=False)
    op.create_index("errors_by_time", "errors", ["time"], unique=False)
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("identity", sa.LargeBinary(length=16), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("identity", name="events_by_identity"),
    )
    op.create_index("events_by_execution", "events", ["execution_id", "time"], unique=False)
    content = sa.text(
        "type IN ('pipeline.artifact.produced', 'pipeline.warning.raised', 'pipeline.log.emitted', "
        "'pipeline.llm.called', 'pipeline.records.checked')"
    )
    op.create_index(
        "events_by_type",
        "events",
        ["type", "time"],
        unique=False,
        sqlite_where=content,
        postgresql_where=content,
    )
    op.create_table(
        "execution_search",
        sa.Column(
            "key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("execution_id", name="execution_search_by_id"),
    )
    op.create_table(
        "executions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source_status", sa.Text(), nullable=True),
        sa.Column("sort_at", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("duration", sa.BigInteger(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("lost_at", sa.BigInteger(), nullable=True),
        sa.Column("stages_total", sa.Integer(), nullable=False),
        sa.Column("stages_done", sa.Integer(), nullable=False),
        sa.Column("stages_active", sa.Integer(), nullable=False),
        sa.Column("ends_counted", sa.Integer(), nullable=False),
        sa.Column("queue_counted", sa.Boolean(), nullable=False),
        sa.Column("ends", sa.LargeBinary(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "executions_active",
        "executions",
        ["pipeline_id", "started_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('queued', 'running', 'paused')"),
        postgresql_where=sa.text("status IN ('queued', 'running', 'paused')"),
    )
    op.create_index(
        "executions_by_deadline",
        "executions",
        ["deadline"],
        unique=False,
        sqlite_where=sa.text("status IN ('queued', 'running', 'paused')"),
        postgresql_where=sa.text("status IN ('queued', 'running', 'paused')"),
    )
    op.create_index("executions_by_environment", "executions", ["environment", "sort_at", "id"], unique=False)
    op.create_index("executions_by_external_id", "executions", ["external_id"], unique=False)
    op.create_index("executions_by_kind", "executions", ["kind", "sort_at", "id"], unique=False)
    op.create_index("executions_by_pipeline", "executions", ["pipeline_id", "sort_at", "id"], unique=False)
    op.create_index(
        "executions_by_pipeline_status",
        "executions",
        ["pipeline_id", "status", "sort_at", "id"],
        unique=False,
    )
    op.create_index("executions_by_source", "executions", ["source", "sort_at", "id"], unique=False)
    op.create_index("executions_by_status", "executions", ["status", "sort_at", "id"], unique=False)
    op.create_index("executions_by_time", "executions", ["sort_at", "id"], unique=False)
    op.create_table(
        "pipelines",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("environment", "name", name="pipelines_by_name"),
    )
    op.create_index("pipelines_by_version", "pipelines", ["version"], unique=False)
    op.create_index("pipelines_by_due", "pipelines", ["due_at"], unique=False)
    op.create_table(
        "stages",
        sa.Column("instance", sa.LargeBinary(length=16), nullable=False),
        sa.Column("attempt_key", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("index", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("last", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("own_status", sa.Text(), nullable=True),
        sa.Column("source_status", sa.Text(), nullable=True),
        sa.Column("queued_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("duration", sa.BigInteger(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("items_in", sa.BigInteger(), nullable=True),
        sa.Column("items_out", sa.BigInteger(), nullable=True),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("memory_peak_bytes", sa.Double(), nullable=True),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "attempt_key"),
    )
    op.create_index(
        "stages_active",
        "stages",
        ["pipeline_id", "name"],
        unique=False,
        sqlite_where=sa.text("status IN ('queued', 'running', 'paused')"),
        postgresql_where=sa.text("status IN ('queued', 'running', 'paused')"),
    )
    op.create_index("stages_by_execution", "stages", ["execution_id"], unique=False)
    op.create_index("stages_by_name", "stages", ["pipeline_id", "name", "first_at"], unique=False)


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id"),
    )
    op.create_index("tombstones_by_deletion", "tombstones", ["deleted_at"], unique=False)


def _sort_indexes() -> None:
    end, duration = sa.text("coalesce(ended_at, 0)"), sa.text("coalesce(duration, -1)")
    op.create_index("executions_by_end", "executions", [end, "id"])
    op.create_index("executions_by_status_end", "executions", ["status", end, "id"])
    op.create_index("executions_by_status_duration", "executions", ["status", duration, "id"])
    op.create_index("executions_by_pipeline_end", "executions", ["pipeline_id", end, "id"])
    op.create_index("executions_by_duration", "executions", [duration, "id"])
    op.create_index("executions_by_pipeline_duration", "executions", ["pipeline_id", duration, "id"])


def _clock() -> None:
    op.execute(
        sa.text(
            "INSERT INTO clock (id, version, series, alive_at, up_since, state) VALUES (1, 0, 0, 0, 0, :state)"
        ).bindparams(sa.bindparam("state", b"{}", type_=sa.LargeBinary()))
    )


def _search_in_sqlite() -> None:
    """A trigram index over the text of executions, kept by triggers."""
    op.execute(
        "CREATE VIRTUAL TABLE execution_text USING fts5"
        "(text, content='execution_search', content_rowid='key', tokenize='trigram')"
    )
    op.execute(
        "CREATE TRIGGER execution_search_inserted AFTER INSERT ON execution_search BEGIN "
        "INSERT INTO execution_text(rowid, text) VALUES (new.key, new.text); END"
    )
    op.execute(
        "CREATE TRIGGER execution_search_deleted AFTER DELETE ON execution_search BEGIN "
        "INSERT INTO execution_text(execution_text, rowid, text) VALUES ('delete', old.key, old.text); END"
    )


def _search_in_postgresql() -> None:
    """The same by PostgreSQL's own extension; where it cannot be had, a search reads the rows instead."""
    connection = op.get_bind()
    if not connection.scalar(sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        return
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except sa.exc.ProgrammingError:  # not allowed to this role
        return
    op.execute("CREATE INDEX execution_search_by_text ON execution_search USING gin (text gin_trgm_ops)")
