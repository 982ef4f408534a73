"""Small parts of the client: context, clock, wording, failures, the bar."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from exporter.client.accelerator import Accelerators
from exporter.client.clock import Clock, rfc3339
from exporter.client.context import Place, place_of
from exporter.client.failure import described, status_of
from exporter.client.tracking import line
from exporter.client.wording import json as json_of
from exporter.domain.identity import execution_id

PLACE = Place("nächtlich & mehr", "lab", "run=1;%", ("outer", "in,ner"), 3)


def test_a_place_survives_variables_and_headers() -> None:
    assert place_of(PLACE.variables()) == PLACE
    headers = {"Baggage": f"other=1, {PLACE.headers()['baggage']};secret"}
    assert place_of(headers) == PLACE


@pytest.mark.parametrize("carrier", [{}, {"PIPELINE_EXPORTER_CONTEXT": "nonsense"}, {"baggage": "a=b"}])
def test_what_tells_of_no_place_is_no_place(carrier: dict[str, str]) -> None:
    assert place_of(carrier) is None


def test_the_trace_is_the_id_of_the_run() -> None:
    version, trace, span, flags = PLACE.traceparent.split("-")
    assert (version, trace, flags) == ("00", execution_id("", "lab", PLACE.pipeline, PLACE.execution), "01")
    assert len(span) == 16


def test_time_never_steps_back_with_the_wall_clock() -> None:
    wall = iter([1_000_000_000_000, 500])
    ticks = iter([100, 200, 300])
    clock = Clock(lambda: next(wall), lambda: next(ticks))
    assert clock.now() == 1_000_000_000_100
    assert clock.now() == 1_000_000_000_200


def test_times_are_written_to_the_microsecond() -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert rfc3339(int(moment.timestamp()) * 10**9 + 7_999) == "2026-02-03T04:05:06.000007Z"


def test_anything_becomes_json() -> None:
    loop: list[object] = []
    loop.append(loop)
    for value in (
        float("nan"),
        {1: {2}},
        object(),
        b"x",
        "\ud800",
        loop,
        datetime.now(UTC),
        {"a": float("inf")},
    ):
        json.loads(json_of({"value": value}))


def test_a_message_that_cannot_be_had_is_no_failure() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert "__str__ raised RuntimeError" in described(BrokenError())["message"]


def test_a_command_that_took_too_long_timed_out() -> None:
    assert status_of(subprocess.TimeoutExpired("x", 1)) == "timed_out"


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_the_bar_fits_the_terminal(width: int) -> None:
    lines = [line("extract", done, 1000, 10, width) for done in range(0, 1001, 100)]
    assert all(len(each) <= width for each in lines)
    if width >= 80:
        full = [each.count("━") for each in lines]
        assert all(before < after for before, after in pairwise(full))
        assert "100%" in lines[-1]


def test_memory_of_gpus_is_that_of_the_processes_asked_for(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("bin")
    tool = folder / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '10, 100'\necho '11, 50'\necho '12, [N/A]'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert Accelerators().memory([10, 12]) == 100 << 20
    monkeypatch.setenv("PATH", "/nowhere")
    assert Accelerators().memory([10]) is None
