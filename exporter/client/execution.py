"""A run of a pipeline: a context manager, and a decorator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from math import isfinite
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, cast

from exporter.client import record
from exporter.client.clock import Clock
from exporter.client.context import CURRENT, OPEN, TRACEPARENT, VARIABLE, Place, leave
from exporter.client.declaring import Declaration, declared
from exporter.client.decorating import decorated
from exporter.client.delivery import Delivery, process_delivery
from exporter.client.failure import status_of, told
from exporter.client.pulse import FIRST_LOOK, Pulse, Reading
from exporter.client.scope import Scope, final
from exporter.client.stage import Attempts, Failures, Stage
from exporter.client.verdicts import is_told, say, say_unless_it_escapes, taken, worst
from exporter.client.wording import amount, fields, name, own, shown, text

if TYPE_CHECKING:
    from typing import Self


F = TypeVar("F", bound=Callable[..., Any])


class Facts(TypedDict, total=False):
    """What can be told of one run."""

    kind: str
    trigger: str
    parameters: Mapping[str, Any]
    labels: Mapping[str, str | float | bool]
    link: str


class About(Facts, Declaration, total=False):
    """All that `pipeline(…)` takes beside the name."""


_FACTS = tuple(Facts.__annotations__)


class Execution(Scope):
    """One run. In a process that was started by one of the same pipeline it is the same run, and does not end it.

    `heartbeat_seconds`: silence longer than this means that the run is lost. `sample_seconds`: how often
    resources are looked at; None for never.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        execution: str | None = None,
        environment: str | None = None,
        heartbeat_seconds: float = 60.0,
        sample_seconds: float | None = 5.0,
        delivery: Delivery | None = None,
        clock: Clock | None = None,
        pulse: Pulse | None = None,
        **about: Unpack[About],
    ) -> None:
        name(pipeline, "pipeline")
        for argument, value, limit in (("execution", execution, 1024), ("environment", environment, 256)):
            if value is not None:
                name(value, argument, limit)
        if not amount(heartbeat_seconds, "heartbeat_seconds", 1e8):
            raise ValueError("heartbeat_seconds: expected a number above 0")
        if sample_seconds is not None and not amount(sample_seconds, "sample_seconds", 1e8):
            raise ValueError("sample_seconds: expected a number above 0, or None")
        if unknown := set(about) - set(About.__annotations__):
            raise ValueError(f"{min(unknown)}: unknown, expected any of {', '.join(About.__annotations__)}")
        self.pipeline = pipeline
        self.id = execution or ""
        self.heartbeat_seconds = heartbeat_seconds
        self.sample_every = sample_seconds
        self._facts = _checked({key: value for key, value in about.items() if key in _FACTS})
        self._declaration = declared({k: v for k, v in about.items() if k not in _FACTS or k == "kind"})
        self._arguments: dict[str, Any] = {
            "execution": execution, "environment": environment, "heartbeat_seconds": heartbeat_seconds,
            "sample_seconds": sample_seconds, "delivery": delivery, "clock": clock, "pulse": pulse, **about,
        }  # fmt: skip
        self.execution = self
        self.clock = clock or Clock()
        self.retried = False
        self.joined = False
        self.is_near = False
        """Whether whoever began the run that this joined started this process, on this machine as a rule."""
        self.exit_code: int | None = None
        """That of the command which it is, if it is one."""
        self.path: tuple[str, ...] = ()
        self.attempt = 1
        self.instance: str | None = None
        self.enclosing: Execution | None = None
        self.pulse: Pulse | None = None
        self._process = 0
        self._started = 0
        self._number = 0
        """That of the event that told the start."""
        self._place: Place | None = None
        # The pulse's notes.
        self.beat_every = heartbeat_seconds / 3
        self.beat_at = self.sample_at = 0.0
        self.usage_seen: Reading | None = None
        self.memory_peak = 0
        self._cpu_before = 0.0

    # Opening and closing

    def start(self) -> Self:
        """Tell that it runs. `with` does this and more; whoever calls it calls `finish`."""
        delivery = self._arguments["delivery"] or process_delivery()
        environment = self._arguments["environment"] or delivery.settings.environment
        from exporter.client.joining import inherited_place, inherited_run  # noqa: PLC0415 - those are runs

        inherited = inherited_place()
        above = CURRENT.get() or (None if inherited is None else inherited_run(inherited))
        self._delivery = delivery
        self.environment_name = environment
        self._process = os.getpid()
        place = above.place if above is not None else None
        if (
            inherited is not None
            and above is not None
            and above.execution is not None
            and above.execution.joined
            and (inherited.pipeline, inherited.environment) == (self.pipeline, environment)
            and self.id in ("", inherited.execution)
        ):
            self._join(inherited)
            self.is_near = True
        if not self.id:
            self.id = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(4).hex()}"
        self._place = Place(self.pipeline, environment, self.id, self.path, self.attempt, self.instance)
        self._base = self._head = (
            f'"pipeline":{name(self.pipeline, "pipeline")},"environment":{name(environment, "environment")},'
            f'"execution":{name(self.id, "execution", 1024)}'
        )
        if not self.joined and self._arguments["execution"] is not None:
            taken(delivery.settings, self._place)  # said to a run of this id that was killed before it ended
        self._begin(None if self.joined else place)
        self.enclosing = above.execution if above is not None else None
        if not self.joined:
            OPEN.add(self)
        return self

    def _join(self, place: Place) -> None:
        self.joined = True
        self.id, self.path, self.attempt = place.execution, place.path, place.attempt
        self.instance = place.instance

    def _begin(self, parent: Place | None) -> None:
        self._started = self.clock.now()
        self._number = 0
        if self._declaration:
            rest = fields(**self._declaration)
            head = self._base.rpartition(',"execution":')[0]
            self._tell(record.DECLARED, head, rest, at=self._started)
        if not self.joined:
            above = parent and {"pipeline": parent.pipeline, "execution": parent.execution}
            facts = {**self._facts, **_outer_trace(self._facts)}
            rest = fields(**facts, parent=above, heartbeat_seconds=self.heartbeat_seconds)
            self._number = self._tell(record.EXECUTION_STARTED, self._head, rest, at=self._started)
        now = time.monotonic()
        self._began = now
        self._cpu_before = sum(os.times()[:4])
        self.beat_at, self.sample_at = now + self.beat_every, now + min(FIRST_LOOK, self.sample_every or 1e8)
        self.pulse = None if _is_disabled(self._delivery) else self._arguments["pulse"] or _PULSE
        if self.pulse is not None:
            self.pulse.add(self)

    def finish(self, status: str | None = None, error: BaseException | str | None = None) -> None:
        """Tell that it ended: by an error, or with a status."""
        if not self._started or self._process != os.getpid():
            return  # never begun, ended before, or begun by the process that this one was forked from
        if self.pulse is not None:
            self.pulse.remove(self)
        raised = error if isinstance(error, BaseException) else None
        found = final(status or (status_of(raised) if raised is not None else self._concluded or "succeeded"))
        problem = self._problem_of(raised, error, found)
        delivery = self._delivery
        if delivery is not None and not self.joined:
            self._tell_end(delivery, found, problem)
        elif delivery is not None:
            self._tell_part(delivery, found, problem, raised)
        self._started = 0

    def _problem_of(
        self, raised: BaseException | None, error: BaseException | str | None, status: str
    ) -> dict[str, Any] | None:
        problem = told(raised, status) or self._problem
        message = error if isinstance(error, str) else self._conclusion
        if (
            problem is None
            and raised is None
            and message is not None
            and status not in ("succeeded", "skipped")
        ):
            return {"message": text(message)}
        return problem

    def _tell_end(self, delivery: Delivery, status: str, problem: dict[str, Any] | None) -> None:
        verdicts = taken(delivery.settings, self.place)
        if status == "succeeded" and (verdict := worst(verdicts)) is not None:
            status, problem = verdict.status, verdict.error
        elif self._problem is not None and is_told(self._problem, self.exit_code, verdicts, now=time.time()):
            problem = None
        data = f"{{{self._head}{fields(status=status, error=problem)}}}"
        number = record.end_of(self._number)
        delivery.tell(record.EXECUTION_FINISHED, self._now(), data, self._started, number)
        OPEN.remove(self)

    def _tell_part(
        self, delivery: Delivery, status: str, problem: dict[str, Any] | None, raised: BaseException | None
    ) -> None:
        """The run is not ours to end: whoever began it is told what became of this part of it."""
        if problem is not None:
            said = problem["message"]
            kind = problem.get("type", "error")
            self._tell_log(said if said.startswith(kind) else f"{kind}: {said}", "error", problem, 0)
        if not self.is_near or self.exit_code is not None:
            return  # the answer to a request, or a command's exit code, says it
        if raised is None or status in ("succeeded", "skipped"):
            say(delivery.settings, self.place, status, problem)
        else:
            say_unless_it_escapes(delivery.settings, self.place, status, problem, raised)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            leave(self._token)
            self.finish(error=error)
        except BaseException as interrupt:  # by a signal: what is not told now is told by nobody
            self.finish(error=interrupt)
            raise
        return error is not None and status_of(error) == "skipped"

    def __call__(self, function: F) -> F:
        """As a decorator: each call is a run."""
        return cast("F", decorated(function, self._again))

    def _again(self, _attempt: int, _retry_on: Failures) -> Execution:
        return Execution(self.pipeline, **self._arguments)

    # What a run tells

    def stage(self, stage: str, **options: Any) -> Stage:
        """A stage of this run, at its top."""
        return Stage(stage, self, **options)

    def attempts(
        self, stage: str, most: int, *, on: Failures = Exception, wait: float = 0.0, **options: Any
    ) -> Attempts:
        """Attempts of a stage until one succeeds: `for attempt in …: with attempt as stage: …`."""
        return Attempts(self.stage(stage, **options), most, on, wait)

    @property
    def place(self) -> Place:
        if self._place is None:
            raise ValueError("the run has not started")
        return self._place

    @staticmethod
    def declare(
        pipeline: str, *, environment: str | None = None, delivery: Delivery | None = None,
        kind: str | None = None, labels: Mapping[str, str | float | bool] | None = None,
        **declaration: Unpack[Declaration],
    ) -> None:  # fmt: skip
        """Say what a pipeline is, whether it runs or not."""
        to = delivery or process_delivery()
        place = environment or to.settings.environment
        facts = {"kind": kind, "labels": _labels(labels), **declared(declaration)}
        head = f'"pipeline":{name(pipeline, "pipeline")},"environment":{name(place, "environment")}'
        to.tell(record.DECLARED, time.time_ns(), f"{{{head}{fields(**facts)}}}")

    # What the pulse does

    @property
    def lasted(self) -> float:
        """Seconds since it started."""
        return time.monotonic() - self._began

    def next_look(self) -> float:
        """Seconds until the pulse has to look again."""
        due = self.beat_at if self.sample_every is None else min(self.beat_at, self.sample_at)
        return due - time.monotonic()

    def beat(self) -> None:
        """Give a sign of life."""
        if not self.joined:
            self._tell(record.EXECUTION_HEARTBEAT, self._head, "")

    def usage_before(self, reading: Reading) -> Reading:
        """What was used before the run started: CPU is known, of I/O what the first look sees."""
        before = object.__new__(Reading)
        before.cpu = self._cpu_before if self.pulse is None or self.pulse.with_root else 0.0
        before.read, before.written = reading.read, reading.written
        return before


pipeline = Execution


def stage(name: str, **options: Any) -> Stage:
    """A stage inside the current stage or run of this thread or task; as a block, or as a decorator."""
    return Stage(name, **options)


def current() -> Scope | None:
    """The stage or run that this thread or task is in.

    A thread that was started without a context is in the only open run of the process; a process that was
    started by a run is in that one.
    """
    scope = CURRENT.get()
    if scope is not None:
        return scope
    sole = OPEN.sole()
    if sole is not None:
        return sole
    from exporter.client.joining import inherited_place, inherited_run  # noqa: PLC0415 - those are runs

    place = inherited_place()
    return None if place is None else inherited_run(place)


_PULSE = Pulse()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PULSE.after_fork)


def _is_disabled(delivery: Delivery | None) -> bool:
    return delivery is None or delivery.settings.disabled


def _outer_trace(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A label with the trace that this process was started in by something else than this client."""
    parts = os.environ.get(TRACEPARENT, "").split("-")
    if VARIABLE in os.environ or len(parts) < 4 or len(parts[1]) != 32:
        return {}
    return {"labels": {"trace_id": parts[1], **facts.get("labels", {})}}


def _checked(facts: dict[str, Any]) -> dict[str, Any]:
    for argument in ("kind", "trigger"):
        if facts.get(argument) is not None:
            name(facts[argument], argument, 128)
    if (link := facts.get("link")) is not None and (not isinstance(link, str) or len(link) > 2048):
        raise ValueError(f"link: expected text of at most 2048 characters, got {shown(link)}")
    facts["parameters"] = own(facts.get("parameters"), "parameters")
    facts["labels"] = _labels(facts.get("labels"))
    return {key: value for key, value in facts.items() if value is not None}


def _labels(labels: Mapping[str, str | float | bool] | None) -> dict[str, str | float | bool] | None:
    if labels is None:
        return None
    given: object = labels
    if not isinstance(given, Mapping) or len(given) > 64:
        raise ValueError(f"labels: expected at most 64 names with values, got {shown(labels)}")
    found: dict[str, str | float | bool] = {}
    for label in given:
        name(label, "labels", 128)
        value: object = given[label]
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not isfinite(value)):
            raise ValueError(f"labels: expected text or a number for {label!r}, got {shown(value)}")
        found[label] = text(value) if isinstance(value, str) else value
    return found
