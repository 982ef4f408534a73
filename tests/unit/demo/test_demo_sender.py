"""The sender delivers every event once, whatever the server and the network do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from exporter.demo.event import Event
from exporter.demo.sender import Rejected, Sender, Stopped
from tests.unit.demo.recorder import Answer, accept, recorder, refuse

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def some(number: int) -> list[Event]:
    return [Event(f"e-{n}", "pipeline.declared", NOON, {"pipeline": "nightly"}) for n in range(number)]


class Terminal:
    """What was said, and how long was waited."""

    def __init__(self, patience: int = 1000) -> None:
        self.lines: list[str] = []
        self.waits: list[float] = []
        self.patience = patience

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return len(self.waits) > self.patience


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def a_sender(url: str, session: requests.Session, terminal: Terminal) -> Sender:
    return Sender(url, session, wait=terminal.wait, say=terminal.lines.append)


def test_events_arrive_compressed_in_batches_of_at_most_2000(session: requests.Session) -> None:
    with recorder() as server:
        sender = a_sender(server.url, session, Terminal())
        sender.send(some(4201))
    assert [len(batch) for batch in server.batches] == [2000, 2000, 201]
    assert sender.delivered == 4201
    assert server.headers[0]["path"] == "/api/v1/events"
    assert server.headers[0]["Content-Type"] == "application/cloudevents-batch+json"
    assert server.headers[0]["Content-Encoding"] == "gzip"


def test_nothing_is_sent_for_no_events(session: requests.Session) -> None:
    with recorder() as server:
        a_sender(server.url, session, Terminal()).send([])
    assert server.batches == []


def test_after_a_503_the_same_ids_are_sent_when_the_server_said(session: requests.Session) -> None:
    def busy_twice(number: int, batch: list[dict[str, object]]) -> Answer:
        return Answer(503, {"Retry-After": "7"}) if number <= 2 else accept(number, batch)

    terminal = Terminal()
    with recorder(busy_twice) as server:
        sender = a_sender(server.url, session, terminal)
        sender.send(some(3))
    assert server.ids == [["e-0", "e-1", "e-2"]] * 3
    assert terminal.waits == [7.0, 7.0]
    assert sender.delivered == 3
    assert len(terminal.lines) == 2
    assert "is away (it answers 503" in terminal.lines[0]
    assert "is back" in terminal.lines[1]


def test_retry_after_may_be_a_date_by_the_servers_clock(session: requests.Session) -> None:
    def busy_once(number: int, batch: list[dict[str, object]]) -> Answer:
        until = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        return Answer(503, {"Retry-After": until}) if number == 1 else accept(number, batch)

    terminal = Terminal()
    with recorder(busy_once) as server:
        a_sender(server.url, session, terminal).send(some(1))
    assert 28 <= terminal.waits[0] <= 31


def test_a_batch_whose_answer_got_lost_is_sent_again_with_the_same_ids(session: requests.Session) -> None:
    def hang_up_once(number: int, batch: list[dict[str, object]]) -> Answer:
        return Answer(hang_up=True) if number == 1 else accept(number, batch)

    terminal = Terminal()
    with recorder(hang_up_once) as server:
        a_sender(server.url, session, terminal).send(some(2))
    assert server.ids == [["e-0", "e-1"]] * 2
    assert [line.split(" is ")[1].split()[0] for line in terminal.lines] == ["away", "back;"]


def test_while_the_server_is_away_pauses_grow_and_one_line_is_said(session: requests.Session) -> None:
    with recorder() as server:
        gone = server.url
    terminal = Terminal(patience=8)
    with pytest.raises(Stopped) as stopped:
        a_sender(gone, session, terminal).send(some(700))
    assert stopped.value.undelivered == 700
    assert terminal.waits == [0.5, 1, 2, 4, 8, 15, 15, 15, 15]
    assert terminal.lines == [f"{gone} is away (cannot connect); keeping events and trying again"]


@pytest.mark.parametrize("status", [413, 422])
def test_a_batch_that_is_refused_for_one_event_is_halved_until_that_one_is_alone(
    session: requests.Session, status: int
) -> None:
    def refuse_the_sixth(number: int, batch: list[dict[str, object]]) -> Answer:
        if any(event["id"] == "e-6" for event in batch):
            errors = [{"pointer": "/0/data/pipeline", "message": "too long"}]
            return Answer(status, body={"title": "Refused", "detail": "1 field is wrong", "errors": errors})
        return accept(number, batch)

    terminal = Terminal()
    with recorder(refuse_the_sixth) as server:
        sender = a_sender(server.url, session, terminal)
        sender.send(some(20))
    assert (sender.delivered, sender.refused) == (19, 1)
    assert terminal.waits == []
    assert len(terminal.lines) == 1
    assert "e-6" in terminal.lines[0]
    assert "/0/data/pipeline: too long" in terminal.lines[0]


@pytest.mark.parametrize("status", [400, 401, 404, 415])
def test_an_answer_that_no_repetition_changes_ends_it(session: requests.Session, status: int) -> None:
    terminal = Terminal()
    with recorder(refuse(status, "no such thing")) as server, pytest.raises(Rejected, match="no such thing"):
        a_sender(server.url, session, terminal).send(some(1))
    assert terminal.waits == []
