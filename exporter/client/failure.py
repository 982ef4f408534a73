"""What an exception says of the stage or run that it ends."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from exporter.client.wording import text, within

STACKTRACE_BYTES = 120_000
"""Of a stack trace as JSON."""
_TOLD = "__told_to_pipeline_exporter__"


class Skip(Exception):
    """Ends the stage or run in which it is raised as skipped, and goes no further."""


def status_of(error: BaseException | None) -> str:
    """The status that an exception stands for."""
    if error is None or isinstance(error, GeneratorExit):
        return "succeeded"  # whoever iterated had enough
    if isinstance(error, SystemExit):
        return "succeeded" if error.code in (None, 0) else "cancelled"
    if isinstance(error, KeyboardInterrupt) or _is(error, "asyncio", "CancelledError"):
        return "cancelled"
    if isinstance(error, TimeoutError) or _is(error, "subprocess", "TimeoutExpired"):
        return "timed_out"
    return "skipped" if isinstance(error, Skip) else "failed"


def told(error: BaseException | None, status: str) -> dict[str, Any] | None:
    """The error as the API wants it; None where nothing went wrong, and where an inner stage told the same."""
    if error is None or status in ("succeeded", "skipped"):
        return None
    if getattr(error, _TOLD, False):
        return None
    try:
        setattr(error, _TOLD, True)
    except AttributeError:
        return described(error)
    return described(error)


def described(error: BaseException) -> dict[str, Any]:
    """Type, message and stack trace."""
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return {
        "type": f"{module}{kind.__qualname__}",
        "message": _message(error),
        "stacktrace": _stacktrace(error),
    }


def _message(error: BaseException) -> str:
    try:
        return text(str(error)) or type(error).__name__
    except Exception as broken:  # whatever a stranger's __str__ raises
        return f"({type(error).__name__} without a message: its __str__ raised {type(broken).__name__})"


def _stacktrace(error: BaseException) -> str | None:
    try:
        lines = "".join(traceback.format_exception(error))
    except Exception:  # the same
        return None
    cut = within(lines, STACKTRACE_BYTES, tail=True)
    return cut if len(cut) == len(lines) else f"…\n{cut}"


def _is(error: BaseException, module: str, name: str) -> bool:
    """Whether it is of a class of a module, which need not be imported to find out."""
    found = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and isinstance(error, found)
