"""What processes that joined a run say of how it went, for the one that ends it.

They are on one machine and share the folder of the spool, where each run has a file with a line for each word. The
server is not asked: the run's end is told once, and right at once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from exporter.client.complaints import complain
from exporter.client.context import Place
from exporter.client.settings import ClientSettings
from exporter.domain.identity import execution_id

MOST_BYTES = 4 << 20
"""Of one run's file; what comes later is told as a log line alone."""
KEPT_SECONDS = 7 * 86_400.0
"""After which a file is removed that nobody read, as the process that was to end the run was killed."""
PASSED_ON_SECONDS = 5.0
"""In which an exit code goes up from command to command; each may take three to deliver what is left."""
WORST = ("failed", "timed_out", "cancelled")
_MARK = "__verdict_of_pipeline_exporter__"

Where = tuple[tuple[str, ...], str | None]


class Verdict(NamedTuple):
    """What one block came to. `stage`: a stage's, whose error is told already; `code`: that of its command."""

    where: Where
    attempt: int
    status: str
    error: dict[str, Any] | None
    stage: bool = False
    code: int | None = None
    at: float = 0.0
    """Seconds since 1970."""


class _Later(NamedTuple):
    """A verdict that holds if the program goes on in spite of the exception that it came of."""

    settings: ClientSettings
    place: Place
    status: str
    error: dict[str, Any] | None


_SAID: set[tuple[Path, Where, int, str]] = set()
_LATER: dict[int, _Later] = {}


def say(
    settings: ClientSettings,
    place: Place,
    status: str,
    error: dict[str, Any] | None = None,
    *,
    stage: bool = False,
    code: int | None = None,
) -> None:
    """Leave a word for the process that ends the run; without an error, each one once."""
    path = _file(settings, place)
    if path is None:
        return
    where = (place.path, place.instance)
    key = (path, where, place.attempt, status)
    if error is None:
        if key in _SAID:
            return
        _SAID.add(key)
    told = Verdict(where, place.attempt, status, error, stage, code, time.time())
    try:
        _append(path, f"{json.dumps(told)}\n".encode())
    except OSError as problem:
        complain("verdict", f"whoever began the run is not told how this part of it ended ({problem})")


def say_unless_it_escapes(
    settings: ClientSettings,
    place: Place,
    status: str,
    error: dict[str, Any] | None,
    raised: BaseException,
) -> None:
    """The same at the end of the program, unless the exception is what ends it: then its exit code tells."""
    if isinstance(raised, SystemExit | GeneratorExit):
        return
    number = len(_LATER)
    with suppress(AttributeError):  # a stranger's exception that takes no attributes counts as caught
        setattr(raised, _MARK, number)
    _LATER[number] = _Later(settings, place, status, error)


def at_exit() -> None:
    """The program ends: what it caught, it went on in spite of."""
    escaped = {getattr(each, _MARK, None) for each in _chain(getattr(sys, "last_value", None))}
    for number, (settings, place, status, error) in _LATER.items():
        if number not in escaped:
            say(settings, place, status, error)
    _LATER.clear()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def taken(settings: ClientSettings, place: Place) -> list[Verdict]:
    """What was said of a run, of each place its last attempt; it is forgotten with that."""
    path = _file(settings, place)
    if path is None:
        return []
    try:
        lines = path.read_bytes().splitlines()
        path.unlink()
    except OSError:  # nobody said anything
        return []
    found = [verdict for line in lines if (verdict := _read(line)) is not None]
    last: dict[Where, int] = {}
    for each in found:
        last[each.where] = max(each.attempt, last.get(each.where, 0))
    return [each for each in found if each.attempt == last[each.where]]


def worst(verdicts: list[Verdict]) -> Verdict | None:
    """The verdict that a run which would have succeeded ends with; skipped only if all that was done was skipped."""
    of_runs = [each for each in verdicts if not each.stage]
    for status in WORST:
        for each in of_runs:
            if each.status == status:
                return each
    return of_runs[0] if of_runs and all(each.status == "skipped" for each in of_runs) else None


def is_told(error: Mapping[str, Any], code: int | None, verdicts: list[Verdict], *, now: float) -> bool:
    """Whether the error that a command ended with is that of the stage which failed last, and told there.

    An exit code says little, so it has to come at once: a script may go on, and fail by something else.
    """
    stages = [each for each in verdicts if each.stage and each.error is not None]
    if not stages:
        return False
    told = stages[-1]
    if told.code is not None:
        return told.code == code and now - told.at < PASSED_ON_SECONDS
    assert told.error is not None
    ending = f"{told.error.get('type')}: {told.error.get('message')}"
    trace = str(error.get("stacktrace") or "")
    return ending in trace or trace.endswith(f"\n{told.error.get('type')}")


def _file(settings: ClientSettings, place: Place) -> Path | None:
    if settings.spool is None or settings.disabled:
        return None
    run = execution_id("", place.environment, place.pipeline, place.execution)
    return settings.spool / "verdicts" / f"{run}.jsonl"


def _append(path: Path, line: bytes) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _prune(path.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size + len(line) <= MOST_BYTES:
            os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _prune(folder: Path) -> None:
    for path in folder.glob("*.jsonl"):
        with suppress(OSError):  # removed by another process
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()


def _read(line: bytes) -> Verdict | None:
    try:
        (path, instance), attempt, status, error, stage, code, at = json.loads(line)
    except (ValueError, TypeError):  # half a line, as of a disk that was full
        return None
    return Verdict((tuple(path), instance), attempt, status, error, stage, code, at)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LATER.clear)
