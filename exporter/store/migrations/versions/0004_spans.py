"""Spans that wait for others, and executions whose end no span tells"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spans",
        sa.Column("key", sa.LargeBinary(length=24), nullable=False),
        sa.Column("started", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parent_key", sa.LargeBinary(length=24), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=True),
        sa.Column("told", sa.LargeBinary(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("key", "started"),
    )
    op.create_index("spans_by_parent", "spans", ["parent_key", "state"])
    op.create_index("spans_by_due", "spans", ["due_at"])
    op.create_index("spans_by_arrival", "spans", ["arrived_at"])
    op.create_index("spans_by_execution", "spans", ["execution_id"])
    op.create_table(
        "open_runs",
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id"),
    )
    op.create_index("open_runs_by_due", "open_runs", ["due_at"])
    op.create_index("open_runs_by_arrival", "open_runs", ["arrived_at"])
