"""Programs that join a run: what became of them is seen in the run's end, and each failure is counted once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import Programs, ended, executions, metric
from tests.support.exporter import Exporter, StartExporter
from tests.support.program import wait_for

INNER = "from exporter.client import pipeline\n"


@pytest.fixture
def exporter(sqlite_url: str, start_exporter: StartExporter) -> Exporter:
    return start_exporter(database=sqlite_url)


@pytest.fixture
def programs(tmp_path: Path, exporter: Exporter) -> Programs:
    return Programs(tmp_path, exporter.url)


ENDS = {
    "concluded": ('with pipeline("p") as e: e.conclude("failed", "no rows")', 0, "failed", "no rows"),
    "cancelled": ('with pipeline("p") as e: e.conclude("cancelled", "enough")', 0, "cancelled", "enough"),
    "skipped": ('with pipeline("p") as e: e.skip("nothing to do")', 0, "skipped", None),
    "skipped in part": (
        'with pipeline("p") as e: pass\nwith pipeline("p") as e: e.skip()', 0, "succeeded", None,
    ),
    "caught": (
        'try:\n  with pipeline("p"): raise ValueError("boom")\nexcept ValueError: pass', 0, "failed", "boom",
    ),
    "raised": ('with pipeline("p"): raise ValueError("boom")', 1, "failed", "boom"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_a_run_that_a_command_joins_ends_as_the_program_says(
    programs: Programs, exporter: Exporter, case: str
) -> None:
    source, code, status, message = ENDS[case]
    done = programs.command([sys.executable, "-c", INNER + source], ["--pipeline", "p"])
    assert done.returncode == code
    (found,) = ended(exporter, "p")
    assert (found["status"], (found["error"] or {}).get("message")) == (status, message)
    failures = int(message is not None)
    assert metric(exporter, "pipeline_errors_total", pipeline="p") == failures
    assert not list(programs.spool.glob("verdicts/*"))


def test_a_run_that_a_child_process_joins_ends_as_that_says(programs: Programs, exporter: Exporter) -> None:
    done = programs.python("""
import subprocess, sys
from exporter.client import pipeline
inner = 'from exporter.client import pipeline\\nwith pipeline("p") as e: e.conclude("failed", "no rows")'
with pipeline("p"):
    subprocess.run([sys.executable, "-c", inner], check=True)
""")
    assert done.returncode == 0, done.stderr
    (found,) = ended(exporter, "p")
    assert (found["status"], found["error"]["message"]) == ("failed", "no rows")


def test_what_a_script_makes_up_for_is_no_failure(programs: Programs, exporter: Exporter) -> None:
    (programs.folder / "c.py").write_text(INNER + 'with pipeline("p"): raise ValueError("boom")')
    words = ["sh", "-c", f"{sys.executable} c.py || echo instead"]
    assert programs.command(words, ["--pipeline", "p"]).returncode == 0
    assert ended(exporter, "p")[0]["status"] == "succeeded"


def test_an_attempt_that_was_repeated_with_success_is_no_failure(
    programs: Programs, exporter: Exporter
) -> None:
    source = """
import pathlib, sys
from exporter.client import pipeline
first = not pathlib.Path("mark").exists()
pathlib.Path("mark").touch()
with pipeline("p") as e:
    if first: e.conclude("failed", "not yet")
sys.exit(first)
"""
    words = [sys.executable, "-c", source]
    assert programs.command(words, ["--pipeline", "p", "--retries", "1"]).returncode == 0
    assert ended(exporter, "p")[0]["status"] == "succeeded"


STAGES = {
    "wrapped": f"{sys.executable} -m exporter run --stage extract -- sh -c 'echo bad >&2; exit 3'; e=$?; "
    "echo over >&2; exit $e",
    "of the client": f'{sys.executable} -c "from exporter.client import stage\n'
    "with stage('extract'): raise ValueError('boom')\"",
}


@pytest.mark.parametrize("case", STAGES)
def test_a_stage_that_fails_in_a_wrapped_command_is_one_error(
    programs: Programs, exporter: Exporter, case: str
) -> None:
    done = programs.command(["sh", "-c", STAGES[case]], ["--pipeline", "p"])
    assert done.returncode != 0
    (found,) = ended(exporter, "p")
    assert found["status"] == "failed"
    assert found["error"]["message"] in ("exit code 3: bad", "boom")
    assert metric(exporter, "pipeline_errors_total", pipeline="p") == 1
    assert metric(exporter, "pipeline_errors_total", pipeline="p", stage="extract") == 1


def test_another_error_after_that_of_a_stage_is_told_too(programs: Programs, exporter: Exporter) -> None:
    script = f"{sys.executable} -m exporter run --stage extract -- sh -c 'exit 3' || exit 4"
    assert programs.command(["sh", "-c", script], ["--pipeline", "p"]).returncode == 4
    (found,) = ended(exporter, "p")
    assert metric(exporter, "pipeline_errors_total", pipeline="p") == 2
    assert found["error"]["message"] == "exit code 4"


def test_a_request_without_a_run_is_served_all_the_same(programs: Programs, exporter: Exporter) -> None:
    done = programs.python("""
from exporter.client import current, flush, joined, pipeline
trace = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
for headers in ({}, trace, {"baggage": "pipeline-exporter=pipeline%3Da%250Ab%26environment%3De%26execution%3D1"}):
    with joined(headers) as there:
        with there.stage("answer") as stage: stage.items(out=1)
        there.log("served")
        assert (there.headers(), there.environment(), current()) == ({}, {}, None)
    with joined(headers) or pipeline("requests") as there:
        with there.stage("answer"): pass
assert flush(20)
""")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("joined") == 1
    assert {run["stages"][0]["name"] for run in ended(exporter, "requests", 3)} == {"answer"}


def test_an_exception_in_a_request_without_a_run_comes_out(programs: Programs) -> None:
    done = programs.python("from exporter.client import joined\nwith joined({}): raise KeyError('x')")
    assert "KeyError: 'x'" in done.stderr


def test_spans_of_a_wrapped_program_are_stages_of_the_run(programs: Programs, exporter: Exporter) -> None:
    source = """
import json, os, time, urllib.request
from exporter.client import pipeline
def send(traceparent, id_):
    _, trace, parent, _ = traceparent.split("-")
    now = time.time_ns()
    told = {"traceId": trace, "spanId": id_ * 16, "parentSpanId": parent, "name": "fetch " + id_,
            "startTimeUnixNano": str(now - 10**8), "endTimeUnixNano": str(now)}
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "p"}}]}
    body = {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [told]}]}]}
    address = os.environ["PIPELINE_EXPORTER_URL"] + "/v1/traces"
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()
send(os.environ["TRACEPARENT"], "a")
with pipeline("p") as execution:
    with execution.stage("load", index=3) as stage:
        send(stage.headers()["traceparent"], "b")
"""
    assert programs.command([sys.executable, "-c", source], ["--pipeline", "p"]).returncode == 0

    def joined() -> list[Any]:
        (found,) = ended(exporter, "p")
        stages = [(stage["path"], stage["index"], stage["status"]) for stage in found["stages"]]
        return stages if len(stages) == 3 else []

    # Spans that come before the run's own events wait for their parent, ten seconds at most.
    assert sorted(wait_for(joined, "spans became stages")) == [
        (["fetch a"], None, "succeeded"),
        (["load"], "3", "succeeded"),
        (["load", "fetch b"], "3", "succeeded"),
    ]
    assert len(executions(exporter)) == 1


def test_a_run_of_an_id_hears_nothing_that_was_said_to_one_that_was_killed(
    programs: Programs, exporter: Exporter
) -> None:
    inner = INNER + 'with pipeline("p") as e: e.conclude("failed", "no rows")'
    (programs.folder / "c.py").write_text(inner)
    words = ["sh", "-c", f"{sys.executable} c.py; echo said; sleep 5"]
    with programs.running(words, ["--pipeline", "p", "--execution", "1"]) as (process, stdout):
        assert stdout.readline() == b"said\n"
        process.kill()
        process.wait()
    assert len(list(programs.spool.glob("verdicts/*"))) == 1
    programs.command(["true"], ["--pipeline", "p", "--execution", "1"])
    assert ended(exporter, "p")[0]["status"] == "succeeded"
