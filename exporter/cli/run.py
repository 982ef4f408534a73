"""`pipeline-exporter run -- CMD…`: a command told as a run; it ends with the command's exit code."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.client.complaints import LOGGER
from exporter.client.context import place_of
from exporter.client.delivery import process_delivery
from exporter.client.execution import Execution
from exporter.client.pulse import Pulse
from exporter.client.scope import Scope
from exporter.client.settings import default_spool
from exporter.client.stage import Stage
from exporter.wrapper import lock, telling
from exporter.wrapper.output import fill_closed
from exporter.wrapper.process import NOT_EXECUTABLE, NOT_FOUND, Command, Limits, Outcome
from exporter.wrapper.signals import Signals

DESCRIPTION = "Run a command, tell the exporter how it goes, and end with its exit code."
USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--pipeline", metavar="NAME", help="its name; default: that of the command's file")
    parser.add_argument(
        "--stage", metavar="NAME", help="tell it as a stage; inside another `run`, as one of that run"
    )
    parser.add_argument("--environment", metavar="NAME", help="default: PIPELINE_EXPORTER_ENVIRONMENT")
    parser.add_argument("--execution", metavar="ID", help="the run's own id; default: made up")
    parser.add_argument("--timeout", type=_length, metavar="LENGTH", help="end an attempt after 90s, 15m, 2h")
    parser.add_argument(
        "--kill-after", type=_length, default=10.0, metavar="LENGTH", help="SIGKILL so long after SIGTERM"
    )
    parser.add_argument("--retries", type=_count, default=0, metavar="N", help="further attempts if it fails")
    parser.add_argument(
        "--retry-wait", type=_length, default=0.0, metavar="LENGTH", help="wait between attempts"
    )
    parser.add_argument("--schedule", metavar="CRON", help="when it is due, to notice that it did not start")
    parser.add_argument(
        "--timezone", metavar="ZONE", help="of the schedule, such as Europe/Berlin; default: UTC"
    )
    parser.add_argument("--lock", action="store_true", help="skip this run if another one still runs")
    parser.add_argument(
        "--log-lines", type=_count, default=50, metavar="N", help="last lines kept of each stream"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD", help="the command, behind --")


def main(given: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    fill_closed()
    parser = argparse.ArgumentParser(
        prog="pipeline-exporter run", description=DESCRIPTION, usage="%(prog)s [options] -- CMD..."
    )
    add_arguments(parser)
    arguments = parser.parse_args(list(given))
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        parser.error("expected a command: pipeline-exporter run -- CMD…")
    # What the client says of a server that is away is no line of the command.
    logging.getLogger(LOGGER).setLevel(logging.ERROR)
    try:
        execution = _execution(arguments, words)
        outer = _outer(execution, arguments, words)
    except ValueError as error:
        parser.error(str(error))
    with Signals() as signals:
        code = _run(_Job(execution, outer, words, arguments, signals))
        process_delivery().close()  # here, where signals do not end it: the exit code is the command's
    return code


def _execution(arguments: argparse.Namespace, words: Sequence[str]) -> Execution:
    inherited = place_of(os.environ)
    name = arguments.pipeline
    environment = arguments.environment
    if name is None and inherited is not None and arguments.stage is not None:
        name, environment = inherited.pipeline, environment or inherited.environment
    about: dict[str, Any] = {"kind": "command"}
    if arguments.schedule is not None:
        about["schedule"] = {"cron": arguments.schedule, "timezone": arguments.timezone or "UTC"}
    return Execution(
        telling.name_of(words) if name is None else name,
        environment=environment,
        execution=arguments.execution,
        pulse=Pulse(with_root=False),
        **about,
    )


def _outer(execution: Execution, arguments: argparse.Namespace, words: Sequence[str]) -> Stage | None:
    """The stage that the command is, if it is one: attempts are those of a stage."""
    if arguments.stage is None and not arguments.retries:
        return None
    return execution.stage(arguments.stage or telling.name_of(words))


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be run, and as what it is told. `stage`: the one that the command is, if it is one."""

    execution: Execution
    stage: Stage | None
    words: Sequence[str]
    arguments: argparse.Namespace
    signals: Signals


def _run(job: _Job) -> int:
    execution = job.execution
    execution.exit_code = USAGE
    execution.start()
    held: lock.Lock | None = None
    if job.arguments.lock:
        try:
            held = lock.take(_lock_file(execution))
        except OSError as error:
            _say(f"--lock: {error}")
            execution.finish("failed", f"--lock: {error}")
            return USAGE
        if held is None:
            return _skipped(execution, job.stage)
    before = telling.children_cpu()
    outcome = _attempts(job, held)
    if held is not None:
        held.release()
    if outcome.refusal is not None:
        _say(f"{job.words[0]}: {outcome.refusal.strerror}")
    telling.tell_usage(execution, before)
    problem = telling.error_of(outcome, job.arguments.timeout)
    execution.exit_code = outcome.code
    # With a stage, the error is told there.
    execution.end_as(telling.status_of(outcome), problem if job.stage is None else None)
    return outcome.code


def _attempts(job: _Job, held: lock.Lock | None) -> Outcome:
    arguments, signals = job.arguments, job.signals
    limits = Limits(arguments.timeout, arguments.kill_after)
    number = 0
    while True:
        attempt = None if job.stage is None else job.stage._again(number, ()).start()
        scope: Scope = job.execution if attempt is None else attempt
        command = Command(job.words, os.environ | scope.environment(), limits, signals, held)
        outcome = command.run(arguments.log_lines)
        telling.tell_lines(scope, outcome)
        again = number < arguments.retries and _is_worth_repeating(outcome)
        if attempt is not None:
            attempt.retried = again
            attempt.exit_code = outcome.code
            attempt.end_as(telling.status_of(outcome), telling.error_of(outcome, arguments.timeout))
        if not again:
            return outcome
        number += 1
        signals.wait(arguments.retry_wait)
        if signals.asked is not None:
            return Outcome(128 + signals.asked, asked=signals.asked)


def _is_worth_repeating(outcome: Outcome) -> bool:
    failed = outcome.code != 0 or outcome.timed_out
    return failed and outcome.asked is None and outcome.code not in (NOT_FOUND, NOT_EXECUTABLE)


def _skipped(execution: Execution, stage: Stage | None) -> int:
    _say(f"{execution.pipeline} still runs; skipped")
    if stage is not None:
        stage.start().finish("skipped")
    execution.exit_code = 0
    execution.finish("skipped")
    return 0


def _say(what: str) -> None:
    with suppress(OSError):  # nobody listens any more; the exit code says the rest
        if sys.stderr is not None:
            print(f"pipeline-exporter run: {what}", file=sys.stderr, flush=True)


def _lock_file(execution: Execution) -> Path:
    folder = process_delivery().settings.spool or default_spool(os.environ)
    return lock.lock_file(folder, execution.environment_name, execution.pipeline)


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _length(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a length such as 90s, 15m or 2h, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return int(text)
