"""Databases that begin with this version's schema: to make it anew takes longer than most tests do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url

from exporter.store.engine import open_engine
from exporter.store.migrate import migrate


def migrated(url: str) -> None:
    """Bring a database to this version's schema, as the exporter does when it starts."""
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()


def begun(url: str) -> str:
    """The same URL; if it is of a SQLite file that does not exist yet, it does now, with the schema."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database and not Path(parsed.database).exists():
        Path(parsed.database).write_bytes(_migrated_file())
    return url


@cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "exporter.db"
        migrated(f"sqlite:///{file}")
        assert not file.with_name("exporter.db-wal").exists(), "the schema is not all in the file"
        return file.read_bytes()
