"""Whatever becomes of a real event on its way, it is taken or refused, and what is taken can be stored."""

import json
from copy import deepcopy
from functools import cache
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.domain.events import Event, ExecutionFinished, StageFinished, StageSettled
from exporter.domain.status import FINAL, status_of_word
from exporter.domain.times import EARLIEST, LATEST
from exporter.ingest.openlineage import translate
from exporter.ingest.refusal import Refused
from tests.support.model import executions
from tests.support.openlineage import OPENLINEAGE, RECEIVED, bodies
from tests.support.recordings import recordings


@cache
def samples() -> list[Any]:
    """Some events of every recording, of every type."""
    found: dict[tuple[str, ...], Any] = {}
    for name in (name for prefix in OPENLINEAGE for name in recordings(prefix)):
        for body in bodies(name):
            event = json.loads(body)
            kind = event.get("job", {}).get("facets", {}).get("jobType", {}).get("jobType", "")
            found[name.partition("-")[0], kind, event.get("eventType", "")] = event
    return list(found.values())


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value] if levels % 2 else {"a": value}
    return value


ODD = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            10**30,
            1.5,
            -0.0,
            float("inf"),
            float("nan"),
            "",
            " ",
            "\x00",
            "\ud800",
            "'",
            "[1]",
        ]
    ),
    st.sampled_from(["x" * 10_000, "a\nb\r\x00c", "2026-11-22T01:00:00Z", "'a', 'b'", "🚀" * 300, "{}", "3"]),
    st.sampled_from([[], {}, [None], {"": ""}, {"\x00": "\x00"}, nested(80), nested(151)]),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
)


def mutate(value: Any, data: st.DataObject) -> None:
    """Change one place of a JSON value: drop it, replace it, or bring something along."""
    place: Any = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inside = place[key]
        if isinstance(inside, dict | list) and inside and data.draw(st.integers(0, 3)):
            place = inside
            continue
        change = data.draw(st.sampled_from(("drop", "replace", "wrap", "add")))
        if change == "drop":
            del place[key]
        elif change == "wrap":
            place[key] = [inside]
        elif change == "add" and isinstance(place, dict):
            place[data.draw(st.text(max_size=5))] = deepcopy(data.draw(ODD))
        else:
            place[key] = deepcopy(data.draw(ODD))
        return


def check(body: bytes) -> list[Event]:
    """Translate; what comes of it must be fit to be stored."""
    events: list[Event] = []
    try:
        events = translate(body, received=RECEIVED)
    except Refused as refused:
        answer = refused.status, bool(refused.errors), bool(refused.detail)
    else:
        answer = 202, False, True
    assert answer in ((202, False, True), (400, False, True), (422, True, True))
    for event in events:
        body = event.body
        assert b"\\u0000" not in body
        assert len(event.identity) == 16
        assert EARLIEST <= event.time < LATEST
        assert event.namespace.isprintable()
        assert msgspec.json.decode(body, type=type(event.payload)) == event.payload
        if isinstance(event.payload, ExecutionFinished | StageFinished | StageSettled):
            assert status_of_word(event.payload.status) in FINAL
    executions(events)
    return events


@given(st.data())
@settings(max_examples=400)
def test_an_event_that_was_tampered_with_is_taken_or_refused(data: st.DataObject) -> None:
    event = deepcopy(data.draw(st.sampled_from(samples())))
    for _ in range(data.draw(st.integers(1, 6))):
        mutate(event, data)
    check(json.dumps(event).encode())


@given(st.data())
@settings(max_examples=200)
def test_an_event_whose_bytes_were_broken_is_taken_or_refused(data: st.DataObject) -> None:
    body = bytearray(json.dumps(data.draw(st.sampled_from(samples()))).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    check(bytes(body))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_any_json_at_all_is_taken_or_refused(value: Any) -> None:
    check(json.dumps(value).encode())


def test_every_sample_is_taken_as_it_is() -> None:
    assert len(samples()) > 20
    for event in samples():
        assert check(json.dumps(event).encode()) or event.get("eventType") in (None, "START")
