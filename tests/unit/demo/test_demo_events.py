"""What holds for everything that the demo sends, whatever the story."""

from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest

from exporter.demo.event import Event, timestamp
from tests.unit.demo.story import NOW, of_type, tell, tell_history, text
from tests.unit.demo.vocabulary import is_valid

LIVE = timedelta(minutes=12)


@pytest.fixture(
    scope="module",
    params=["live", "60 times as fast", "history"],
)
def events(request: pytest.FixtureRequest) -> list[Event]:
    if request.param == "history":
        return sorted(tell_history(timedelta(hours=5), seed=3), key=lambda event: event.time)
    seed, speed = {"live": (1, 1.0), "60 times as fast": (7, 60.0)}[request.param]
    return tell(LIVE / speed, speed=speed, seed=seed)


def attempt_of(event: Event) -> tuple[str, ...]:
    return tuple(text(event, field) for field in ("execution", "stage", "index", "parent", "attempt"))


def by_execution(events: list[Event]) -> dict[tuple[str, str], list[Event]]:
    found = defaultdict(list)
    for event in events:
        if "execution" in event.data:
            found[text(event, "pipeline"), text(event, "execution")].append(event)
    return found


def test_every_event_is_as_the_table_of_types_has_it(events: list[Event]) -> None:
    assert [event for event in events if not is_valid(event.as_cloudevent())] == []


def test_ids_are_unique(events: list[Event]) -> None:
    assert len({event.id for event in events}) == len(events)


def test_times_never_go_back_and_are_never_in_the_future(events: list[Event]) -> None:
    assert all(earlier.time <= later.time for earlier, later in pairwise(events))
    assert events[-1].time <= NOW + LIVE


def test_an_execution_starts_before_anything_else_but_its_queueing_and_tells_nothing_after_its_end(
    events: list[Event],
) -> None:
    for told in by_execution(events).values():
        types = [event.type.removeprefix("pipeline.") for event in told]
        assert types[0] == "execution.queued"
        assert types[1:2] in ([], ["execution.started"])
        assert types.count("execution.started") <= 1
        assert "execution.finished" not in types[:-1]


def test_every_attempt_of_a_stage_ends_once_and_after_its_start_unless_it_was_skipped(
    events: list[Event],
) -> None:
    running: set[tuple[str, ...]] = set()
    for event in events:
        attempt = attempt_of(event)
        if event.type == "pipeline.stage.started":
            assert attempt not in running
            running.add(attempt)
        elif event.type == "pipeline.stage.progressed":
            assert attempt in running
        elif event.type == "pipeline.stage.finished" and event.data["status"] != "skipped":
            assert attempt in running
            running.remove(attempt)


def test_no_stage_is_left_running_when_its_execution_ends(events: list[Event]) -> None:
    running: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for event in events:
        stages = running[text(event, "pipeline"), text(event, "execution")]
        if event.type == "pipeline.stage.started":
            stages.add(attempt_of(event))
        elif event.type == "pipeline.stage.finished":
            stages.discard(attempt_of(event))
        elif event.type == "pipeline.execution.finished":
            assert stages == set()


def test_after_a_retry_another_attempt_starts(events: list[Event]) -> None:
    started = {attempt_of(event) for event in of_type(events, "stage.started")}
    unfinished = 0
    for event in of_type(events, "stage.finished"):
        if event.data.get("retry"):
            *stage, number = attempt_of(event)
            unfinished += (*stage, str(int(number) + 1)) not in started
    # At the end of the story a few are waiting to try again, and of executions that died nothing is heard.
    assert unfinished <= 5


def test_what_accumulates_never_falls(events: list[Event]) -> None:
    used: dict[tuple[str, ...], list[float]] = {}
    for event in of_type(events, "resources.sampled"):
        key = attempt_of(event)
        fields = ("cpu_seconds", "memory_peak_bytes", "io_read_bytes", "io_written_bytes")
        values = [float(text(event, field)) for field in fields]
        assert all(before <= now for before, now in zip(used.get(key, values), values, strict=True))
        used[key] = values


def test_progress_and_watermarks_never_go_back(events: list[Event]) -> None:
    progress: dict[str, float] = {}
    for event in of_type(events, "execution.progressed"):
        execution, reached = text(event, "execution"), float(text(event, "progress"))
        assert reached >= progress.get(execution, 0.0)
        progress[execution] = reached
    watermarks: dict[tuple[str, ...], str] = {}
    for event in of_type(events, "stream.measured"):
        if "watermark" in event.data:
            key = (text(event, "execution"), text(event, "stream"), text(event, "direction"))
            assert watermarks.get(key, "") <= text(event, "watermark") <= timestamp(event.time)
            watermarks[key] = text(event, "watermark")


def test_declared_stages_depend_on_declared_stages(events: list[Event]) -> None:
    for event in of_type(events, "declared"):
        stages = event.data.get("stages", [])
        assert isinstance(stages, list)
        names = [stage["name"] for stage in stages]
        assert len(set(names)) == len(names)
        assert {needed for stage in stages for needed in stage["depends_on"]} <= set(names)


def test_of_a_failed_execution_itself_or_one_of_its_stages_says_why(events: list[Event]) -> None:
    for told in by_execution(events).values():
        *before, last = told
        if last.type == "pipeline.execution.finished" and last.data["status"] in {"failed", "timed_out"}:
            own = "error" in last.data
            of_stages = [event for event in of_type(before, "stage.finished") if "error" in event.data]
            assert own or of_stages


def test_a_parent_is_an_execution_that_succeeded_before(events: list[Event]) -> None:
    succeeded, children = set(), 0
    for event in events:
        if event.type == "pipeline.execution.finished" and event.data["status"] == "succeeded":
            succeeded.add((event.data["pipeline"], event.data["execution"]))
        elif event.type == "pipeline.execution.started" and "parent" in event.data:
            parent = event.data["parent"]
            assert isinstance(parent, dict)
            assert (parent["pipeline"], parent["execution"]) in succeeded
            children += 1
    assert children > 0
