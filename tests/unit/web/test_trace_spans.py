"""Whatever is stored of an execution, its trace is a tree that every client can draw."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.domain.lifecycle import Mark, Sign, finish
from exporter.domain.status import Status
from exporter.store.queries.happenings import StoredError
from exporter.store.queries.trace_parts import EVENTS, Call, CallError, Parts, TimedCall, TimedEvent, Told
from exporter.store.records import SETTLED, Attempt, Execution, instance_id, path_text
from exporter.store.state import Fact, Facts
from exporter.web.answers.trace_spans import short_trace, whole_trace
from tests.support import traces

ID = "0" * 31 + "1"
NOW = 1_000_000_000
TIMES = st.one_of(st.integers(NOW - 50, NOW + 50), st.integers(-(2**62), 2**62))
MAYBE = st.none() | TIMES
NAMES = st.sampled_from(["a", "b", "c", "\N{SNOWMAN}", "execution"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)
INDEXES = st.sampled_from([None, "0", "1", "x"])
STATUSES = st.sampled_from([status.value for status in Status])
TEXTS = st.text(max_size=20) | st.just("y" * 5_000)
JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


@st.composite
def marks(draw: st.DrawFn) -> list[Mark]:
    signs = st.sampled_from([Sign.QUEUED, Sign.STARTED, Sign.PAUSED, Sign.RESUMED])
    begun = st.builds(Mark, TIMES, signs)
    ends = st.builds(finish, TIMES, st.sampled_from([Status.FAILED, Status.SUCCEEDED, Status.SKIPPED]), TEXTS)
    return sorted(draw(st.lists(st.one_of(begun, ends), max_size=5)))


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    path, index = draw(PATHS), draw(INDEXES)
    number = draw(st.integers(0, 3))
    key = draw(st.sampled_from([str(number), f"id:{number}", SETTLED]))
    text = path_text(path)
    return Attempt(
        instance=instance_id(ID, text, index), attempt_key=key, execution_id=ID, pipeline_id=1, name=path[-1],
        index=index, path=text, attempt=number, last=draw(st.booleans()), status=draw(STATUSES),
        own_status=draw(STATUSES), source_status=draw(st.none() | TEXTS), queued_at=draw(MAYBE),
        started_at=draw(MAYBE), ended_at=draw(MAYBE), duration=draw(st.none() | st.integers(0, 2**62)),
        first_at=draw(TIMES), items_in=draw(st.none() | st.integers(0, 2**53)), items_out=None,
        cpu_seconds=draw(st.none() | st.floats(0, 1e9)), memory_peak_bytes=draw(st.none() | st.floats(0, 1e15)),
        marks=draw(marks()), facts=Facts(),
    )  # fmt: skip


ERRORS = st.builds(
    StoredError,
    time=TIMES,
    stage=st.none() | NAMES,
    index=INDEXES,
    attempt=st.none() | st.integers(1, 3),
    type=TEXTS,
    category=TEXTS,
    severity=TEXTS,
    component=st.none() | TEXTS,
    message=TEXTS,
    stacktrace=st.none() | TEXTS,
    context=st.none() | st.dictionaries(TEXTS, JSON, max_size=2),
)
CALLS = st.builds(
    Call,
    provider=TEXTS,
    request_model=TEXTS,
    stage=st.none() | NAMES,
    duration_seconds=st.none() | st.floats(0, 1e9),
    input_tokens=st.none() | st.integers(0, 2**53),
    error=st.none() | st.builds(CallError, message=TEXTS, type=st.none() | TEXTS),
)
TOLD = st.builds(
    Told,
    stage=st.none() | NAMES,
    level=st.none() | TEXTS,
    message=st.none() | TEXTS,
    bytes=st.none() | st.integers(0, 2**53),
    fields=st.sampled_from([msgspec.Raw(), msgspec.Raw(b'{"row":3}')]),
)


@st.composite
def executions(draw: st.DrawFn) -> Execution:
    names = ("labels", "parameters", "error", "stage_error", "progress", "message", "link", "parent")
    facts: dict[str, Any] = {
        "labels": st.dictionaries(TEXTS, JSON, max_size=3),
        "parameters": st.dictionaries(TEXTS, JSON, max_size=2),
        "error": st.fixed_dictionaries({"message": TEXTS}, optional={"type": TEXTS, "stacktrace": TEXTS}),
        "stage_error": st.fixed_dictionaries({"message": TEXTS, "stage": NAMES}, optional={"type": TEXTS}),
        "progress": st.floats(0, 1),
        "message": TEXTS,
        "link": TEXTS,
        "parent": st.fixed_dictionaries({"pipeline": NAMES, "execution": TEXTS}),
    }
    told = draw(st.sets(st.sampled_from(names)))
    return Execution(
        id=ID, pipeline_id=1, pipeline=draw(NAMES), environment="default", external_id=draw(TEXTS), source="test",
        kind=draw(st.none() | TEXTS), trigger=None, status=draw(STATUSES), source_status=draw(st.none() | TEXTS),
        sort_at=draw(TIMES), queued_at=draw(MAYBE), started_at=draw(MAYBE), ended_at=draw(MAYBE),
        duration=draw(st.none() | st.integers(0, 2**62)), first_at=draw(TIMES), last_at=draw(TIMES),
        seen_at=draw(TIMES), deadline=None, lost_at=draw(MAYBE), stages_total=1, stages_done=0, stages_active=0,
        ends_counted=0, queue_counted=False, ends=[], marks=draw(marks()),
        facts=Facts({name: Fact(draw(TIMES), draw(facts[name])) for name in sorted(told)}),
    )  # fmt: skip


@st.composite
def parts(draw: st.DrawFn) -> Parts:
    rows = draw(st.lists(attempts(), max_size=8, unique_by=lambda row: (row.instance, row.attempt_key)))
    calls = draw(st.lists(CALLS, max_size=3))
    told = draw(st.lists(TOLD, max_size=3))
    return Parts(
        attempts=rows,
        errors=draw(st.lists(ERRORS, max_size=3)),
        calls=[TimedCall(seq, draw(TIMES), call) for seq, call in enumerate(calls)],
        events=[TimedEvent(draw(TIMES), draw(st.sampled_from(EVENTS)), each) for each in told],
        attempts_left_out=draw(st.integers(0, 2)),
    )


def as_read(trace: Any) -> traces.Trace:
    return msgspec.json.decode(msgspec.json.encode(trace), type=traces.Trace)


@settings(max_examples=150)
@given(executions(), parts(), st.dictionaries(TEXTS, JSON, max_size=2), TIMES)
def test_any_execution_is_a_valid_tree(
    execution: Execution, found: Parts, labels: dict[str, Any], now: int
) -> None:
    declared = {"labels": labels, "owner": None}
    whole = as_read(whole_trace(execution, declared, found, now))
    traces.check(whole)
    short = as_read(short_trace(execution, declared, now))
    traces.check(short)
    assert (short.root.startTime, short.root.duration) == (whole.root.startTime, whole.root.duration)
    assert len(whole.spans) >= 1 + len(found.calls)
    assert len(whole.root.told) == len(whole.root.tags)


@given(executions(), parts())
def test_a_tree_is_the_same_each_time(execution: Execution, found: Parts) -> None:
    assert whole_trace(execution, {}, found, NOW) == whole_trace(execution, {}, found, NOW)
