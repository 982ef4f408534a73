"""Alembic's entry: runs over the connection that `exporter.store.migrate` passes in."""

from alembic import context

from exporter.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
