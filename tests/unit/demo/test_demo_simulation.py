"""Time, waiting and what waits in the parts that the story is made of."""

from datetime import UTC, datetime, timedelta

import pytest

from exporter.demo.backlog import Backlog
from exporter.demo.clock import Pace, parse_length
from exporter.demo.simulation import Process, Simulation

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def a_simulation(history: timedelta | None = None) -> Simulation:
    pace = Pace(NOON) if history is None else Pace(NOON - history, NOON)
    return Simulation(pace, seed=1)


def seconds(*numbers: float) -> list[datetime]:
    return [NOON + timedelta(seconds=number) for number in numbers]


def test_processes_take_turns_by_time() -> None:
    simulation = a_simulation()

    def every(pause: float) -> Process:
        while True:
            yield pause
            simulation.emit(f"every {pause:g}", {})

    simulation.begin(every(2))
    simulation.begin(every(3))
    events = list(simulation.events_until(NOON + timedelta(seconds=6)))
    assert [event.type for event in events] == ["every 2", "every 3", "every 2", "every 3", "every 2"]
    assert [event.time for event in events] == seconds(2, 3, 4, 6, 6)


def test_a_process_waits_for_the_end_of_another_or_goes_on_if_that_has_ended() -> None:
    simulation = a_simulation()

    def short() -> Process:
        yield 5

    def waiting() -> Process:
        yield task
        simulation.emit("first", {})
        yield task
        simulation.emit("second", {})

    task = simulation.begin(short())
    simulation.begin(waiting())
    assert [event.time for event in simulation.events_until(NOON + timedelta(minutes=1))] == seconds(5, 5)


def test_nothing_happens_after_the_limit_and_time_stands_at_it() -> None:
    simulation = a_simulation()

    def late() -> Process:
        yield 10.5
        simulation.emit("late", {})

    simulation.begin(late())
    assert list(simulation.events_until(NOON + timedelta(seconds=10))) == []
    assert simulation.instant == NOON + timedelta(seconds=10)
    assert simulation.next_instant == NOON + timedelta(seconds=10.5)


def test_cancelling_tells_what_was_open_end_once() -> None:
    simulation = a_simulation()

    class Open:
        def cancel(self) -> None:
            simulation.emit("cancelled", {})
            del simulation.open[self]

    simulation.open[Open()] = None
    assert [event.type for event in simulation.cancel()] == ["cancelled"]
    assert simulation.cancel() == []


def test_the_last_pause_in_history_ends_where_history_does() -> None:
    simulation = a_simulation(history=timedelta(minutes=30))
    assert simulation.sampling(live=5, history=1200) == 1200
    list(simulation.events_until(NOON - timedelta(minutes=10)))
    assert simulation.sampling(live=5, history=1200) == 600
    list(simulation.events_until(NOON))
    assert simulation.sampling(live=5, history=1200) == 0


def test_live_never_ends() -> None:
    assert a_simulation().sampling(live=5, history=1200) == 5


def test_speed_makes_everything_shorter_but_the_pauses_of_history() -> None:
    assert Pace(NOON, speed=60).real(90) == 1.5
    assert Pace(NOON, speed=60).between(300, 3600) == 5
    assert Pace(NOON, NOON + timedelta(days=1), speed=60).between(300, 3600) == 3600


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("7d", timedelta(days=7)),
        ("12h", timedelta(hours=12)),
        (" 30m", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
        ("1.5w", timedelta(days=10.5)),
    ],
)
def test_lengths_of_time_are_read(text: str, length: timedelta) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize("text", ["", "7", "d", "7 days", "-1d", "0d", "7y"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a length of time like 7d"):
        parse_length(text)


def test_a_backlog_grows_while_nothing_is_handled_and_its_watermark_stands() -> None:
    backlog = Backlog()
    assert backlog.handle(seconds(0)[0], 10, 100, rate=10, delay=0.5) == 10
    assert backlog.behind(seconds(0)[0]) == 0.5
    for second in (1, 2, 3):
        assert backlog.handle(seconds(second)[0], 10, 0, rate=10, delay=0.5) == 0
    assert backlog.waiting == 30
    assert backlog.behind(seconds(3)[0]) == 3.5
    assert backlog.handle(seconds(4)[0], 10, 100, rate=10, delay=0.5) == 40
    assert backlog.behind(seconds(4)[0]) == 0.5
