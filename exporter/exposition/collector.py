"""The store as a collector, for any registry of prometheus_client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TypeAlias

from prometheus_client.metrics_core import Metric as Family
from sqlalchemy import Connection, Engine

from exporter.domain.times import SECOND, to_micros
from exporter.exposition.families import MOST_EXECUTIONS, PASSING, SETTLED, Moment, age, family, passing
from exporter.store.engine import reading
from exporter.store.limits import Limits
from exporter.store.readings import AGES, ExecutionReading, Reading, readings
from exporter.store.snapshot import changed, read_clock
from exporter.store.state import Histogram

Forecasts: TypeAlias = Callable[[Connection, datetime], Iterable[ExecutionReading]]
"""How far active executions are, those that started last first: the first `MOST_EXECUTIONS` are exposed."""

Now: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def no_forecasts(_: Connection, _now: datetime) -> Iterable[ExecutionReading]:
    """For a store whose executions nobody forecasts."""
    return ()


class StoreCollector:
    """Everything in the store, read from the database and built as objects each time.

    `Exposition` gives the same bytes at a fraction of the cost. This is for registries of other programs.
    """

    def __init__(
        self, engine: Engine, limits: Limits, *, forecasts: Forecasts = no_forecasts, now: Now = utc_now
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._forecasts = forecasts
        self._now = now

    def describe(self) -> Iterator[Family]:
        """Families without samples, so that a registry knows their names without a look at the database."""
        for metric in (*SETTLED, *PASSING):
            yield family(metric)

    def collect(self) -> Iterator[Family]:
        """Families with their samples. Raises sqlalchemy.exc.OperationalError where the database is away."""
        now = self._now()
        with reading(self._engine) as connection:
            clock = read_clock(connection)
            snapshots = [snapshot for batch in changed(connection) for snapshot in batch]
            executions = list(islice(self._forecasts(connection, now), MOST_EXECUTIONS))
        moment = Moment(now, clock, self._limits, executions)
        for metric in SETTLED:
            yield family(metric, (entry for snapshot in snapshots for entry in readings(metric, snapshot)))
        for metric in PASSING:
            if metric in AGES:
                found = (entry for snapshot in snapshots for entry in readings(metric, snapshot))
                yield family(metric, _ages(found, to_micros(now) / SECOND))
            else:
                yield family(metric, passing(metric, moment))


def _ages(found: Iterable[Reading], now: float) -> Iterator[Reading]:
    for labels, instant in found:
        assert not isinstance(instant, Histogram)
        yield labels, age(instant, now)
