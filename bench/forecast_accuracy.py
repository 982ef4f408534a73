"""How far forecasts are off, beside two simple ones: `bench/forecast_accuracy.py [--recordings FOLDER]`.

Prints a markdown table: for imagined pipelines, and for recordings of real ones, how far the end predicted at
half time is off, as a part of the whole duration: the median, and what nine of ten are below.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from math import exp
from pathlib import Path
from random import Random
from statistics import median

from exporter.domain.forecast import ExecutionRun, StageRun, forecast
from exporter.domain.graph import Graph
from exporter.domain.history import History, learn
from exporter.domain.plan import plan
from exporter.domain.remaining import Outlook
from exporter.domain.status import Status

_time = partial(datetime.fromtimestamp, tz=UTC)
PAST_RUNS = 20
TRIALS = 300
KEPT = 20
"""Successes of a stage that the store remembers, instances of mapped ones each by itself."""


@dataclass(frozen=True)
class Attempt:
    """One attempt of a stage or of an instance of it, in seconds since 1970."""

    stage: str
    start: float
    end: float
    ok: bool = True
    index: int | None = None
    known_from: float = 0.0


@dataclass(frozen=True)
class Run:
    """One execution of a pipeline."""

    start: float
    end: float
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True)
class Pipeline:
    """A pipeline to imagine runs of, with log-normal durations: `spread` of stages, `common` of whole runs.

    `drift`: growth of durations from run to run. `wait`: seconds before each stage. `width`: instances of the
    stage `process`, `workers`: how many of them run at a time. `failing`: chance that an attempt fails half
    way. `skipped`: chance of a run without the stage. `reports`: progress is told, time to this power.
    `every`: seconds between starts.
    """

    graph: Graph
    medians: Mapping[str, float]
    spread: float = 0.15
    common: float = 0.0
    drift: float = 0.0
    wait: float = 1.0
    width: tuple[int, int] | None = None
    workers: int = 4
    failing: float = 0.0
    skipped: Mapping[str, float] = field(default_factory=dict)
    reports: float | None = None
    every: float = 10_000

    def run(self, random: Random, start: float, number: int) -> Run:
        """One imagined run."""
        pace = exp(random.gauss(0, self.common)) * (1 + self.drift) ** number
        over: dict[str, float] = {}
        attempts: list[Attempt] = []
        for stage, upstreams in self.graph.items():
            begin = max([over[name] for name in upstreams], default=start)
            if random.random() < self.skipped.get(stage, 0):
                over[stage] = begin
                continue
            begin += random.uniform(0.5, 1.5) * self.wait
            mine = list(self._stage(random, stage, begin, pace))
            attempts += mine
            over[stage] = max(attempt.end for attempt in mine)
        return Run(start, max(over.values()) + self.wait, attempts)

    def _stage(self, random: Random, stage: str, begin: float, pace: float) -> Iterator[Attempt]:
        width = self.width if stage == "process" else None
        count = 1 if width is None else random.randint(*width)
        free = [begin] * self.workers
        for index in range(count):
            worker = min(range(len(free)), key=free.__getitem__)
            start = free[worker]
            while True:
                end = start + self.medians[stage] * pace * exp(random.gauss(0, self.spread))
                if random.random() >= self.failing:
                    break
                failed = start + (end - start) / 2
                yield Attempt(
                    stage, start, failed, ok=False, index=None if width is None else index, known_from=begin
                )
                start = failed + self.wait
            yield Attempt(stage, start, end, index=None if width is None else index, known_from=begin)
            free[worker] = end


def as_seen(run: Run, moment: float) -> ExecutionRun:
    """The execution as its events tell it at a moment."""
    by_stage: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in run.attempts:
        if attempt.known_from <= moment and (attempt.index is not None or attempt.start <= moment):
            by_stage[attempt.stage].append(attempt)
    stages = [_stage_as_seen(stage, attempts, moment) for stage, attempts in by_stage.items()]
    return ExecutionRun(Status.RUNNING, _time(run.start), stages)


def _stage_as_seen(stage: str, attempts: Sequence[Attempt], moment: float) -> StageRun:
    last = {attempt.index: attempt for attempt in attempts if attempt.start <= moment}
    total = len({attempt.index for attempt in attempts})
    mapped = attempts[0].index is not None
    done = [attempt for attempt in last.values() if attempt.end <= moment]
    started = _time(min((attempt.start for attempt in last.values()), default=moment))
    if len(done) == total:
        ok = all(attempt.ok for attempt in done)
        status = Status.SUCCEEDED if ok else Status.FAILED
        return StageRun(stage, status, started, _time(max(attempt.end for attempt in done)))
    if not mapped:
        return StageRun(stage, Status.RUNNING, started)
    succeeded = sum(attempt.ok for attempt in done)
    return StageRun(
        stage, Status.RUNNING, started, done=succeeded, running=len(last) - len(done), total=total
    )


def remembered(runs: Sequence[Run], graph: Graph) -> History:
    """What the store would know of past runs."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run in runs:
        for attempt in run.attempts:
            if attempt.ok:
                spans[attempt.stage].append((attempt.start, attempt.end))
    kept = {stage: sorted(mine, key=lambda span: span[1])[-KEPT:] for stage, mine in spans.items()}
    return learn([(run.start, run.end) for run in runs], kept, graph, KEPT)


@dataclass
class Errors:
    """Relative errors by graph told, by order seen, by the usual total, by elapsed time and share of stages."""

    told: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    usual: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)

    def take(self, past: Sequence[Run], run: Run, graph: Graph, progress: float | None = None) -> None:
        """Predict the end of a run from half of it and its past."""
        whole = run.end - run.start
        moment = run.start + whole / 2
        now = _time(moment)
        execution = replace(as_seen(run, moment), progress=progress, progress_at=now)
        for order, errors in ((graph, self.told), ({}, self.seen)):
            eta = forecast(execution, Outlook(plan(remembered(past, order))), now).eta
            assert eta is not None
            errors.append(abs((eta - _time(run.end)).total_seconds()) / whole)
        usual = run.start + median(old.end - old.start for old in past)
        self.usual.append(abs(max(moment, usual) - run.end) / whole)
        names = {attempt.stage for old in past for attempt in old.attempts}
        done = sum(stage.status is Status.SUCCEEDED for stage in execution.stages)
        if progress is not None or done:
            part = progress or done / len(names)
            self.share.append(abs(whole / 2 / part - whole) / whole)


def imagined() -> dict[str, Pipeline]:
    """Pipelines of the kinds that people have."""
    ten: Graph = {
        "fetch": [], "parse": ["fetch"], "clean": ["parse"], "index": ["parse"], "embed": ["clean"],
        "link": ["clean"], "score": ["embed", "index"], "merge": ["score", "link"], "publish": ["merge"],
        "report": ["merge"],
    }  # fmt: skip
    lengths = dict(zip(ten, (30, 60, 20, 90, 120, 45, 40, 25, 60, 10), strict=True))
    line: Graph = {f"step {number}": [f"step {number - 1}"] if number else [] for number in range(6)}
    steps = dict(zip(line, (20, 30, 45, 60, 90, 120), strict=True))
    short = dict.fromkeys(line, 2.0)
    parts = [f"part {number}" for number in range(20)]
    wide: Graph = {"split": [], **{part: ["split"] for part in parts}, "join": parts}
    widths = {"split": 15.0, **dict.fromkeys(parts, 60.0), "join": 15.0}
    fan: Graph = {"list": [], "process": ["list"], "total": ["process"]}
    quick, slow = {"list": 10, "process": 6, "total": 10}, {"list": 10, "process": 60, "total": 10}
    single: Graph = {"work": []}
    return {
        "six stages in a row": Pipeline(line, steps),
        "six short stages in a row, long waits": Pipeline(line, short, wait=8),
        "twenty stages side by side": Pipeline(wide, widths, spread=0.4),
        "graph of ten stages": Pipeline(ten, lengths),
        "… whole runs differ by 30%": Pipeline(ten, lengths, common=0.3),
        "… heavy-tailed durations": Pipeline(ten, lengths, spread=0.8),
        "… each run 3% slower than the one before": Pipeline(ten, lengths, drift=0.03),
        "… one attempt in five fails": Pipeline(ten, lengths, failing=0.2),
        "… two stages in half of the runs only": Pipeline(
            ten, lengths, skipped={"embed": 0.5, "publish": 0.5}
        ),
        "… runs overlap each other": Pipeline(ten, lengths, every=100),
        "mapped stage, 20 to 200 instances, 4 at a time": Pipeline(fan, quick, width=(20, 200)),
        "mapped stage, 8 instances at once": Pipeline(fan, slow, width=(8, 8), workers=8),
        "one stage, nothing reported": Pipeline(single, {"work": 300}, spread=0.4),
        "one stage that reports progress within 10%": Pipeline(single, {"work": 300}, spread=0.4, reports=1),
        "one stage whose progress is slow at first": Pipeline(single, {"work": 300}, spread=0.4, reports=1.5),
    }


def simulate(pipeline: Pipeline) -> Errors:
    """Errors over many runs, each with its own past."""
    errors = Errors()
    for trial in range(TRIALS):
        random = Random(trial)
        runs = [pipeline.run(random, pipeline.every * number, number) for number in range(PAST_RUNS + 1)]
        progress = None
        if pipeline.reports is not None:
            progress = 0.5**pipeline.reports * random.uniform(0.9, 1.1)
        errors.take(runs[:-1], runs[-1], pipeline.graph, progress)
    return errors


def recorded(file: Path) -> tuple[dict[str, list[Run]], Graph]:
    """Successful runs of a recording of OpenLineage, by job, and the graph it tells."""
    spans: dict[tuple[str, str], list[float]] = {}
    children: dict[str, list[tuple[str, str]]] = defaultdict(list)
    graph: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        event = json.loads(line).get("json") or {}
        if "run" not in event or event["eventType"] not in ("START", "COMPLETE"):
            continue
        key, facets = (event["job"]["name"], event["run"]["runId"]), event["run"].get("facets", {})
        moment = datetime.fromisoformat(event["eventTime"]).timestamp()
        spans.setdefault(key, [moment]).append(moment)
        if "parent" in facets and key not in children[facets["parent"]["run"]["runId"]]:
            children[facets["parent"]["run"]["runId"]].append(key)
            told = facets.get("airflow", {}).get("task", {}).get("upstream_task_ids", "[]")
            graph[key[0].split(".")[-1]] = json.loads(told.replace("'", '"'))
    inside = {key for mine in children.values() for key in mine}
    runs: dict[str, list[Run]] = defaultdict(list)
    for (job, run), times in spans.items():
        if (job, run) not in inside and times[-1] > times[0]:
            mine = children[run]
            attempts = [
                Attempt(name.split(".")[-1], spans[name, id_][0], spans[name, id_][-1]) for name, id_ in mine
            ]
            runs[job].append(Run(times[0], times[-1], attempts))
    return runs, graph


def replay(folder: Path) -> Iterator[tuple[str, Errors]]:
    """Errors on recordings: each run of one DAG by its other runs, and runs of single jobs by earlier ones."""
    errors = Errors()
    files = [
        folder / f"{name}.jsonl"
        for name in ("airflow3-linear", "airflow3_otel-linear", "airflow3-receiver_503")
    ]
    known = [recorded(file) for file in files]
    runs = [run for by_job, _ in known for run in by_job["linear_etl"]]
    for run in runs:
        errors.take([other for other in runs if other is not run], run, known[0][1])
    yield "recorded: Airflow 3, three tasks, 2 runs known", errors
    errors = Errors()
    for runs in recorded(folder / "olpy-burst_sync.jsonl")[0].values():
        for number in range(3, len(runs)):
            errors.take(runs[:number], runs[number], {})
    yield "recorded: burst of jobs without stages", errors


def row(name: str, errors: Errors) -> str:
    """A row of the table."""
    ways = (errors.told, errors.seen, errors.usual, errors.share)
    cells = [f"{median(way):.1%} ({sorted(way)[len(way) * 9 // 10]:.0%})" if way else "" for way in ways]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description="accuracy of forecasts at half time")
    arguments.add_argument("--recordings", type=Path, help="folder with recorded requests of real clients")
    folder = arguments.parse_args().recordings
    print("| pipeline | graph told | order seen | usual total | elapsed / share of stages |")
    print("| --- | --- | --- | --- | --- |")
    for name, pipeline in imagined().items():
        print(row(name, simulate(pipeline)))
    for name, errors in replay(folder) if folder else ():
        print(row(name, errors))


if __name__ == "__main__":
    main()
