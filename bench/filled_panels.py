"""PostgreSQL stores for panels, filled by one SQL script past all ingest."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, text

from exporter.store.engine import open_engine
from exporter.store.migrate import migrate

PIPELINES = 300
_SCRIPT = Path(__file__).with_suffix(".sql")
_TABLES = ("executions", "execution_search", "stages", "errors", "events", "components")


def fill_panels(url: str, executions: int) -> None:
    """Make a store with so many executions, and let PostgreSQL look at what is there."""
    engine = open_engine(url)
    try:
        migrate(engine)
        script = _SCRIPT.read_text(encoding="utf-8")
        script = script.replace("PIPELINES", str(PIPELINES)).replace("EXECUTIONS", str(executions))
        with engine.begin() as connection:
            indexes = _without_indexes(connection)
            connection.execution_options(no_parameters=True).exec_driver_sql(script)
            connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
            for definition in indexes:
                connection.exec_driver_sql(definition)
        _vacuum(engine)
    finally:
        engine.dispose()


def _without_indexes(connection: Connection) -> list[str]:
    """Drops indexes that are no keys, which are built many times as fast afterwards; how to build them."""
    query = text(
        "SELECT x.indexrelid::regclass::text AS name, pg_get_indexdef(x.indexrelid) AS definition FROM pg_index x "
        "LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid "
        "WHERE x.indrelid = ANY (CAST(:tables AS regclass[])) AND c.oid IS NULL"
    )
    found = list(connection.execute(query, {"tables": list(_TABLES)}))
    for row in found:
        connection.exec_driver_sql(f"DROP INDEX {row.name}")
    return [row.definition for row in found]


def _vacuum(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"VACUUM ANALYZE {', '.join([*_TABLES, 'pipelines'])}")
