"""The store as a whole: its database, its writer and its keeper."""

from __future__ import annotations

from sqlalchemy import Engine

from exporter.store.engine import open_engine
from exporter.store.gather import Gatherer
from exporter.store.keeper import Keeper
from exporter.store.limits import Limits
from exporter.store.migrate import migrate
from exporter.store.reader import ReaderWatch
from exporter.store.writer import Observer, Writer


class Store:
    """Everything that is kept. `open` makes the database ready; `start` begins to take events."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        *,
        queue_limit: int = 50_000,
        observer: Observer | None = None,
        gatherer: Gatherer | None = None,
    ):
        self.engine = engine
        self.limits = limits
        self.writer = Writer(engine, limits, queue_limit=queue_limit, observer=observer, gatherer=gatherer)
        failed = _unnoticed if observer is None else observer.upkeep_failed
        self.keeper = Keeper(self.writer, failed)
        self.reader_watch = ReaderWatch(
            engine, _unnoticed if observer is None else observer.reader_ended, failed
        )

    @classmethod
    def open(
        cls,
        url: str,
        limits: Limits,
        *,
        password: str | None = None,
        queue_limit: int = 50_000,
        observer: Observer | None = None,
        gatherer: Gatherer | None = None,
    ) -> Store:
        """Open a database and bring it to this version's schema. Raises BadDatabase, SchemaTooNew, SQLAlchemyError."""
        engine = open_engine(url, password)
        migrate(engine)
        return cls(engine, limits, queue_limit=queue_limit, observer=observer, gatherer=gatherer)

    def start(self) -> None:
        """Begin to commit and to look after what is kept."""
        self.writer.start()
        self.keeper.rounds.start()
        self.reader_watch.start()

    def stop(self) -> None:
        """Commit what waits, and end."""
        self.reader_watch.stop()
        self.keeper.rounds.stop()
        self.writer.stop()
        self.engine.dispose()


def _unnoticed(*_: str) -> None:
    pass
