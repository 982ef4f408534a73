"""Brings a database to the schema of this version; several replicas may try at once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from exporter.store.reader import grant_views

_LOCK = 7_016_996_765
"""Number of PostgreSQL's advisory lock that migrations are made under."""


class SchemaTooNew(RuntimeError):
    """The database was migrated by a later version of the exporter."""


def migrate(engine: Engine) -> None:
    """Apply the migrations that are missing, in one transaction. Raises BadDatabase, SchemaTooNew."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        current = _current(connection)
        known = {revision.revision for revision in _scripts().walk_revisions()}
        if current is not None and current not in known:
            raise SchemaTooNew(f"the database has schema {current}, which this version does not know")
        if current != _scripts().get_current_head():
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        grant_views(connection)
        connection.commit()


def is_current(connection: Connection) -> bool:
    """Whether a database has the schema of this version."""
    return _current(connection) == _scripts().get_current_head()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
