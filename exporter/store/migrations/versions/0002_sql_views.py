"""Views for panels that read PostgreSQL, and the indexes that they need; nothing on SQLite

A later migration that changes a column which a view shows has to make that view anew.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from exporter.store.engine import BadDatabase

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        return
    connection = op.get_bind()
    # Where the exporter may not create schemas, its administrator has made this one for it.
    if connection.scalar(sa.text("SELECT to_regnamespace('pipelines') IS NULL")):
        connection.execute(sa.text("CREATE SCHEMA pipelines"))
    # As for a role of that name: the views would be taken for the tables.
    if connection.scalar(sa.text("SELECT 'pipelines' = ANY (current_schemas(false))")):
        raise BadDatabase(
            "the views are in the schema pipelines, so the exporter's search_path must not have it"
        )
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection.execution_options(no_parameters=True).exec_driver_sql(statements)
