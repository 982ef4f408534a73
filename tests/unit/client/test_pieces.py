"""Small parts of the client: context, clock, wording, failures, the bar."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.client.accelerator import Accelerators, Tool
from exporter.client.clock import Clock, rfc3339
from exporter.client.context import Place, place_of
from exporter.client.failure import described, status_of
from exporter.client.tracking import line
from exporter.client.wording import json as json_of
from exporter.client.wording import own, within
from exporter.domain.identity import execution_id
from tests.support.program import wait_for

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


class Hostile:
    """Raises whatever is asked of it."""

    shape = ()

    def __repr__(self) -> str:
        raise OSError("no repr")

    def __getattr__(self, name: str) -> object:
        raise OSError(name)

    def item(self) -> object:
        raise OSError("no item")


ring: list[object] = []
ring.extend([ring] * 10)
STRANGE = {
    "a thing that raises": Hostile(),
    "a number of 5000 digits": 10**5000,
    "half a character": "name\ud800",
    "a ring that branches": ring,
    "keys that are no text": {(1, 2): 3, None: 4},
    "a set of what has no order": {1, "a", None},
    "much": ["x" * 1000] * 3000,
    "many": {str(number): number for number in range(50_000)},
    "characters of twelve bytes": "\U0001f600" * 100_000,
}


@pytest.mark.parametrize("what", STRANGE)
def test_strange_facts_become_json_that_a_server_takes(what: str) -> None:
    told = json_of(own({"fact": STRANGE[what]}, "fields"))
    assert len(told) < 300_000
    json.loads(told)["fact"].__repr__().encode()  # no half characters


def test_facts_that_json_has_stay_as_they_are() -> None:
    facts = {
        "text": "nächtlich \U0001f600",
        "numbers": [1, 2.5, None, True],
        "inner": {"a": {"b": "\\ud800"}},
    }
    assert json.loads(json_of(own(facts, "fields"))) == facts


@pytest.mark.parametrize("character", ["x", "ü", "\U0001f600", "\n"])
def test_a_text_is_cut_to_the_bytes_that_its_json_takes(character: str) -> None:
    for tail in (False, True):
        cut = within(f"{character}" * 5000, 1200, tail=tail)
        assert 1000 < len(json.dumps(cut)) <= 1200


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
    tool.write_text("#!/bin/sh\necho '10, 100'\necho '11, 50'\necho '12, [N/A]'\necho '10, 7'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    accelerators = Accelerators()
    assert wait_for(lambda: accelerators.memory([10, 12]), "an answer") == 107 << 20
    assert accelerators.memory([13]) == 0
    monkeypatch.setenv("PATH", "/nowhere")
    assert Accelerators().memory([10]) is None


def test_a_gpu_tool_that_says_something_else_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\necho 'No running processes found'\n")
    (tmp_path / "tool").chmod(0o755)
    tool = Tool(str(tmp_path / "tool"))
    tool.ask()
    assert tool.memory({10}) == 0


def test_a_gpu_tool_that_does_not_work_is_asked_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.client.complaints._SAID", set())
    (tmp_path / "tool").write_text(
        f"#!/bin/sh\necho asked >> {tmp_path}/asked\necho 'NVIDIA-SMI has failed'\nexit 9\n"
    )
    (tmp_path / "tool").chmod(0o755)
    tool = Tool(str(tmp_path / "tool"))
    tool.ask()
    assert tool.memory({10}) is None
    assert tool.memory({10}) is None
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert "memory of GPUs is not told" in caplog.text
