"""The command: its options, and its end."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.demo import command
from tests.unit.demo.recorder import Recorder, recorder, refuse
from tests.unit.demo.vocabulary import is_valid


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo")
    command.add_arguments(parser)
    return parser.parse_args(words)


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "exporter.demo", *words],
        cwd=Path(__file__).parents[3],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as server:
        yield server


def test_without_options_it_goes_at_the_speed_of_life_without_history() -> None:
    arguments = parse()
    assert (arguments.url, arguments.speed, arguments.seed, arguments.backfill) == (None, 1.0, 1, None)


def test_options_are_read() -> None:
    arguments = parse("--url", "http://x:1", "--speed", "60", "--seed", "7", "--backfill", "7d")
    assert (arguments.url, arguments.speed, arguments.seed) == ("http://x:1", 60.0, 7)
    assert arguments.backfill == timedelta(days=7)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--speed", "0"], "argument --speed: expected a number above 0 and up to 1000, not '0'"),
        (["--speed", "fast"], "argument --speed: expected a number above 0 and up to 1000, not 'fast'"),
        (["--backfill", "a week"], "argument --backfill: expected a length of time like 7d"),
    ],
)
def test_a_bad_value_is_named(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*words)
    assert ended.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_cancels_what_runs(server: Recorder, number: signal.Signals) -> None:
    with start(PIPELINE_EXPORTER_URL=server.url, PIPELINE_EXPORTER_TOKEN="secret") as demo:
        assert server.enough.wait(60)
        demo.send_signal(number)
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, output
    assert "running executions cancelled" in output
    events = [event for batch in server.batches for event in batch]
    assert all(is_valid(event) for event in events)
    open_ones = set()
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        if event["type"] == "pipeline.execution.queued":
            open_ones.add((data["pipeline"], data["execution"]))
        elif event["type"] == "pipeline.execution.finished":
            open_ones.discard((data["pipeline"], data["execution"]))
    assert open_ones == set()
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer secret"}


def test_live_comes_first_and_history_beside_it(server: Recorder) -> None:
    with start("--url", server.url, "--backfill", "2h", "--speed", "50") as demo:
        assert demo.stdout is not None
        assert any("history: complete" in line for line in demo.stdout)
        demo.terminate()
        demo.communicate(timeout=60)
    assert demo.returncode == 0
    live = [str(event["time"]) for event in server.batches[0]]
    firsts = [min(str(event["time"]) for event in batch) for batch in server.batches]
    assert min(firsts) < min(live)
    assert firsts.index(min(firsts)) > 0
    # What is live goes on while history is told.
    assert max(str(event["time"]) for event in server.batches[-1]) > max(live)


def test_a_history_that_is_interrupted_leaves_nothing_running(server: Recorder) -> None:
    with start("--url", server.url, "--backfill", "7d", "--speed", "50") as demo:
        assert demo.stdout is not None
        assert any("history: 1" in line for line in demo.stdout)
        demo.terminate()
        demo.communicate(timeout=60)
    assert demo.returncode == 0
    open_ones = set()
    for batch in server.batches:
        for event in batch:
            data = event["data"]
            assert isinstance(data, dict)
            key = (data["pipeline"], data.get("execution"))
            if event["type"] == "pipeline.execution.queued":
                open_ones.add(key)
            elif event["type"] == "pipeline.execution.finished":
                open_ones.discard(key)
    # Those whose process died tell nothing more, here as in life.
    assert {pipeline for pipeline, _ in open_ones} <= {"video-transcode"}


def test_it_ends_cleanly_while_the_server_is_away() -> None:
    with recorder() as gone:
        pass
    with start("--url", gone.url) as demo:
        assert demo.stdout is not None
        assert any("is away" in line for line in demo.stdout)
        demo.terminate()
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert "were not delivered" in output


def test_a_server_that_takes_no_events_is_named_and_ends_it() -> None:
    with (
        recorder(refuse(404, "Not Found")) as other,
        start("--url", other.url) as demo,
    ):
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert f"{other.url}/api/v1/events does not take events: 404 Not Found" in output
