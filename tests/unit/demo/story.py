"""Lets the demo's pipelines run for a while, without a server and without waiting."""

from datetime import UTC, datetime, timedelta

from exporter.demo.clock import Pace
from exporter.demo.dispatcher import Dispatcher
from exporter.demo.event import Event
from exporter.demo.history import History, Known, nothing_known
from exporter.demo.pipelines import all_pipelines
from exporter.demo.simulation import Simulation

NOW = datetime(2026, 11, 22, 5, 3, 17, 123456, tzinfo=UTC)


def tell(live: timedelta, *, speed: float = 1.0, seed: int = 1, now: datetime = NOW) -> list[Event]:
    """What the demo tells from now until `live` later."""
    simulation = Simulation(Pace(now, speed=speed), seed)
    Dispatcher(simulation, all_pipelines()).open()
    return list(simulation.events_until(now + live))


def tell_history(
    length: timedelta,
    *,
    speed: float = 1.0,
    seed: int = 1,
    now: datetime = NOW,
    known: Known = nothing_known,
) -> list[Event]:
    """What the demo tells of so much history, day by day, the latest first."""
    history = History(all_pipelines(), now, length, seed, speed, known)
    events = []
    while batch := history.next(2000):
        events += batch
    return events


def text(event: Event, field: str) -> str:
    """A field of the data, as text; empty if it is not there."""
    return str(event.data.get(field, ""))


def of_type(events: list[Event], kind: str) -> list[Event]:
    """The events of one type, without `pipeline.` in front of it."""
    return [event for event in events if event.type == f"pipeline.{kind}"]
