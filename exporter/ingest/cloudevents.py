"""CloudEvents 1.0 in their JSON form: structured, batched, and in binary mode.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md and
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any, TypeAlias
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Raw, Struct

from exporter.catalogue import thresholds
from exporter.domain import events as e
from exporter.domain.events import PAYLOAD_OF_TYPE, Event, Moment, Payload
from exporter.domain.identity import event_identity
from exporter.domain.schedule import BadSchedule, cadence
from exporter.domain.status import FINAL, status_of_word
from exporter.domain.times import AHEAD, EARLIEST, LATEST, TOO_FAR
from exporter.ingest.refusal import FieldError, Refused, field_error, pointer

SOURCE = "cloudevents"
"""What executions told by CloudEvents are shown to come from."""

BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"
MOST_EVENTS = 10_000
"""Events in one batch."""

MOST_BYTES = 1_000_000
"""Bytes of one event's data."""

MOST_ERRORS = 20
"""Wrong fields named in one answer."""

Attribute = Annotated[str, Meta(min_length=1, max_length=1024)]


class Envelope(Struct, frozen=True):
    """The attributes of an event that matter here; others are allowed and ignored."""

    specversion: Attribute
    id: Attribute
    source: Attribute
    type: Attribute
    time: Moment | None = None
    datacontenttype: str | None = None
    data: Raw = Raw()
    data_base64: str | None = None


_one = msgspec.json.Decoder(Envelope)
_many = msgspec.json.Decoder(list[Raw])
_decoders = {type_: msgspec.json.Decoder(payload) for type_, payload in PAYLOAD_OF_TYPE.items()}
_NAMES = ("pipeline", "environment", "execution", "stage", "stream", "index")
_MOMENTS: dict[type[Payload], tuple[str, ...]] = {
    e.ExecutionProgressed: ("eta",),
    e.ExecutionFinished: ("queued_at", "started_at"),
    e.StageFinished: ("queued_at", "started_at"),
    e.StreamMeasured: ("watermark",),
}


def decode(content_type: str, headers: Mapping[str, str], body: bytes, *, received: datetime) -> list[Event]:
    """Events of a request body. Raises Refused naming each wrong field; then none of them may be taken.

    `headers` with lower-case names; those that begin with `ce-` make the binary mode. `received` is the time of
    events that tell none.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == BATCH or (media_type == "application/json" and body.lstrip()[:1] == b"["):
        return _batch(body, received)
    if media_type == STRUCTURED:
        return [_structured(body, "", received)]
    if media_type == "application/json":
        if "ce-specversion" in headers:
            return [_binary(headers, body, received)]
        return [_structured(body, "", received)]
    raise Refused(
        415, f"expected {STRUCTURED}, {BATCH} or application/json, got {media_type or 'no content type'}"
    )


def _batch(body: bytes, received: datetime) -> list[Event]:
    try:
        items = _many.decode(body)
    except msgspec.ValidationError as error:
        raise Refused(422, "expected a list of events", [field_error(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if len(items) > MOST_EVENTS:
        raise Refused(413, f"a batch takes at most {MOST_EVENTS} events, this one has {len(items)}")
    taken: list[Event] = []
    errors: list[FieldError] = []
    for number, item in enumerate(items):
        try:
            taken.append(_structured(item, f"/{number}", received))
        except Refused as refused:
            if refused.status != 422:
                raise
            errors += refused.errors
            if len(errors) >= MOST_ERRORS:
                break
    if errors:
        raise Refused(422, f"no event of the batch was taken: {_summary(errors)}", errors[:MOST_ERRORS])
    return taken


def _summary(errors: list[FieldError]) -> str:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{first.pointer or 'body'}: {first.message}{more}"


def _structured(body: bytes | Raw, place: str, received: datetime) -> Event:
    try:
        envelope = _one.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong(field_error(error, below=place)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    return _event(envelope, place, f"{place}/data", received)


def _binary(headers: Mapping[str, str], body: bytes, received: datetime) -> Event:
    attributes = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    try:
        envelope = msgspec.convert(attributes, Envelope, strict=False)
    except msgspec.ValidationError as error:
        found = field_error(error)
        raise _wrong(
            FieldError(found.pointer, f"header ce-{found.pointer.lstrip('/')}: {found.message}")
        ) from error
    return _event(msgspec.structs.replace(envelope, data=Raw(body)), "", "", received)


def _event(envelope: Envelope, place: str, data_place: str, received: datetime) -> Event:
    if envelope.specversion != "1.0":
        raise _wrong(FieldError(f"{place}/specversion", f"expected 1.0, got {envelope.specversion[:20]!r}"))
    decoder = _decoders.get(envelope.type)
    if decoder is None:
        raise _wrong(
            FieldError(f"{place}/type", f"unknown type {envelope.type[:100]!r}, expected one of {_TYPES}")
        )
    payload = _payload(decoder, _data(envelope, place), data_place)
    time = envelope.time or received
    if not EARLIEST <= time < LATEST:
        raise _wrong(
            FieldError(
                f"{place}/time",
                f"expected a time between {EARLIEST:%Y} and {LATEST:%Y}, got {time.isoformat()}",
            )
        )
    if time > received + AHEAD:
        raise _wrong(FieldError(f"{place}/time", f"{TOO_FAR}, got {time.isoformat()}"))
    problem = _problem(payload, data_place) or _figure_problem(payload, data_place, received)
    if problem is not None:
        raise _wrong(problem)
    return Event(event_identity(envelope.source, envelope.id), time, SOURCE, "", payload)


_TYPES = ", ".join(PAYLOAD_OF_TYPE)


def _data(envelope: Envelope, place: str) -> bytes | Raw:
    data: bytes | Raw = envelope.data
    size = memoryview(data).nbytes
    if not size:
        if envelope.data_base64 is None:
            raise _wrong(FieldError(f"{place}/data", "missing, expected an object"))
        try:
            data = base64.b64decode(envelope.data_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _wrong(FieldError(f"{place}/data_base64", f"not base64: {error}")) from error
        size = len(data)
    if size > MOST_BYTES:
        raise Refused(413, f"{place or 'the event'}: an event's data takes at most {MOST_BYTES} bytes")
    return data


def _payload(decoder: msgspec.json.Decoder[Payload], data: bytes | Raw, place: str) -> Payload:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _wrong(field_error(error, below=place)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"{place or 'the body'} is not JSON: {error}") from error
    except RecursionError as error:
        raise _wrong(FieldError(place, "nested too deeply")) from error


def _problem(payload: Payload, place: str) -> FieldError | None:
    """What is wrong with a payload that its types do not tell."""
    for check in _checks(type(payload)):
        problem = check(payload, place)
        if problem is not None:
            return problem
    return None


Check: TypeAlias = Callable[[Any, str], FieldError | None]


@cache
def _checks(type_: type[Payload]) -> tuple[Check, ...]:
    """What there is to look at in payloads of a type: each event pays for its own fields only."""
    names = tuple(name for name in _NAMES if name in type_.__struct_fields__)
    checks: list[Check] = [partial(_name_problem, names)]
    if issubclass(type_, e.StagePayload):
        checks.append(_parent_problem)
    if issubclass(type_, e.ExecutionFinished | e.StageFinished | e.StageSettled):
        checks.append(_status_problem)
    if type_ in _MOMENTS:
        checks.append(partial(_moment_problem, _MOMENTS[type_]))
    if issubclass(type_, e.PipelineDeclared):
        checks.append(_declaration_problem)
    return tuple(checks)


def _name_problem(names: tuple[str, ...], payload: Payload, place: str) -> FieldError | None:
    for name in names:
        value = getattr(payload, name)
        if isinstance(value, str) and not value.isprintable():
            return FieldError(f"{place}/{name}", "expected printable characters only")
    return None


def _parent_problem(payload: e.StagePayload, place: str) -> FieldError | None:
    for position, value in enumerate(payload.parent):
        if not value.isprintable():
            return FieldError(f"{place}/parent/{position}", "expected printable characters only")
    return None


def _status_problem(
    payload: e.ExecutionFinished | e.StageFinished | e.StageSettled, place: str
) -> FieldError | None:
    if status_of_word(payload.status) in FINAL:
        return None
    expected = ", ".join(sorted(status.value for status in FINAL))
    return FieldError(f"{place}/status", f"expected one of {expected}, got {payload.status[:100]!r}")


def _moment_problem(names: tuple[str, ...], payload: Payload, place: str) -> FieldError | None:
    for name in names:
        moment = getattr(payload, name)
        if moment is not None and not EARLIEST <= moment < LATEST:
            return FieldError(f"{place}/{name}", f"expected a time between {EARLIEST:%Y} and {LATEST:%Y}")
    return None


def _figure_problem(payload: Payload, place: str, received: datetime) -> FieldError | None:
    """A start that an end tells of has happened, too."""
    if isinstance(payload, e.ExecutionFinished | e.StageFinished):
        started = payload.started_at
        if started is not None and started > received + AHEAD:
            return FieldError(f"{place}/started_at", f"{TOO_FAR}, got {started.isoformat()}")
    return None


def _declaration_problem(payload: e.PipelineDeclared, place: str) -> FieldError | None:
    for position, stage in enumerate(payload.stages or ()):
        for text in (stage.name, *stage.depends_on):
            if not text.isprintable():
                return FieldError(place + pointer("stages", position), "expected printable characters only")
    for label, value in (payload.labels or {}).items():
        try:
            thresholds.parse(label, value)
        except thresholds.BadThreshold as error:
            return FieldError(place + pointer("labels", label), str(error))
    if payload.schedule is not None:
        try:
            cadence(payload.schedule)
        except BadSchedule as error:
            return FieldError(place + pointer("schedule", error.field), str(error))
    return None


def _wrong(error: FieldError) -> Refused:
    return Refused(422, _summary([error]), [error])
