"""What must be there, what may be missing, and how times are read."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from exporter.domain.events import ExecutionHeartbeat, ExecutionStarted
from exporter.ingest.openlineage import translate
from exporter.ingest.openlineage.wire import free_form, instant
from exporter.ingest.refusal import Refused
from tests.support.openlineage import RECEIVED, only, run_event, told


def refused(body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        translate(body, received=RECEIVED)
    return caught.value


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[" * 100_000, b'{"run":' * 100_000])
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    assert refused(body).status == 400


@pytest.mark.parametrize("body", [b"[]", b"3", b'"text"', b"null"])
def test_json_that_is_no_object_is_wrong(body: bytes) -> None:
    found = refused(body)
    assert (found.status, [error.pointer for error in found.errors]) == (422, [""])


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"eventTime": None}, ["/eventTime"]),
        ({"eventTime": "yesterday"}, ["/eventTime"]),
        ({"eventTime": "1999-12-31T23:59:59Z"}, ["/eventTime"]),
        ({"eventTime": "2100-01-01T00:00:00Z"}, ["/eventTime"]),
        ({"run": None}, ["/run/runId"]),
        ({"run": {}}, ["/run/runId"]),
        ({"run": {"runId": 7}}, ["/run/runId"]),
        ({"job": {"namespace": "ns"}}, ["/job/name"]),
        ({"job": "etl", "eventTime": 3}, ["/job/name", "/eventTime"]),
    ],
)
def test_what_an_event_means_nothing_without_is_named(change: dict[str, object], pointers: list[str]) -> None:
    body = json.dumps({**json.loads(run_event()), **change}).encode()
    found = refused(body)
    assert found.status == 422
    assert [error.pointer for error in found.errors] == pointers
    assert pointers[0] in found.detail


def test_what_happens_more_than_a_day_from_now_is_refused() -> None:
    ahead = RECEIVED + timedelta(days=1)
    at_most = json.dumps({**json.loads(run_event()), "eventTime": ahead.isoformat()}).encode()
    assert translate(at_most, received=RECEIVED)
    late = (ahead + timedelta(seconds=1)).isoformat()
    found = refused(json.dumps({**json.loads(run_event()), "eventTime": late}).encode())
    assert (found.status, [error.pointer for error in found.errors]) == (422, ["/eventTime"])
    assert "at most a day ahead" in found.detail


@pytest.mark.parametrize(
    "change",
    [
        {"producer": 3, "inputs": {"a": 1}, "outputs": "x"},
        {"job": {"name": "etl"}},
        {"job": {"name": "etl", "namespace": ["x"], "facets": 7}},
        {"eventType": "START", "schemaURL": [], "unknown": {"deep": [[[]]]}},
    ],
)
def test_what_can_be_done_without_is_done_without(change: dict[str, object]) -> None:
    body = json.dumps({**json.loads(run_event()), **change}).encode()
    assert isinstance(translate(body, received=RECEIVED)[0].payload, ExecutionStarted)


@pytest.mark.parametrize("type_", [None, "SOMETHING", "OTHER", "RUNNING"])
def test_a_run_event_of_another_type_is_a_sign_of_life(type_: str | None) -> None:
    only(told([run_event(type_)]), ExecutionHeartbeat)


@pytest.mark.parametrize("key", ["dataset", "job"])
def test_events_of_datasets_and_jobs_tell_of_no_run(key: str) -> None:
    body = json.dumps({"eventTime": "2026-11-22T01:00:00Z", key: {"namespace": "ns", "name": "a"}}).encode()
    assert translate(body, received=RECEIVED) == []


@pytest.mark.parametrize(
    ("told_time", "moment"),
    [
        ("2026-11-22T01:33:42Z", "01:33:42"),
        ("2026-11-22T01:33:42.123Z", "01:33:42.123000"),
        ("2026-11-22T01:33:42.123456789Z", "01:33:42.123456"),
        ("2026-11-22T07:03:42.5+05:30", "01:33:42.500000"),
        ("2026-11-21T21:33:42-04:00", "01:33:42"),
        ("2026-11-22T02:33+01:00[Europe/Paris]", "01:33:00"),
        ("2026-11-22t01:33:42z", "01:33:42"),
        # dbt's wrapper writes the end of a run that it gave up on without an offset.
        ("2026-11-22T01:33:42.000001", "01:33:42.000001"),
    ],
)
def test_times_are_instants(told_time: str, moment: str) -> None:
    found = instant(told_time)
    assert found == datetime.fromisoformat(f"2026-11-22T{moment}+00:00")
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value", [None, 3, "", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "x" * 5000]
)
def test_other_values_are_no_times(value: object) -> None:
    assert instant(value) is None


def test_what_python_writes_as_json_is_read_though_it_is_not() -> None:
    body = run_event(
        "FAIL", run_facets={"errorMessage": {"message": "lone \ud800"}, "x": {"nan": float("nan")}}
    )
    assert b"NaN" in body
    (event,) = translate(body, received=RECEIVED)
    assert b'"message":"lone ?"' in event.body


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    body = run_event(name="cafe").replace(b"cafe", b"caf\xe9")
    assert translate(body, received=RECEIVED)[0].payload.pipeline == "caf?"


def test_a_name_of_ten_kilobytes_is_cut_and_kept_apart_from_its_like() -> None:
    names = [
        translate(run_event(name="n" * 10_000 + end), received=RECEIVED)[0].payload.pipeline for end in "ab"
    ]
    assert len(set(names)) == 2
    assert all(len(name) == 256 for name in names)


def test_a_free_form_value_can_be_stored() -> None:
    value = {"a\x00": ["\ud800", float("inf"), 10**40, 2**53, True, None], "deep": [[[1]]]}
    assert free_form(value, 3) == {
        "a\ufffd": ["?", None, str(10**40), 2**53, True, None],
        "deep": [[None]],
    }


def test_the_environment_is_part_of_what_is_said() -> None:
    (lab,) = translate(run_event(), received=RECEIVED, environment="lab")
    (default,) = translate(run_event(), received=RECEIVED)
    assert (lab.payload.environment, default.payload.environment) == ("lab", "default")
    assert lab.identity != default.identity


def test_the_notation_of_a_time_makes_no_other_event() -> None:
    same = ["2026-11-22T01:00:00Z", "2026-11-22T02:00:00.000+01:00"]
    assert len({event.identity for event in told([run_event(time=time) for time in same])}) == 1
    assert len({event.identity for event in told([run_event(), run_event(time="2026-11-22T01:00:01Z")])}) == 2
