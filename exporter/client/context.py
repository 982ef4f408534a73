"""Where in which run the program is: in this thread or task, and, by variables, in processes that it starts."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlencode

from exporter.domain.identity import execution_id, trace_span_id

if TYPE_CHECKING:
    from exporter.client.execution import Execution
    from exporter.client.scope import Scope

VARIABLE = "PIPELINE_EXPORTER_CONTEXT"
TRACEPARENT = "TRACEPARENT"
_BAGGAGE = "pipeline-exporter"

CURRENT: ContextVar[Scope | None] = ContextVar("exporter.client", default=None)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a run that can be told to another process: the run, the enclosing stages, the attempt."""

    pipeline: str
    environment: str
    execution: str
    path: tuple[str, ...] = ()
    attempt: int = 1
    instance: str | None = None
    """Which of the mapped instances of the innermost stage, and with it of those below."""

    def encoded(self) -> str:
        """As one line that any shell takes."""
        pairs = [
            ("pipeline", self.pipeline),
            ("environment", self.environment),
            ("execution", self.execution),
        ]
        pairs += [("stage", name) for name in self.path]
        if self.attempt > 1:
            pairs.append(("attempt", str(self.attempt)))
        if self.instance is not None:
            pairs.append(("index", self.instance))
        return urlencode(pairs)

    @property
    def traceparent(self) -> str:
        """W3C Trace Context: the trace id is the run's id in the exporter, the span id is made of the place."""
        trace = execution_id("", self.environment, self.pipeline, self.execution)
        return f"00-{trace}-{trace_span_id(trace, self.path, self.instance)}-01"

    def variables(self) -> dict[str, str]:
        """Environment variables by which a process joins."""
        return {VARIABLE: self.encoded(), TRACEPARENT: self.traceparent}

    def headers(self) -> dict[str, str]:
        """HTTP headers by which a server joins (W3C Trace Context and Baggage)."""
        return {"traceparent": self.traceparent, "baggage": f"{_BAGGAGE}={quote(self.encoded(), safe='')}"}


def place_of(carrier: Mapping[str, str]) -> Place | None:
    """The place that environment variables or HTTP headers tell of; None if they tell of none."""
    encoded = carrier.get(VARIABLE)
    if encoded is None:
        headers = {key.lower(): value for key, value in carrier.items()}
        for entry in headers.get("baggage", "").split(","):
            key, _, value = entry.strip().partition("=")
            if key == _BAGGAGE:
                encoded = unquote(value.partition(";")[0])
    told = parse_qs(encoded or "")
    try:
        attempt = int(told.get("attempt", ["1"])[0])
        return Place(
            told["pipeline"][0],
            told["environment"][0],
            told["execution"][0],
            tuple(told.get("stage", ())),
            max(attempt, 1),
            told.get("index", [None])[0],
        )
    except (KeyError, ValueError):
        return None


class OpenExecutions:
    """The runs that are open in this process. While they are one chain, its innermost is in the environment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[Execution] = []
        self._before: dict[str, str | None] = {}

    def add(self, execution: Execution) -> None:
        """A run begins."""
        with self._lock:
            if not self._open:
                self._before = {key: os.environ.get(key) for key in (VARIABLE, TRACEPARENT)}
            self._open.append(execution)
            self._export()

    def remove(self, execution: Execution) -> None:
        """A run ended."""
        with self._lock:
            if execution in self._open:
                self._open.remove(execution)
                self._export()

    def sole(self) -> Execution | None:
        """The innermost run, where there is no doubt which one that is."""
        opened = self._open
        if not opened:
            return None
        is_chain = all(inner.enclosing is outer for outer, inner in pairwise(opened))
        return opened[-1] if is_chain else None

    def is_exported(self, encoded: str) -> bool:
        """Whether a variable's value comes from this very process."""
        return any(each.place.encoded() == encoded for each in self._open)

    def _export(self) -> None:
        innermost = self.sole()
        told: Mapping[str, str | None] = innermost.place.variables() if innermost else self._before
        for key, value in told.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value

    def after_fork(self) -> None:
        """In the child: the lock may be held by a thread that is not here."""
        self._lock = threading.Lock()


OPEN = OpenExecutions()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OPEN.after_fork)


def enter(scope: Scope) -> Token[Scope | None]:
    """Make a scope the current one of this thread or task."""
    return CURRENT.set(scope)


def leave(token: Token[Scope | None]) -> None:
    """Go back to the scope before."""
    try:
        CURRENT.reset(token)
    except ValueError:
        # Entered in one task, left in another, as generators do that are closed late: each has its own.
        CURRENT.set(None)
