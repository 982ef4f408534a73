"""Bodies of `POST /v1/traces`: OTLP in protobuf or in JSON become spans; a span that cannot be read costs no other.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from msgspec import Raw, Struct, field
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from exporter.domain.spans import Attributes, Span, SpanEvent
from exporter.domain.text import clean_name, clean_text
from exporter.domain.times import AHEAD, EARLIEST, LATEST, TOO_FAR, to_micros
from exporter.ingest.refusal import FieldError, Refused, field_error, pointer

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

MOST_SPANS = 50_000
"""Spans in one request; SDKs send 512."""

TEXT_LENGTH = 65_536
"""Characters kept of one attribute."""

DEEPEST = 8
MOST_ATTRIBUTES = 512
MOST_EVENTS = 256
_EARLIEST, _LATEST = to_micros(EARLIEST), to_micros(LATEST)
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200
_ERROR = 2


class Batch(Struct):
    """Spans of one request, and why others were refused."""

    spans: list[Span] = field(default_factory=list)
    refused: list[FieldError] = field(default_factory=list)


class BadSpan(ValueError):
    """A span that cannot be taken; the message names its field."""


def media_type(content_type: str) -> str:
    """The encoding of a body. Raises Refused for one that is not OTLP's."""
    told = content_type.partition(";")[0].strip().lower()
    if told in (PROTOBUF, "application/protobuf"):
        return PROTOBUF
    if told == JSON:
        return JSON
    raise Refused(415, f"expected {PROTOBUF} or {JSON}, got {told[:100] or 'no content type'}")


def decode(
    content_type: str, body: bytes, *, environment: str | None = None, received: datetime = LATEST
) -> Batch:
    """Spans of a body. Raises Refused if nothing of it can be read. `environment` overrules what resources tell.

    `received`: spans that are more than a day ahead of it are refused.
    """
    latest = to_micros(received + AHEAD)
    read = _protobuf if media_type(content_type) == PROTOBUF else _json
    batch = Batch()
    for number, (place, make) in enumerate(read(body, environment)):
        if number >= MOST_SPANS:
            raise Refused(413, f"a request takes at most {MOST_SPANS} spans")
        try:
            batch.spans.append(_not_ahead(make(), latest))
        except BadSpan as error:
            batch.refused.append(FieldError(place, str(error)))
    return batch


def _not_ahead(span: Span, latest: int) -> Span:
    if span.end > latest:
        field_ = "startTimeUnixNano" if span.start > latest else "endTimeUnixNano"
        raise BadSpan(f"/{field_}: {TOO_FAR}")
    return span


class _Known:
    """What is known of a span's surroundings: resource and scope."""

    def __init__(self, resource: Attributes, scope: str, environment: str | None) -> None:
        self.resource = resource
        self.scope = scope
        told = resource.get("deployment.environment.name") or resource.get("deployment.environment")
        self.environment = environment or (
            clean_name(told) if isinstance(told, str) and told.strip() else "default"
        )


class _Lazy:
    """A span still to be made."""

    def __init__(self, known: _Known, source: Any, make: Any) -> None:
        self.known, self.source, self.make = known, source, make

    def __call__(self) -> Span:
        made: Span = self.make(self.known, self.source)
        return made


# Protobuf ------------------------------------------------------------------------------------------------------


def _protobuf(body: bytes, environment: str | None) -> Iterator[tuple[str, _Lazy]]:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not an ExportTraceServiceRequest: {error}") from error
    for i, group in enumerate(request.resource_spans):
        resource = _attributes(group.resource.attributes)
        for j, part in enumerate(group.scope_spans):
            known = _Known(resource, clean_name(part.scope.name) if part.scope.name else "", environment)
            for k, span in enumerate(part.spans):
                yield (
                    pointer("resourceSpans", i, "scopeSpans", j, "spans", k),
                    _Lazy(known, span, _of_protobuf),
                )


def _of_protobuf(known: _Known, span: WireSpan) -> Span:
    return _span(
        known,
        trace=span.trace_id.hex(),
        id_=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        flags=span.flags,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        status=span.status.code,
        message=span.status.message,
        attributes=_attributes(span.attributes),
        events=[
            (event.time_unix_nano, event.name, _attributes(event.attributes))
            for event in span.events[:MOST_EVENTS]
        ],
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links[:MOST_EVENTS]],
    )


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    found: Attributes = {}
    for pair in pairs:
        if len(found) >= MOST_ATTRIBUTES:
            break
        value = _value(pair.value, DEEPEST)
        if value is not None:
            found[clean_name(pair.key)] = value
    return found


def _value(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth == 0:
        return None
    if kind == "array_value":
        return [_value(item, depth - 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {clean_name(pair.key): _value(pair.value, depth - 1) for pair in value.kvlist_value.values}
    return _plain(getattr(value, kind))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value, TEXT_LENGTH)
    if isinstance(value, bytes):
        return value[:TEXT_LENGTH].hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# JSON ----------------------------------------------------------------------------------------------------------


class _JsonScope(Struct):
    name: Any = None


class _JsonResource(Struct):
    attributes: Any = None


class _JsonScopeSpans(Struct, rename="camel"):
    scope: _JsonScope | None = None
    spans: list[Raw] | None = None


class _JsonResourceSpans(Struct, rename="camel"):
    resource: _JsonResource | None = None
    scope_spans: list[_JsonScopeSpans] | None = None


class _JsonRequest(Struct, rename="camel"):
    resource_spans: list[_JsonResourceSpans] | None = None


class _JsonStatus(Struct):
    code: int | str | None = None
    message: str | None = None


class _JsonEvent(Struct, rename="camel"):
    time_unix_nano: int | str | None = None
    name: str | None = None
    attributes: Any = None


class _JsonLink(Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None


class _JsonSpan(Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: int | str | None = None
    flags: int | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    status: _JsonStatus | None = None
    attributes: Any = None
    events: list[_JsonEvent] | None = None
    links: list[_JsonLink] | None = None


_request = msgspec.json.Decoder(_JsonRequest)
_one = msgspec.json.Decoder(_JsonSpan)


def _json(body: bytes, environment: str | None) -> Iterator[tuple[str, _Lazy]]:
    try:
        request = _request.decode(body)
    except msgspec.ValidationError as error:
        wrong = field_error(error)
        raise Refused(400, f"{wrong.pointer or 'the body'}: {wrong.message}", [wrong]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    for i, group in enumerate(request.resource_spans or ()):
        resource = _json_attributes(None if group.resource is None else group.resource.attributes)
        for j, part in enumerate(group.scope_spans or ()):
            scope = None if part.scope is None else part.scope.name
            known = _Known(resource, clean_name(scope) if isinstance(scope, str) else "", environment)
            for k, raw in enumerate(part.spans or ()):
                yield pointer("resourceSpans", i, "scopeSpans", j, "spans", k), _Lazy(known, raw, _of_json)


def _of_json(known: _Known, raw: Raw) -> Span:
    try:
        span = _one.decode(raw)
    except msgspec.ValidationError as error:
        wrong = field_error(error)
        raise BadSpan(f"{wrong.pointer}: {wrong.message}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadSpan(str(error)) from error
    status = span.status or _JsonStatus()
    return _span(
        known,
        trace=(span.trace_id or "").lower(),
        id_=(span.span_id or "").lower(),
        parent=(span.parent_span_id or "").lower(),
        name=span.name or "",
        kind=_enum("kind", span.kind, "SPAN_KIND_", _KINDS),
        flags=span.flags or 0,
        start=_nanos("startTimeUnixNano", span.start_time_unix_nano),
        end=_nanos("endTimeUnixNano", span.end_time_unix_nano),
        status=_enum("status/code", status.code, "STATUS_CODE_", ("unset", "ok", "error")),
        message=status.message or "",
        attributes=_json_attributes(span.attributes),
        events=[
            (
                _nanos("events", event.time_unix_nano),
                event.name or "",
                _json_attributes(event.attributes),
            )
            for event in (span.events or [])[:MOST_EVENTS]
        ],
        links=[
            ((link.trace_id or "").lower(), (link.span_id or "").lower())
            for link in (span.links or [])[:MOST_EVENTS]
        ],
    )


def _nanos(name: str, value: int | str | None) -> int:
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit()) or len(value) > 20:
            raise BadSpan(f"/{name}: expected nanoseconds since 1970, got {value[:50]!r}")
        return int(value)
    return value or 0


def _enum(name: str, value: int | str | None, prefix: str, words: tuple[str, ...]) -> int:
    """A number; names are against the specification, yet some send them."""
    if isinstance(value, str):
        word = value.removeprefix(prefix).lower()
        if word not in words:
            raise BadSpan(f"/{name}: expected a number, got {value[:50]!r}")
        return words.index(word)
    return value or 0


def _json_attributes(pairs: Any) -> Attributes:
    found: Attributes = {}
    for pair in pairs if isinstance(pairs, list) else ():
        if len(found) >= MOST_ATTRIBUTES:
            break
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            value = _json_value(pair.get("value"), DEEPEST)
            if value is not None:
                found[clean_name(pair["key"])] = value
    return found


def _json_value(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth == 0:
        return None
    for kind, told in value.items():
        if kind == "intValue":
            return _integer(told)
        if kind == "arrayValue":
            return [_json_value(item, depth - 1) for item in _values(told)]
        if kind == "kvlistValue":
            return {
                clean_name(pair["key"]): _json_value(pair.get("value"), depth - 1)
                for pair in _values(told)
                if isinstance(pair, dict) and isinstance(pair.get("key"), str)
            }
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue") and isinstance(
            told, str | bool | int | float
        ):
            return _plain(told)
    return None


def _values(told: Any) -> list[Any]:
    values = told.get("values") if isinstance(told, dict) else None
    return values if isinstance(values, list) else []


def _integer(told: Any) -> int | None:
    if isinstance(told, bool) or not isinstance(told, str | int):
        return None
    try:
        return int(told) if abs(int(told)) < 2**63 else None
    except ValueError:
        return None


# Both ----------------------------------------------------------------------------------------------------------


def _span(  # noqa: PLR0913 - as many fields as a span has
    known: _Known,
    *,
    trace: str,
    id_: str,
    parent: str,
    name: str,
    kind: int,
    flags: int,
    start: int,
    end: int,
    status: int,
    message: str,
    attributes: Attributes,
    events: list[tuple[int, str, Attributes]],
    links: list[tuple[str, str]],
) -> Span:
    began, ended = start // 1000, end // 1000
    if not end:
        raise BadSpan("/endTimeUnixNano: is missing; only spans that ended can be taken")
    for field_, micros in (("startTimeUnixNano", began), ("endTimeUnixNano", ended)):
        if not _EARLIEST <= micros < _LATEST:
            raise BadSpan(f"/{field_}: expected a time between {EARLIEST:%Y} and {LATEST:%Y}")
    # A clock that is set back while a span lasts: it is over all the same.
    ended = max(began, ended)
    return Span(
        trace=_id("traceId", trace, 32),
        id=_id("spanId", id_, 16),
        parent=_id("parentSpanId", parent, 16) if parent.strip("0") else "",
        name=clean_name(name),
        kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else _KINDS[0],
        start=began,
        end=ended,
        environment=known.environment,
        scope=known.scope,
        remote=bool(flags & _IS_REMOTE) if flags & _HAS_REMOTE else None,
        failed=status == _ERROR,
        message=clean_text(message),
        attributes=attributes,
        resource=known.resource,
        events=[
            SpanEvent(min(max(time // 1000, began), ended) if time else began, clean_name(told), about)
            for time, told, about in events
        ],
        links=[(a, b) for a, b in links if _is_id(a, 32) and _is_id(b, 16)],
    )


def _id(name: str, told: str, length: int) -> str:
    if not _is_id(told, length):
        raise BadSpan(f"/{name}: expected {length} hex digits that are not all 0, got {told[:64]!r}")
    return told


def _is_id(told: str, length: int) -> bool:
    return len(told) == length and not told.strip("0123456789abcdef") and bool(told.strip("0"))
