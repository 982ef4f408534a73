"""What is read of an OpenLineage body, leniently: its client never sends again what was refused.

Only the fields without which an event means nothing are asked for. A facet that is unknown or of the wrong
shape is as good as absent: facets stay undecoded until a translator asks for one by its type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from exporter.domain.text import clean_name, clean_text
from exporter.domain.times import EARLIEST, LATEST
from exporter.ingest.refusal import FieldError, Refused, pointer

T = TypeVar("T")

ABSENT = Raw()
"""A value that was not sent."""

RUN_ID_LENGTH = 1024
DEEPEST = 64
"""Levels of nesting that are kept of a free-form value."""

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_LARGEST = 2**63


class Facets:
    """The facets of a run, a job or a dataset, decoded when asked for."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Raw) -> None:
        self._raw: Mapping[str, Raw] = lenient(raw, dict[str, Raw]) or {}

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def read(self, name: str, type_: type[T]) -> T | None:
        """A facet, or None if it is absent or not of that shape."""
        return lenient(self._raw.get(name, ABSENT), type_)


class RunEvent(Struct, frozen=True):
    """A state of a run. `type` is START, RUNNING, COMPLETE, ABORT, FAIL or OTHER; `time` is UTC."""

    type: str
    time: datetime
    run_id: str
    namespace: str
    name: str
    producer: str
    run: Facets
    job: Facets
    inputs: Raw
    outputs: Raw


class _Body(Struct, rename="camel"):
    event_type: Any = None
    event_time: Any = None
    producer: Any = None
    run: Raw = ABSENT
    job: Raw = ABSENT
    dataset: Raw = ABSENT
    inputs: Raw = ABSENT
    outputs: Raw = ABSENT


class _Run(Struct, rename="camel"):
    run_id: Any = None
    facets: Raw = ABSENT


class _Job(Struct):
    namespace: Any = None
    name: Any = None
    facets: Raw = ABSENT


_TYPES = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})


def read(body: bytes) -> RunEvent | None:
    """The run event of a body; None for a dataset or job event, which tells of no run. Raises `Refused`."""
    told = _decode(body)
    if (
        told.run is ABSENT
        and told.event_type is None
        and (told.dataset is not ABSENT or told.job is not ABSENT)
    ):
        return None
    run = lenient(told.run, _Run) or _Run()
    job = lenient(told.job, _Job) or _Job()
    time = instant(told.event_time)
    errors = [
        FieldError(pointer(*place), "is missing" if value is None else wrong)
        for place, value, right, wrong in (
            (("run", "runId"), run.run_id, text(run.run_id) is not None, "must be a text"),
            (("job", "name"), job.name, text(job.name) is not None, "must be a text"),
            (("eventTime",), told.event_time, time is not None, "must be an RFC 3339 time from 2000 to 2100"),
        )
        if not right
    ]
    if errors or time is None:
        raise Refused(422, "; ".join(f"{error.pointer} {error.message}" for error in errors), errors)
    kind = told.event_type.upper() if isinstance(told.event_type, str) else "OTHER"
    return RunEvent(
        type=kind if kind in _TYPES else "OTHER",
        time=time,
        run_id=clean_name(run.run_id, RUN_ID_LENGTH),
        namespace=clean_name(text(job.namespace) or "default"),
        name=job.name,
        producer=text(told.producer) or "",
        run=Facets(run.facets),
        job=Facets(job.facets),
        inputs=told.inputs,
        outputs=told.outputs,
    )


def _decode(body: bytes) -> _Body:
    try:
        # Facets are decoded late: broken text in one must be known now, or it would be as good as absent.
        body.decode()
        told: _Body = _decoder(_Body).decode(body)
    except _UNREADABLE:
        return _repaired(body)
    return told


def _repaired(body: bytes) -> _Body:
    """The body as Python's own decoder takes it.

    Clients written in Python send NaN, lone surrogates and numbers without end, none of which is JSON.
    """
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"), parse_constant=lambda _: None)
        plain = free_form(value)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"not JSON: {error}") from None
    if not isinstance(plain, dict):
        raise Refused(422, "not an OpenLineage event", [FieldError("", "must be an object")])
    told: _Body = _decoder(_Body).decode(msgspec.json.encode(plain))
    return told


def lenient(raw: Raw, type_: type[T]) -> T | None:
    """The value if it is of that type (a number may stand in quotes), else None."""
    if raw is ABSENT:
        return None
    wanted: Any = type_
    try:
        value: T = _decoder(wanted).decode(raw)
    except _UNREADABLE:
        return None
    return value


@cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_, strict=False)


def free_form(value: Any, depth: int = DEEPEST) -> Any:
    """A value of any shape, made fit to be stored as JSON: no NUL, no lone surrogate, no endless number or
    nesting."""
    if isinstance(value, str):
        return clean_text(value, len(value))
    if isinstance(value, dict):
        return (
            {clean_text(key, len(key)): free_form(item, depth - 1) for key, item in value.items()}
            if depth
            else None
        )
    if isinstance(value, list):
        return [free_form(item, depth - 1) for item in value] if depth else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return clean_text(str(value), 100)
    return value


def text(value: object) -> str | None:
    """A text that says something, else None."""
    return value if isinstance(value, str) and value.strip() else None


def word(value: object) -> str | None:
    """A text as a short name, else None."""
    told = text(value)
    return None if told is None else clean_name(told, 128)


def amount(value: object) -> float | None:
    """A number from 0, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e9:
        return None
    return float(value)


def whole(value: object) -> int | None:
    """A whole number from 0, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2**53:
        return None
    return int(value)


def instant(value: object) -> datetime | None:
    """A time in UTC, else None. One without an offset is UTC; Java's `[Europe/Paris]` behind an offset says
    no more."""
    if not isinstance(value, str) or len(value) > 100:
        return None
    try:
        moment = datetime.fromisoformat(value.strip().partition("[")[0].upper())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if EARLIEST <= moment < LATEST else None
