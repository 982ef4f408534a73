"""OTLP's own answers, in the encoding of the request."""

from __future__ import annotations

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from exporter.ingest.otlp.wire import PROTOBUF
from exporter.ingest.refusal import FieldError

MOST_REASONS = 5
"""Refused spans that one answer gives reasons for."""

_CODES = {400: 3, 401: 16, 413: 3, 415: 3, 503: 14}
"""gRPC's codes for HTTP's: invalid argument, unauthenticated, unavailable."""


def taken(media_type: str, refused: list[FieldError]) -> bytes:
    """The answer to a request that was taken, telling which spans of it were not."""
    reasons = [f"{one.pointer}{one.message}" for one in refused[:MOST_REASONS]]
    more = len(refused) - len(reasons)
    message = "; ".join(reasons) + (f"; and {more} more" if more > 0 else "")
    if media_type == PROTOBUF:
        response = ExportTraceServiceResponse()
        if refused:
            response.partial_success.rejected_spans = len(refused)
            response.partial_success.error_message = message
        return response.SerializeToString()
    partial = {"rejectedSpans": str(len(refused)), "errorMessage": message}
    return msgspec.json.encode({"partialSuccess": partial} if refused else {})


def status(http_status: int, message: str) -> bytes:
    """google.rpc.Status in protobuf, which has but a code (field 1) and a message (field 2) to tell."""
    text = message.encode()
    return b"\x08" + _varint(_CODES.get(http_status, 2)) + b"\x12" + _varint(len(text)) + text


def code(http_status: int) -> int:
    """gRPC's code for an HTTP status."""
    return _CODES.get(http_status, 2)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
