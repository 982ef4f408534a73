"""How far each source has been read, kept with what was read from it, so that it survives restarts."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from exporter.store.engine import writing
from exporter.store.schema import source_cursors


class Overtaken(Exception):
    """Another replica moved the position since it was read; nothing has happened."""


class Cursors:
    """Positions by source and read; each has a version, so that of two replicas only one moves it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def load(self, source: str, read: str) -> tuple[int, bytes | None]:
        """Version and state; 0 and None if nothing was read yet."""
        table = source_cursors
        query = select(table.c.version, table.c.state).where(table.c.source == source, table.c.read == read)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return (0, None) if row is None else (row.version, bytes(row.state))

    def save(self, source: str, read: str, version: int, state: bytes) -> int:
        """Move a position on from the version that was loaded; returns the next. Raises Overtaken."""
        table = source_cursors
        with writing(self._engine) as connection:
            if version == 0:
                row = {"source": source, "read": read, "version": 1, "state": state}
                try:
                    connection.execute(insert(table).values(**row))
                except IntegrityError as error:
                    raise Overtaken(source) from error
                return 1
            moved = connection.execute(
                update(table)
                .where(table.c.source == source, table.c.read == read, table.c.version == version)
                .values(version=version + 1, state=state)
            )
            if moved.rowcount == 0:
                raise Overtaken(source)
        return version + 1
