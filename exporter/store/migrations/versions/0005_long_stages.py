"""What the older attempts of a stage with very many of them add up to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "long_stages",
        sa.Column("instance", sa.LargeBinary(length=16), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance"),
    )
    op.create_index("long_stages_by_execution", "long_stages", ["execution_id"])
