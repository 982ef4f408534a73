"""A stage of a run: a context manager, and a decorator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from exporter.client import record
from exporter.client.complaints import complain
from exporter.client.context import Place, leave
from exporter.client.decorating import decorated
from exporter.client.failure import status_of, told
from exporter.client.scope import Scope, final
from exporter.client.usage import Usage
from exporter.client.verdicts import say
from exporter.client.wording import NAME_LENGTH, amount, count, fields, json, name, names, shown, text

if TYPE_CHECKING:
    from typing import Self

    from exporter.client.execution import Execution

F = TypeVar("F", bound=Callable[..., Any])
Failures = type[BaseException] | tuple[type[BaseException], ...]


class Stage(Scope):
    """One attempt of a stage. `parent`: the scope that it lies in; without one, the current one when it starts."""

    _progressed = record.STAGE_PROGRESSED

    def __init__(  # noqa: PLR0913 - what can be told of a stage
        self,
        stage: str,
        parent: Scope | None = None,
        *,
        index: str | int | None = None,
        attempt: int | None = None,
        depends_on: Sequence[str] = (),
        kind: str | None = None,
        retries: int = 0,
        retry_on: Failures = Exception,
        retry_wait: float = 0.0,
    ) -> None:
        self._stage = f',"stage":{name(stage, "stage")}'
        if index is not None and not isinstance(index, int):
            name(index, "index")
        if attempt is not None and not 1 <= (count(attempt, "attempt") or 0) <= 1_000_000:
            raise ValueError(f"attempt: expected a number from 1, got {shown(attempt)}")
        if depends_on:
            depends_on = names(depends_on, "depends_on")
        if kind is not None:
            name(kind, "kind", 128)
        if retries or retry_wait:
            count(retries, "retries")
            amount(retry_wait, "retry_wait", 1e6)
        self.name = stage
        self.index = index
        self.attempt = attempt
        self.execution = None
        self._parent = parent
        self._facts = depends_on, kind
        self._retries = retries, retry_on, retry_wait
        self._in: int | None = None
        self._out: int | None = None
        self._retry_on: Failures = ()
        self.retried = False
        self.exit_code: int | None = None
        """That of the command which it is, if it is one."""
        self._process = 0
        self._started = 0
        self._number = 0
        """That of the event that told the start."""
        self._path: tuple[str, ...] = ()
        self._instance: str | None = None
        self._usage: Usage | None = None

    # Opening and closing

    def start(self) -> Self:
        """Tell that it runs. `with` does this and more; whoever calls it calls `finish`."""
        parent = self._parent
        if parent is None:
            from exporter.client.execution import current  # noqa: PLC0415 - runs know stages

            parent = self._parent = current()
        execution = parent.execution if parent is not None else None
        if execution is None or parent is None:
            complain("outside", f"stage {self.name!r} is in no pipeline: it is not told")
            return self
        self.execution = execution
        self._delivery = delivery = execution._delivery
        if delivery is None:
            complain("closed", f"stage {self.name!r} is in a run that has not started: it is not told")
            return self
        self._process = os.getpid()
        self._base = execution._base
        self._identify(parent, execution)
        depends_on, kind = self._facts
        rest = fields(depends_on=list(depends_on) or None, kind=kind) if depends_on or kind else ""
        self._started = now = execution.clock.now()
        self._number = delivery.tell(record.STAGE_STARTED, now, f"{{{self._head}{rest}}}")
        self._usage = Usage(self, parent) if execution.pulse is not None else None
        return self

    def _identify(self, parent: Scope, execution: Execution) -> None:
        above = parent._path if isinstance(parent, Stage) else execution.path
        self._path = (*above, self.name)
        if self.attempt is None:
            self.attempt = execution.attempt
        head = execution._base + self._stage
        outer = parent._instance if isinstance(parent, Stage) else execution.instance
        if outer is not None or self.index is not None:
            self._instance = _instance(outer, self.index)
        if self._instance is not None:
            head += f',"index":{name(self._instance, "index")}'
        if above:
            head += f',"parent":{json(above)}'
        self._head = f'{head},"attempt":{self.attempt}'

    def finish(self, status: str | None = None, error: BaseException | str | None = None) -> None:
        """Tell that it ended: by an error, or with a status."""
        execution = self.execution
        if execution is None or not self._started or self._process != os.getpid():
            return  # never begun, ended before, or begun by the process that this one was forked from
        ended = execution.clock.now()
        raised = error if isinstance(error, BaseException) else None
        ending = status_of(raised) if raised is not None else self._concluded or "succeeded"
        found = final(status) if status else ending
        rest = f',"status":"{found}"'
        if self._in is not None or self._out is not None:
            rest += self._items()
        problem = None
        if error is not None or self._conclusion is not None or self._problem is not None or self.retried:
            problem = self._error(raised, error, found)
            rest += fields(retry=self.retried or None, error=problem)
        if self._usage is not None:
            self._usage.end(ended)
        if execution._delivery is not None:
            data = f"{{{self._head}{rest}}}"
            execution._delivery.tell(
                record.STAGE_FINISHED, ended, data, self._started, record.end_of(self._number)
            )
            if problem is not None and execution.is_near and not self.retried:
                settings = execution._delivery.settings
                say(settings, self.place, found, problem, stage=True, code=self.exit_code)
        self._started = 0

    def _error(
        self, raised: BaseException | None, error: BaseException | str | None, status: str
    ) -> dict[str, Any] | None:
        if raised is not None:
            return told(raised, status)
        if self._problem is not None:
            return self._problem
        message = error if isinstance(error, str) else self._conclusion
        return None if message is None or status == "succeeded" else {"message": text(message)}

    def __enter__(self) -> Self:
        if self._retries[0]:
            raise ValueError("retries: a block runs once; use `attempts(…)`, or decorate a function")
        return self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            leave(self._token)
            if error is None:
                self.finish()
                return False
            self.retried = bool(self._retry_on) and isinstance(error, self._retry_on)
            self.finish(error=error)
        except BaseException as interrupt:  # by a signal: what is not told now is told by nobody
            self.retried = False
            self.finish(error=interrupt)
            raise
        return self.retried or (status_of(error) == "skipped")

    def __call__(self, function: F) -> F:
        """As a decorator: each call is a stage, with retries if that was asked for."""
        retries, on, wait = self._retries
        return cast("F", decorated(function, self._again, retries, on, wait))

    def _again(self, attempt: int, retry_on: Failures) -> Stage:
        """The same stage, not yet started. `retry_on`: failures after which another attempt follows."""
        depends_on, kind = self._facts
        first = self.attempt or 1
        made = Stage(
            self.name,
            self._parent,
            index=self.index,
            attempt=first + attempt if attempt or self.attempt else None,
            depends_on=depends_on,
            kind=kind,
        )
        made._retry_on = retry_on
        return made

    # What a stage tells

    def stage(self, stage: str, **options: Any) -> Stage:
        """A stage inside this one."""
        return Stage(stage, self, **options)

    def items(self, *, in_: int | None = None, out: int | None = None) -> None:
        """Items taken in and given out so far, in all."""
        if in_ is not None:
            self._in = count(in_, "in_")
        if out is not None:
            self._out = count(out, "out")

    def add_items(self, *, in_: int = 0, out: int = 0) -> None:
        """Further items, beside those told before."""
        if count(in_, "in_"):
            self._in = (self._in or 0) + in_
        if count(out, "out"):
            self._out = (self._out or 0) + out

    def _items(self) -> str:
        if self._in is None:
            return "" if self._out is None else f',"items":{{"out":{self._out}}}'
        out = "" if self._out is None else f',"out":{self._out}'
        return f',"items":{{"in":{self._in}{out}}}'

    def _counted(self, done: int) -> None:
        self._in = max(self._in or 0, done)

    @property
    def place(self) -> Place:
        execution = self.execution
        if execution is None:
            return Place(self.name, "default", "none", self._path)
        return Place(
            execution.pipeline,
            execution.environment_name,
            execution.id,
            self._path,
            self.attempt or 1,
            self._instance,
        )


def _instance(outer: str | None, index: str | int | None) -> str | None:
    """What tells the instances of a stage apart: the indexes of the stages around it, and its own."""
    if index is None or outer is None:
        return outer if index is None else str(index)
    whole = f"{outer}/{index}"
    return (
        whole
        if len(whole) <= NAME_LENGTH
        else f"{whole[:230]}~{blake2b(whole.encode(), digest_size=8).hexdigest()}"
    )


class Attempts:
    """`for attempt in execution.attempts("load", 3): with attempt as stage: …`; ends with the one that succeeds."""

    def __init__(self, first: Stage, most: int, on: Failures, wait: float) -> None:
        if not count(most, "most"):
            raise ValueError("most: expected at least one attempt")
        self._first = first
        self._most = most
        self._on = on
        self._wait = amount(wait, "wait", 1e6) or 0.0
        self._made: Stage | None = None
        self._number = 0

    def __iter__(self) -> Attempts:
        return self

    def __next__(self) -> Stage:
        if self._made is not None:
            if not self._made.retried:
                raise StopIteration
            time.sleep(self._wait)
        last = self._number + 1 >= self._most
        self._made = self._first._again(self._number, () if last else self._on)
        self._number += 1
        return self._made
