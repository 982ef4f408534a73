"""What runs and stages have in common: telling of progress, artifacts, logs, streams, quality, model calls."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from contextvars import Token
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.client import record
from exporter.client.context import enter
from exporter.client.failure import Skip, described
from exporter.client.tracking import Tracked
from exporter.client.wording import amount, count, counts, fields, name, own, shown, text, within

if TYPE_CHECKING:
    from typing import Self

    from exporter.client.context import Place
    from exporter.client.delivery import Delivery
    from exporter.client.execution import Execution

T = TypeVar("T")
PROMPT_BYTES = 150_000
"""Of a prompt or answer as JSON; all of one call has to fit into one event."""
FINAL = ("succeeded", "failed", "cancelled", "timed_out", "skipped")


class Scope(ABC):
    """A run or a stage that is open. Every method may be called from any thread."""

    execution: Execution | None
    _delivery: Delivery | None = None
    _base = ""
    """JSON that begins each event of the run, without braces."""
    _stage = ""
    """The field `stage`, for events that name it alone."""
    _head = ""
    """The same with all that identifies the scope."""
    _progressed = record.EXECUTION_PROGRESSED
    _concluded: str | None = None
    _conclusion: str | None = None
    _problem: dict[str, Any] | None = None

    _token: Token[Scope | None]

    @abstractmethod
    def start(self) -> Self:
        """Tell that it began."""

    @abstractmethod
    def finish(self, status: str | None = None, error: BaseException | str | None = None) -> None:
        """Tell that it ended."""

    def end_as(self, status: str, error: dict[str, Any] | None = None) -> None:
        """Tell that it ended, with an error in the API's own fields."""
        self._problem = error
        self.finish(status)

    def _enter(self) -> Self:
        try:
            self.start()
            self._token = enter(self)
        except BaseException as interrupt:  # by a signal: the block is not entered, and nobody else ends it
            self.finish(error=interrupt)
            raise
        return self

    def __enter__(self) -> Self:
        return self._enter()

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Tell how the block ended; whether its exception goes no further."""

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return self.__exit__(kind, error, trace)

    @property
    @abstractmethod
    def place(self) -> Place:
        """Where this is, to be told to other processes."""

    def environment(self) -> dict[str, str]:
        """Variables for a process that shall join here: `subprocess.run(…, env=os.environ | stage.environment())`."""
        return self.place.variables()

    def headers(self) -> dict[str, str]:
        """HTTP headers for a request whose receiver shall join here."""
        return self.place.headers()

    def _now(self) -> int:
        return self.execution.clock.now() if self.execution is not None else 0

    def _tell(self, kind: record.Kind, head: str, rest: str, started: int = 0, at: int = 0) -> int:
        if self._delivery is None:
            return 0
        return self._delivery.tell(kind, at or self._now(), f"{{{head}{rest}}}", started)

    def progress(
        self, done: float | None = None, message: str | None = None, eta: datetime | None = None
    ) -> None:
        """How far it is: a part from 0 to 1, a message, and for a run when it expects to end."""
        if done is not None:
            amount(done, "done", 1)
        told = None if eta is None else _moment(eta, "eta")
        rest = fields(progress=done, message=None if message is None else text(message), eta=told)
        self._tell(self._progressed, self._head, rest)

    def artifact(
        self,
        artifact: str,
        uri: str | None = None,
        *,
        bytes: int | None = None,  # noqa: A002 - as in the API
        media_type: str | None = None,
    ) -> None:
        """Something was made that outlives the run."""
        rest = f',"name":{name(artifact, "artifact", 1024)}'
        rest += fields(
            uri=text(uri, 4096) if uri else None,
            bytes=count(bytes, "bytes"),
            media_type=media_type and text(media_type, 256),
        )
        self._tell(record.ARTIFACT, self._base + self._stage, rest)

    def warning(self, message: str, *, code: str | None = None) -> None:
        """Something is worth a look and stopped nothing."""
        if code is not None:
            name(code, "code", 128)
        self._tell(record.WARNING, self._base + self._stage, fields(message=text(message), code=code))

    def log(self, message: str, *, level: str = "info", fields: Mapping[str, Any] | None = None) -> None:
        """A line of the run's log."""
        name(level, "level", 128)
        self._tell_log(message, level, fields, 0)

    def _tell_log(self, message: str, level: str, facts: Mapping[str, Any] | None, at: int) -> None:
        rest = fields(level=level, message=text(message), fields=own(facts, "fields"))
        self._tell(record.LOG, self._base + self._stage, rest, at=at)

    def checked(
        self,
        *,
        valid: int | None = None,
        invalid: int | None = None,
        rules: Mapping[str, int] | None = None,
        completeness: float | None = None,
        stream: str | None = None,
    ) -> None:
        """Records found valid or not, since the last call, and how many broke each rule."""
        rest = fields(
            stream=_named(stream, "stream"), valid=count(valid, "valid"), invalid=count(invalid, "invalid"),
            rules=None if rules is None else counts(rules, "rules", 256),
            completeness=amount(completeness, "completeness", 1),
        )  # fmt: skip
        self._tell(record.RECORDS, self._base + self._stage, rest)

    def measured(  # noqa: PLR0913 - the fields of the event
        self,
        stream: str,
        *,
        events: Mapping[str, int] | None = None,
        watermark: datetime | None = None,
        buffer_depth: int | None = None,
        dead_letters: int | None = None,
        latency_seconds: Sequence[float] | None = None,
        commits: int | None = None,
        files: int | None = None,
        bytes: int | None = None,  # noqa: A002 - as in the API
        direction: str = "in",
        target_rate: float | None = None,
        phase: str | None = None,
    ) -> None:
        """What went through a stream since the last call, and where it stands."""
        if direction not in ("in", "out"):
            raise ValueError(f"direction: expected 'in' or 'out', got {shown(direction)}")
        rest = fields(
            direction=direction, events=None if events is None else counts(events, "events"),
            buffer_depth=count(buffer_depth, "buffer_depth"),
            watermark=None if watermark is None else _moment(watermark, "watermark"),
            dead_letters=count(dead_letters, "dead_letters"),
            latency_seconds=None if latency_seconds is None else _latencies(latency_seconds),
            commits=count(commits, "commits"), files=count(files, "files"), bytes=count(bytes, "bytes"),
            target_rate=amount(target_rate, "target_rate"), phase=_named(phase, "phase", 128),
        )  # fmt: skip
        self._tell(record.STREAM, f'{self._base}{self._stage},"stream":{name(stream, "stream")}', rest)

    def llm(  # noqa: PLR0913 - the fields of the event
        self,
        provider: str,
        model: str,
        *,
        response_model: str | None = None,
        operation: str = "chat",
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        duration_seconds: float | None = None,
        time_to_first_token_seconds: float | None = None,
        cost_usd: float | None = None,
        error: BaseException | str | None = None,
        prompt: str | None = None,
        response: str | None = None,
        template: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        """One call of a language model. Prompts and responses are sent only if they are given here."""
        head = f'"provider":{name(provider, "provider", 128)},"request_model":{name(model, "model", 128)}'
        failed = described(error) if isinstance(error, BaseException) else None
        if isinstance(error, str):
            failed = {"message": text(error)}
        texts = {"prompt": prompt, "response": response, "template": template}
        rest = fields(
            response_model=_named(response_model, "response_model", 128),
            operation=_named(operation, "operation", 128),
            input_tokens=count(input_tokens, "input_tokens"), output_tokens=count(output_tokens, "output_tokens"),
            cached_tokens=count(cached_tokens, "cached_tokens"),
            duration_seconds=amount(duration_seconds, "duration_seconds", 1e9),
            time_to_first_token_seconds=amount(time_to_first_token_seconds, "time_to_first_token_seconds", 1e9),
            cost_usd=amount(cost_usd, "cost_usd"), error=failed,
            variables=own(variables, "variables"),
            **{key: _cut(value) for key, value in texts.items() if value is not None},
        )  # fmt: skip
        self._tell(record.LLM, f"{self._base}{self._stage},{head}", rest)

    def track(
        self, iterable: Iterable[T] | AsyncIterable[T], *, total: int | None = None, every: float = 1.0,
        bar: bool | None = None, label: str | None = None,
    ) -> Tracked[T]:  # fmt: skip
        """Go through something and tell how far it is, every so many seconds; a bar where there is a terminal."""
        amount(every, "every", 1e6)
        return Tracked(iterable, self, total=count(total, "total"), every=every, bar=bar, label=label)

    def _counted(self, done: int) -> None:  # noqa: B027 - a run itself has no items
        """So many items were gone through."""

    def conclude(self, status: str, message: str | None = None) -> None:
        """End with this status when the block ends, unless an exception says otherwise."""
        self._concluded = final(status)
        self._conclusion = None if message is None else text(message)

    def skip(self, reason: str = "") -> None:
        """Leave the block now, as skipped."""
        raise Skip(reason)


def _cut(prompt: str) -> str:
    return within(text(prompt, PROMPT_BYTES), PROMPT_BYTES)


def final(status: str) -> str:
    """A status that something can end with. Raises ValueError."""
    if status not in FINAL:
        raise ValueError(f"status: expected one of {', '.join(FINAL)}, got {shown(status)}")
    return status


def _named(value: str | None, argument: str, limit: int = 256) -> str | None:
    if value is not None:
        name(value, argument, limit)
    return value


def _latencies(values: Sequence[float]) -> list[float | None]:
    given: object = values
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ValueError(f"latency_seconds: expected numbers, got {shown(values)}")
    found = [amount(math.nan if value is None else value, "latency_seconds", 1e9) for value in given]
    if len(found) > 10_000:
        raise ValueError(f"latency_seconds: expected at most 10000 values, got {len(found)}")
    return found


def _moment(value: datetime, argument: str) -> str:
    told: object = value
    if not isinstance(told, datetime) or told.tzinfo is None:
        raise ValueError(f"{argument}: expected a datetime with a time zone, got {shown(value)}")
    return value.isoformat()
