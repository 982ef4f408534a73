"""`exporter.client` in programs of its own, against a real exporter: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import requests

from tests.support.clients import Programs, ended, executions, metric, nowhere, part
from tests.support.exporter import Exporter, StartExporter
from tests.support.program import wait_for

NEXT = 'from exporter.client import pipeline, flush\nwith pipeline("next"): pass\nassert flush(20)'
"""A later program, which delivers what others left."""


@pytest.fixture
def exporter(sqlite_url: str, start_exporter: StartExporter) -> Exporter:
    return start_exporter(database=sqlite_url)


@pytest.fixture
def programs(tmp_path: Path, exporter: Exporter) -> Programs:
    return Programs(tmp_path, exporter.url)


@pytest.fixture
def away(tmp_path: Path, exporter: Exporter) -> Programs:  # noqa: ARG001 - the server is to be there later
    """Programs that find no server, and leave their spool to those that do."""
    return Programs(tmp_path, nowhere())


def ran(programs: Programs, source: str, **variables: str) -> str:
    done = programs.python(source, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_thousand_stages_of_eight_threads_are_counted_once_though_the_server_is_killed(
    programs: Programs, exporter: Exporter
) -> None:
    program = programs.start("""
import threading, time
from exporter.client import pipeline, flush
with pipeline("threads") as execution:
    def work(thread):
        for number in range(125):
            with execution.stage("part", index=f"{thread}-{number}") as stage:
                stage.items(out=1)
                time.sleep(0.02)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    print("running", flush=True)
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(flush(60), flush=True)
""")
    assert program.stdout is not None
    assert program.stdout.readline() == "running\n"
    for _ in range(2):
        time.sleep(0.5)  # in the midst of it
        exporter.kill()
        time.sleep(0.5)
        exporter.start()
        exporter.wait_until_ready()
    assert program.communicate(timeout=90)[0] == "True\n"
    assert program.returncode == 0
    (found,) = ended(exporter, "threads")
    assert found["status"] == "succeeded"
    assert metric(exporter, "pipeline_stage_executions_total", pipeline="threads", status="succeeded") == 1000
    assert metric(exporter, "pipeline_executions_total", pipeline="threads") == 1
    assert programs.spooled() == []


LEAVING = """
import os, sys, time
from exporter.client import pipeline
with pipeline("left", execution="1") as execution:
    for number in range(50):
        with execution.stage("part", index=number) as stage:
            stage.items(out=2)
    execution.finish()
    print("done", flush=True)
    END
"""


def left(exporter: Exporter) -> None:
    (found,) = ended(exporter, "left")
    assert (found["status"], found["stages_total"]) == ("succeeded", 50)
    assert metric(exporter, "pipeline_stage_executions_total", pipeline="left") == 50


def test_what_was_told_before_os_exit_is_delivered_by_the_next_process(
    away: Programs, programs: Programs, exporter: Exporter
) -> None:
    ran(away, LEAVING.replace("END", "os._exit(0)"))
    # The same spool: what differs is where the server is.
    move(away, programs)
    ran(programs, NEXT)
    left(exporter)


def test_what_was_told_before_kill_9_is_delivered_by_the_next_process(
    away: Programs, programs: Programs, exporter: Exporter
) -> None:
    program = away.start(LEAVING.replace("END", "time.sleep(60)"))
    assert program.stdout is not None
    assert program.stdout.readline() == "done\n"
    program.send_signal(signal.SIGKILL)
    program.communicate()
    move(away, programs)
    ran(programs, NEXT)
    left(exporter)
    assert programs.spooled() == []


def move(away: Programs, programs: Programs) -> None:
    """Let the server have been away: files of a spool belong to one address."""
    (file,) = away.spooled()
    ran(programs, "from exporter.client import pipeline, flush\nwith pipeline('first'): pass\nflush(20)")
    (folder,) = (each for each in programs.spool.glob("spool-*") if each != file.parent)
    file.rename(folder / file.name)


def test_a_program_without_a_server_works_and_says_so_once(away: Programs) -> None:
    done = away.python("""
import time
from exporter.client import pipeline
with pipeline("alone") as execution:
    with execution.stage("work"): time.sleep(1.5)
""")
    assert done.returncode == 0
    assert done.stderr.count("does not answer") == 1
    assert len(done.stderr.splitlines()) == 1


def test_disabled_nothing_is_sent_or_kept(programs: Programs, exporter: Exporter) -> None:
    ran(programs, NEXT, PIPELINE_EXPORTER_DISABLED="1")
    assert executions(exporter) == []
    assert not programs.spool.exists()


def test_a_bad_address_is_said_once_and_breaks_nothing(programs: Programs) -> None:
    done = programs.python(NEXT, PIPELINE_EXPORTER_URL="nonsense")
    assert done.returncode == 0
    assert "PIPELINE_EXPORTER_URL: expected http://HOST:PORT, got 'nonsense'" in done.stderr


def test_a_forked_child_joins_and_ends_nothing_of_its_parents(programs: Programs, exporter: Exporter) -> None:
    ran(programs, """
import os
from exporter.client import pipeline
with pipeline("forked") as execution:
    with execution.stage("split") as outer:
        child = os.fork()
        with outer.stage("half", index="child" if child == 0 else "parent"):
            pass
        if child == 0:
            raise SystemExit(3)   # leaves the blocks of the parent, too
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
""")  # fmt: skip
    (found,) = ended(exporter, "forked")
    assert found["status"] == "succeeded"
    stages = {(stage["name"], stage["index"]): stage for stage in found["stages"]}
    assert set(stages) == {("split", None), ("half", "child"), ("half", "parent")}
    assert {stage["status"] for stage in stages.values()} == {"succeeded"}
    assert metric(exporter, "pipeline_stage_executions_total", pipeline="forked") == 3


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_join(programs: Programs, exporter: Exporter, method: str) -> None:
    (programs.folder / "workers.py").write_text("""
import multiprocessing, sys
from exporter.client import pipeline, stage, flush

def work(number):
    with stage("part", index=number) as part:
        part.items(out=number)
    return number

if __name__ == "__main__":
    with pipeline("workers") as execution:
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            assert sorted(pool.map(work, range(20))) == list(range(20))
            pool.close()
            pool.join()
""")
    ran(programs, f'import sys, runpy; sys.argv[1:] = ["{method}"]; sys.path.insert(0, "."); '
        'runpy.run_path("workers.py", run_name="__main__") if False else __import__("subprocess").run('
        f'[sys.executable, "workers.py", "{method}"], check=True)')  # fmt: skip
    ran(programs, NEXT)
    (found,) = ended(exporter, "workers")
    assert found["status"] == "succeeded"
    assert sorted(int(stage["index"]) for stage in found["stages"]) == list(range(20))
    assert {stage["status"] for stage in found["stages"]} == {"succeeded"}


def test_a_subprocess_joins_by_its_variables(programs: Programs, exporter: Exporter) -> None:
    ran(programs, """
import os, subprocess, sys
from exporter.client import pipeline
inner = '''
from exporter.client import pipeline, stage
with pipeline("outer") as execution:
    with execution.stage("within") as part: part.items(out=7)
with stage("bare"): pass
with pipeline("another"): pass
'''
with pipeline("outer", execution="1") as execution:
    subprocess.run([sys.executable, "-c", inner], check=True)
    with execution.stage("load") as stage:
        subprocess.run([sys.executable, "-c", inner], check=True, env=os.environ | stage.environment())
assert "PIPELINE_EXPORTER_CONTEXT" not in os.environ
""")  # fmt: skip
    (outer,) = ended(exporter, "outer")
    assert {tuple(stage["path"]) for stage in outer["stages"]} == {
        ("within",), ("bare",), ("load",), ("load", "within"), ("load", "bare"),
    }  # fmt: skip
    for other in ended(exporter, "another", 2):
        assert other["parent"]["id"] == outer["id"]


def test_a_server_joins_by_headers_and_the_trace_is_the_executions_id(
    programs: Programs, exporter: Exporter
) -> None:
    told = ran(programs, """
import json
from exporter.client import joined, pipeline
with pipeline("caller", execution="ü 1", environment="lab") as execution:
    with execution.stage("ask") as stage:
        headers = stage.headers()
        print(json.dumps(headers))
        with joined({key.title(): value for key, value in headers.items()}) as there:
            with there.stage("answer"): pass
""")  # fmt: skip
    (found,) = ended(exporter, "caller")
    assert json.loads(told)["traceparent"].split("-")[1] == found["id"]
    assert {tuple(stage["path"]) for stage in found["stages"]} == {("ask",), ("ask", "answer")}


def test_tasks_of_asyncio_each_have_their_own_stage(programs: Programs, exporter: Exporter) -> None:
    ran(programs, """
import asyncio
from exporter.client import current, pipeline, stage

async def part(number):
    async with stage("part", index=number) as own:
        await asyncio.sleep(0.01)
        assert current() is own
        await inner(number)
    return number

@stage("inner")
async def inner(number):
    await asyncio.sleep(0.01)

@pipeline("tasks")
async def main():
    assert await asyncio.gather(*map(part, range(10))) == list(range(10))
    async with stage("last") as last:
        async def numbers():
            for number in range(5): yield number
        async for _ in last.track(numbers(), total=5): pass
        task = asyncio.create_task(asyncio.sleep(10))
        task.cancel()
        try:
            async with stage("stopped"): await task
        except asyncio.CancelledError:
            pass

asyncio.run(main())
""")  # fmt: skip
    (found,) = ended(exporter, "tasks")
    assert found["status"] == "succeeded"
    assert metric(exporter, "pipeline_stage_executions_total", pipeline="tasks", stage="part") == 10
    inner = [stage for stage in found["stages"] if stage["name"] == "inner"]
    assert {tuple(stage["path"]) for stage in inner} == {("part", "inner")}
    last = next(stage for stage in found["stages"] if stage["name"] == "last")
    assert last["items_in"] == 5
    assert next(stage["status"] for stage in found["stages"] if stage["name"] == "stopped") == "cancelled"


ENDS = {
    "ValueError('bad')": ("failed", "ValueError"),
    "KeyboardInterrupt()": ("cancelled", "KeyboardInterrupt"),
    "SystemExit(3)": ("cancelled", "SystemExit"),
    "SystemExit(0)": ("succeeded", None),
    "TimeoutError('late')": ("timed_out", "TimeoutError"),
    "Skip('nothing new')": ("skipped", None),
}


@pytest.mark.parametrize("raised", ENDS)
def test_exceptions_become_ends_and_one_error(programs: Programs, exporter: Exporter, raised: str) -> None:
    programs.python(f"""
from exporter.client import Skip, pipeline
with pipeline("ends") as execution:
    with execution.stage("outer") as outer:
        with outer.stage("inner"):
            raise {raised}
""")
    status, kind = ENDS[raised]
    (found,) = ended(exporter, "ends")
    stages = {stage["name"]: stage["status"] for stage in found["stages"]}
    assert stages["inner"] == status
    if status == "skipped":
        assert (found["status"], stages["outer"]) == ("succeeded", "succeeded")
    else:
        assert (found["status"], stages["outer"]) == (status, status)
    errors = part(exporter, found["id"], "errors")["errors"]
    assert [error["type"] for error in errors] == ([] if kind is None else [kind])
    if kind is not None:
        assert "Traceback (most recent call last)" in errors[0]["stacktrace"]
    if status in ("failed", "timed_out"):
        assert found["error"]["type"] == kind


def test_one_refused_event_costs_no_other_and_the_servers_pointer_is_told(
    programs: Programs, exporter: Exporter
) -> None:
    done = programs.python("""
from exporter.client import pipeline
pipeline.declare("refused", schedule="99 99 * * *")
with pipeline("refused") as execution:
    with execution.stage("work"): pass
""")
    assert done.returncode == 0
    assert "refused a pipeline.declared: /0/data/schedule/cron" in done.stderr
    (found,) = ended(exporter, "refused")
    assert (found["status"], found["stages_total"]) == ("succeeded", 1)


def test_everything_that_can_be_told_arrives(programs: Programs, exporter: Exporter) -> None:
    ran(programs, """
import logging, time
from datetime import datetime, timezone
from concurrent.futures import ThreadPoolExecutor
from exporter.client import LogHandler, carried, pipeline, stage
logging.getLogger().addHandler(LogHandler())
with pipeline("all", kind="batch", owner="data team", schedule="0 2 * * *", stages={"extract": [], "load": ["extract"]},
              parameters={"day": datetime(2026, 1, 1)}, labels={"tier": "gold"}, trigger="test",
              sample_seconds=0.3) as execution:
    execution.progress(0.5, "half")
    with execution.stage("extract", kind="sql") as extract:
        for _ in extract.track(range(10)): pass
        extract.items(out=9)
        extract.artifact("orders.csv", "file:///orders.csv", bytes=12, media_type="text/csv")
        extract.warning("odd", code="odd")
        logging.getLogger("mine").error("a line", extra={"answer": float("nan")})
        extract.checked(valid=9, invalid=1, rules={"not null": 1}, completeness=0.9)
        extract.measured("orders", events={"insert": 9}, buffer_depth=3, watermark=datetime.now(timezone.utc))
        extract.llm("openai", "gpt-x", input_tokens=10, output_tokens=5, duration_seconds=0.5)
        end = time.process_time() + 1
        while time.process_time() < end: sum(range(1000))
    for attempt in execution.attempts("load", 3, on=ConnectionError, depends_on=["extract"]):
        with attempt as load:
            if load.attempt < 3: raise ConnectionError("refused")
    @stage("again", retries=1)
    def again(calls=[]):
        calls.append(1)
        if len(calls) < 2: raise OSError("once")
        return 7
    assert again() == 7
    @stage("items")
    def items():
        yield 1
        with stage("below"): pass
        return 2
    assert list(items()) == [1]
    with execution.stage("pool"), ThreadPoolExecutor(2) as pool:
        def work(number):
            with stage("mapped", index=number): pass
        list(pool.map(carried(work), range(4)))
    with execution.stage("gone") as gone: gone.skip("nothing to do")
""")  # fmt: skip
    (found,) = ended(exporter, "all")
    assert (found["status"], found["kind"], found["trigger"]) == ("succeeded", "batch", "test")
    assert (found["labels"], found["parameters"]) == ({"tier": "gold"}, {"day": "2026-01-01T00:00:00"})
    stages = {tuple(stage["path"]): stage for stage in found["stages"] if stage["index"] is None}
    extract, load = stages["extract",], stages["load",]
    assert (extract["items_in"], extract["items_out"]) == (10, 9)
    assert 0.3 < extract["cpu_seconds"] < 2.5
    assert extract["memory_peak_bytes"] > 10_000_000
    assert [attempt["status"] for attempt in load["attempts"]] == ["failed", "failed", "succeeded"]
    assert load["depends_on"] == ["extract"]
    assert len(stages["again",]["attempts"]) == 2
    assert stages["items", "below"]["status"] == "succeeded"
    assert stages["gone",]["status"] == "skipped"
    mapped = [stage for stage in found["stages"] if stage["name"] == "mapped"]
    assert {tuple(stage["path"]) for stage in mapped} == {("pool", "mapped")}
    assert sorted(stage["index"] for stage in mapped) == ["0", "1", "2", "3"]
    assert (found["artifacts"][0]["name"], found["warnings"][0]["code"]) == ("orders.csv", "odd")
    assert found["resources"]
    assert metric(exporter, "pipeline_stream_events_total", stream="orders") == 9
    assert metric(exporter, "pipeline_records_total", pipeline="all") == 10
    described = requests.get(f"{exporter.url}/api/v1/pipelines/all", timeout=30).json()
    assert described["environments"][0]["pipeline"]["owner"] == "data team"


def test_a_silent_execution_gives_signs_of_life(programs: Programs, exporter: Exporter) -> None:
    program = programs.start("""
import time
from exporter.client import pipeline
with pipeline("silent", heartbeat_seconds=3, sample_seconds=None):
    time.sleep(60)
""")
    wait_for(lambda: executions(exporter, pipeline="silent"), "it runs")
    time.sleep(9)  # the server looks every five seconds
    assert executions(exporter, pipeline="silent")[0]["status"] == "running"
    program.kill()
    program.communicate()
    wait_for(lambda: executions(exporter, pipeline="silent")[0]["status"] == "lost", "it is lost")
