"""`exporter.client` where things go wrong around it: interrupts, workers of all kinds, too little of everything."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.support.clients import Programs, ended, executions, metric, nowhere, whole
from tests.support.exporter import Exporter, StartExporter
from tests.support.program import wait_for


@pytest.fixture
def exporter(sqlite_url: str, start_exporter: StartExporter) -> Exporter:
    return start_exporter(database=sqlite_url)


@pytest.fixture
def programs(tmp_path: Path, exporter: Exporter) -> Programs:
    return Programs(tmp_path, exporter.url)


def ran(programs: Programs, source: str, **variables: str) -> str:
    done = programs.python(source, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def worked(programs: Programs, source: str) -> str:
    """Run a program that is a file, as workers of multiprocessing have to find it."""
    (programs.folder / "work.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "error", "work.py"], env=programs.environment(), cwd=programs.folder,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


INTERRUPTED = """
import time
from exporter.client import pipeline
print("running", flush=True)
with pipeline("interrupted", sample_seconds=0.2) as execution:
    number = 0
    while True:
        with execution.stage("outer", index=number % 20) as stage:
            stage.log("a line")
            with stage.stage("inner"): pass
        number += 1
        if number % 20 == 0: time.sleep(0.003)
"""


def test_whenever_ctrl_c_comes_the_run_and_its_stages_are_told_as_cancelled(
    programs: Programs, exporter: Exporter
) -> None:
    random = Random(5)
    for _ in range(8):
        program = programs.start(INTERRUPTED)
        assert program.stdout is not None
        assert program.stdout.readline() == "running\n"
        time.sleep(random.uniform(0.05, 0.5))
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=60)
    ran(
        programs, "from exporter.client import pipeline, flush\nwith pipeline('next'): pass\nassert flush(60)"
    )
    found = ended(exporter, "interrupted", 8)
    assert {each["status"] for each in found} == {"cancelled"}
    assert {stage["status"] for each in found for stage in each["stages"]} <= {"succeeded", "cancelled"}
    assert metric(exporter, "pipeline_executions_total", pipeline="interrupted") == 8


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_an_executor_lose_and_double_nothing(
    programs: Programs, exporter: Exporter, method: str
) -> None:
    worked(programs, f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from exporter.client import pipeline, stage, flush

def work(number):
    with stage("outer", index=number), stage("inner") as inner:
        inner.items(out=1)

if __name__ == "__main__":
    with pipeline("workers"):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:
            list(pool.map(work, range(50)))
    assert flush(30)
""")  # fmt: skip
    (found,) = ended(exporter, "workers")
    stages = {(stage["name"], stage["index"]): stage for stage in found["stages"]}
    assert set(stages) == {(name, str(number)) for name in ("outer", "inner") for number in range(50)}
    assert {len(stage["attempts"]) for stage in stages.values()} == {1}
    assert metric(exporter, "pipeline_stage_executions_total", pipeline="workers") == 100
    assert metric(exporter, "pipeline_stage_items_total", pipeline="workers") == 50


def test_a_forked_worker_delivers_what_it_told_when_it_ends(programs: Programs) -> None:
    told = worked(programs, """
import multiprocessing, os
from pathlib import Path
from exporter.client import pipeline, stage, flush

def work():
    with stage("part"): pass

if __name__ == "__main__":
    with pipeline("forked"):
        assert flush(20)
        worker = multiprocessing.get_context("fork").Process(target=work)
        worker.start()
        worker.join()
        files = Path(os.environ["PIPELINE_EXPORTER_SPOOL"]).glob("*/*.events")
        print([each.name for each in files if f"-{worker.pid}-" in each.name])
""")  # fmt: skip
    assert told == "[]\n"


def test_stages_of_mapped_stages_are_kept_apart_in_other_processes_too(
    programs: Programs, exporter: Exporter
) -> None:
    ran(programs, """
import os, subprocess, sys
from exporter.client import pipeline
inner = "from exporter.client import stage\\nwith stage('inner', index='b'), stage('innermost'): pass"
with pipeline("mapped") as execution:
    for number in range(2):
        with execution.stage("outer", index=number) as outer:
            with outer.stage("inner", index="a"): pass
            subprocess.run([sys.executable, "-c", inner], env=os.environ | outer.environment(), check=True)
""")  # fmt: skip
    (found,) = ended(exporter, "mapped")
    assert {(tuple(stage["path"]), stage["index"]) for stage in found["stages"]} == {
        (("outer",), "0"), (("outer",), "1"),
        (("outer", "inner"), "0/a"), (("outer", "inner"), "1/a"),
        (("outer", "inner"), "0/b"), (("outer", "inner"), "1/b"),
        (("outer", "inner", "innermost"), "0/b"), (("outer", "inner", "innermost"), "1/b"),
    }  # fmt: skip


def test_tasks_that_are_cancelled_and_retried_end_as_they_did(programs: Programs, exporter: Exporter) -> None:
    ran(programs, """
import asyncio
from exporter.client import pipeline, stage

@stage("fetch", retries=1, retry_on=ConnectionError)
async def fetch(number, tries={}):
    tries[number] = tries.get(number, 0) + 1
    if tries[number] == 1: raise ConnectionError("first")
    await asyncio.sleep(10 if number % 5 == 0 else 0)

async def part(number):
    async with stage("part", index=number):
        await fetch(number)

async def main():
    with pipeline("tasks"):
        tasks = [asyncio.create_task(part(number)) for number in range(20)]
        await asyncio.sleep(0.2)
        for task in tasks[::5]: task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

asyncio.run(main())
""")  # fmt: skip
    (found,) = ended(exporter, "tasks")
    assert found["status"] == "succeeded"
    ends = {(stage["name"], int(stage["index"])): stage for stage in found["stages"]}
    assert len(ends) == 40
    for (name, number), stage in ends.items():
        assert stage["status"] == ("cancelled" if number % 5 == 0 else "succeeded")
        statuses = [attempt["status"] for attempt in stage["attempts"]]
        assert statuses[:-1] == (["failed"] if name == "fetch" else [])
    assert metric(exporter, "pipeline_stage_executions_total", pipeline="tasks") == 60


def test_twenty_thousand_stages_take_no_more_memory_than_a_thousand(
    programs: Programs, exporter: Exporter
) -> None:
    told = ran(programs, """
from exporter.client import pipeline, flush
def resident(): return int(open("/proc/self/statm").read().split()[1]) * 4096
with pipeline("long") as execution:
    with execution.stage("map") as outer:
        for number in outer.track(range(20_000), every=0.1):
            with outer.stage("item", index=number) as stage: stage.items(out=1)
            if number == 1000: before = resident()
    print(resident() - before)
assert flush(100)
""")  # fmt: skip
    assert int(told) < 20_000_000
    assert metric(exporter, "pipeline_stage_executions_total", pipeline="long", stage="item") == 20_000
    assert metric(exporter, "pipeline_stage_items_total", pipeline="long", stage="item") == 20_000


def test_how_far_many_stages_are_is_seen_while_they_run(programs: Programs, exporter: Exporter) -> None:
    program = programs.start("""
import sys, time
from exporter.client import pipeline
with pipeline("far", sample_seconds=None) as execution:
    for number in execution.track(range(1000), every=0.1):
        with execution.stage("item", index=number): pass
        if number == 499: time.sleep(0.2)
        if number == 500: print("half", flush=True); time.sleep(60)
""")
    assert program.stdout is not None
    assert program.stdout.readline() == "half\n"

    def progress() -> bool:
        found = executions(exporter, pipeline="far")
        return bool(found) and whole(exporter, found[0]["id"])["progress"] == 0.5

    wait_for(progress, "half of it is shown")
    program.kill()
    program.communicate()


def test_with_little_address_space_the_program_goes_on(tmp_path: Path, exporter: Exporter) -> None:  # noqa: ARG001
    away = Programs(tmp_path, nowhere())
    told = ran(away, """
import resource
from exporter.client import pipeline
with pipeline("little") as execution:
    with execution.stage("first"): pass
    used = int(open("/proc/self/statm").read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + (24 << 20),) * 2)
    for number in range(15_000):
        with execution.stage("part", index=number) as stage: stage.log("x" * 2000)
print("done")
""", PIPELINE_EXPORTER_SPOOL_BYTES=str(32 << 20))  # fmt: skip
    assert told == "done\n"
    assert sum(file.stat().st_size for file in away.spooled()) <= 40 << 20
