"""What the exporter is told of a command: runs, attempts, how they ended, what they used."""

from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Sequence
from typing import Any

from exporter.client import record
from exporter.client.execution import Execution
from exporter.client.scope import Scope
from exporter.client.wording import fields, text
from exporter.wrapper.process import Outcome

_TRACEBACK = "Traceback (most recent call last)"


def status_of(outcome: Outcome) -> str:
    """The status that an attempt ended with."""
    if outcome.timed_out:
        return "timed_out"
    if outcome.code == 0:
        return "succeeded"
    return "cancelled" if outcome.asked is not None else "failed"


def error_of(outcome: Outcome, timeout: float | None) -> dict[str, Any] | None:
    """What went wrong, in the API's fields."""
    if outcome.code == 0 and not outcome.timed_out:
        return None
    if outcome.refusal is not None:
        return {"type": type(outcome.refusal).__name__, "message": text(outcome.refusal)}
    if outcome.timed_out:
        return {
            "type": "Timeout",
            "message": f"it took longer than {timeout or 0:g} seconds",
            "category": "timeout",
        }
    if outcome.out_of_memory:
        return {
            "type": "OutOfMemory",
            "message": "killed by the kernel: out of memory",
            "category": "resource",
        }
    problem = _of_code(outcome)
    if outcome.memory_kills:
        # Which process that was is not known; the command's end may well come of it.
        problem["message"] += f" (meanwhile the kernel killed {outcome.memory_kills} for want of memory)"
    return problem


def _of_code(outcome: Outcome) -> dict[str, Any]:
    if outcome.signal is not None:
        name = _name(outcome.signal)
        return {"type": name, "message": f"killed by signal {outcome.signal} ({name})"}
    errors = [line for stream, line in outcome.lines if stream != "stdout"]
    traces = [number for number, line in enumerate(errors) if _TRACEBACK in line]
    if traces:
        trace = errors[traces[-1] :]
        return {**_of_trace(trace), "stacktrace": "\n".join(trace)}
    last = f": {errors[-1]}" if errors else ""
    return {"type": "ExitCode", "message": text(f"exit code {outcome.code}{last}")}


def _of_trace(trace: Sequence[str]) -> dict[str, str]:
    """Type and message, where the exception's own line is the last; else the server finds the type in the trace."""
    own = next((line for line in trace[1:] if not line.startswith((" ", "\t"))), None)
    named = re.fullmatch(r"([^\W\d][\w.]*)(?:: (.*))?", trace[-1]) if own is trace[-1] else None
    if named is None:
        return {"message": text(trace[-1])}
    return {"type": named[1], "message": text(named[2] or named[1])}


def tell_lines(scope: Scope, outcome: Outcome) -> None:
    """The last lines as logs."""
    failed = status_of(outcome) not in ("succeeded", "cancelled")
    for stream, line in outcome.lines:
        level = "error" if failed and stream == "stderr" else "info"
        scope.log(line, level=level, fields={"stream": stream})


def tell_usage(execution: Execution, cpu_before: float) -> None:
    """CPU time of all processes that were waited for, and the memory of the largest."""
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    rest = fields(
        cpu_seconds=max(children_cpu() - cpu_before, 0.0),
        memory_peak_bytes=max(execution.memory_peak, largest),
    )
    if not execution.joined:
        execution._tell(record.RESOURCES, execution._head, rest)


def children_cpu() -> float:
    """CPU seconds of child processes that were waited for, and theirs."""
    times = os.times()
    return times.children_user + times.children_system


def name_of(words: Sequence[str]) -> str:
    """A name for a command that was given none: its file, without folder and ending."""
    name = os.path.basename(words[0])  # noqa: PTH119 - of text, whatever it holds
    stem = name.rpartition(".")[0] or name
    return "".join(letter if letter.isprintable() else "_" for letter in stem)[:256] or "command"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
