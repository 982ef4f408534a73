"""Errors as pipelines report them, with stack traces as their languages print them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

Trace = Callable[[str, str], str]
"""Prints a stack trace, given type and message of the error."""


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong: the API's `error`."""

    type: str
    message: str
    category: str
    component: str
    severity: str = "error"
    trace: Trace | None = None
    context: Mapping[str, object] = field(default_factory=dict)

    def within(self, **context: object) -> Error:
        """The same error with more context."""
        return replace(self, context={**self.context, **context})

    @property
    def stacktrace(self) -> str:
        """As the process printed it; just type and message where there is none."""
        if self.trace is None:
            return f"{self.type}: {self.message}"
        return self.trace(self.type, self.message)

    def as_data(self) -> dict[str, object]:
        """As the API takes it."""
        told: dict[str, object] = {
            "type": self.type,
            "message": self.message,
            "category": self.category,
            "severity": self.severity,
            "component": self.component,
        }
        if self.trace:
            told["stacktrace"] = self.stacktrace
        if self.context:
            told["context"] = dict(self.context)
        return told


def python_trace(*frames: tuple[str, int, str, str], name: str = "") -> Trace:
    """A traceback. Frames are (file, line, function, source), the outermost first.

    `name` is the type with its module, where that is not just the type.
    """

    def trace(kind: str, message: str) -> str:
        lines = ["Traceback (most recent call last):"]
        for file, line, function, source in frames:
            lines += [f'  File "{file}", line {line}, in {function}', f"    {source}"]
        return "\n".join([*lines, f"{name or kind}: {message}"])

    return trace


def java_trace(*frames: str, name: str, cause: str = "", cause_frames: tuple[str, ...] = ()) -> Trace:
    """A stack trace of the JVM. Frames read `package.Class.method(File.java:1)`, the innermost first."""

    def trace(kind: str, message: str) -> str:
        del kind
        lines = [f"{name}: {message}", *(f"\tat {frame}" for frame in frames)]
        if cause:
            lines += [f"Caused by: {cause}", *(f"\tat {frame}" for frame in cause_frames)]
            lines.append(f"\t... {len(frames)} more")
        return "\n".join(lines)

    return trace


def go_trace(*frames: tuple[str, str]) -> Trace:
    """A panic of Go. Frames are (call, place), the innermost first."""

    def trace(kind: str, message: str) -> str:
        del kind
        lines = [f"panic: {message}", "", "goroutine 1 [running]:"]
        for call, place in frames:
            lines += [call, f"\t{place}"]
        return "\n".join(lines)

    return trace


class StageFailed(Exception):
    """Raised inside the work of a stage to end its attempt with the error."""

    def __init__(self, error: Error, status: str = "failed") -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status
