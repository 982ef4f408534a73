"""What MySQL and MariaDB need: sessions that only read, soon give up, and times whose zone is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection


def connect_args(driver: str, statement_seconds: float) -> dict[str, Any]:
    """What a driver is told when it connects. Raises ModuleNotFoundError if it is not installed."""
    told: dict[str, Any] = {"connect_timeout": 5}
    if driver == "pymysql":
        told |= {"read_timeout": statement_seconds + 5, "conv": _converters()}
    return told


def only_read(connection: Connection, statement_seconds: float, lock_seconds: float) -> None:
    """Let a session read and nothing else; the server ends what takes long, and what waits for a lock."""
    if getattr(connection.dialect, "is_mariadb", False):
        limit = f"max_statement_time={statement_seconds}"
    else:
        limit = f"max_execution_time={statement_seconds * 1000}"
    waits = f"lock_wait_timeout={lock_seconds:.0f}, innodb_lock_wait_timeout={lock_seconds:.0f}"
    connection.exec_driver_sql(f"SET SESSION {limit}, {waits}, time_zone='+00:00'")
    connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
    # The first statement began a transaction that is not bound by the last.
    connection.rollback()


def _converters() -> dict[Any, Any]:
    """As usual, but for TIMESTAMP: it is an instant, told in the session's zone. DATETIME is what its writer meant."""
    from pymysql.constants import FIELD_TYPE  # noqa: PLC0415 - an extra
    from pymysql.converters import conversions, convert_datetime  # noqa: PLC0415 - an extra

    def instant(text: str) -> datetime | str:
        found = convert_datetime(text)
        return found.replace(tzinfo=UTC) if isinstance(found, datetime) else found

    return {**conversions, FIELD_TYPE.TIMESTAMP: instant}
