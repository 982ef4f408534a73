"""Bodies of OTLP over HTTP: what is read, what is refused, and how that is said."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status as WireStatus

from exporter.domain.times import from_micros
from exporter.ingest.otlp import decode
from exporter.ingest.otlp.answer import status, taken
from exporter.ingest.otlp.wire import JSON, PROTOBUF
from exporter.ingest.refusal import FieldError, Refused
from tests.support.otlp import json_body, json_span


def refused(content_type: str, body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        decode(content_type, body)
    return caught.value


@pytest.mark.parametrize(
    ("field", "wrong", "names"),
    [
        ("traceId", "xyz", "/traceId"),
        ("traceId", None, "/traceId"),
        ("traceId", "0" * 32, "/traceId"),
        ("traceId", 7, "/traceId"),
        ("spanId", "ab", "/spanId"),
        ("spanId", None, "/spanId"),
        ("parentSpanId", "zz", "/parentSpanId"),
        ("startTimeUnixNano", "soon", "/startTimeUnixNano"),
        ("startTimeUnixNano", None, "/startTimeUnixNano"),
        ("startTimeUnixNano", -1, "/startTimeUnixNano"),
        ("endTimeUnixNano", None, "/endTimeUnixNano"),
        ("endTimeUnixNano", "9" * 19, "/endTimeUnixNano"),
        ("endTimeUnixNano", {}, "/endTimeUnixNano"),
        ("kind", "odd", "/kind"),
        ("name", 3, "/name"),
        ("status", {"code": "worse"}, "/status/code"),
        ("status", 2, "/status"),
        ("events", "none", "/events"),
        ("links", {}, "/links"),
    ],
)
def test_a_span_that_is_wrong_is_refused_with_its_field_and_the_others_are_taken(
    field: str, wrong: Any, names: str
) -> None:
    batch = decode(JSON, json_body(json_span(), json_span(**{field: wrong}), json_span(spanId="ab" * 8)))
    assert len(batch.spans) == 2
    ((error),) = batch.refused
    assert error.pointer == "/resourceSpans/0/scopeSpans/0/spans/1"
    assert error.message.startswith(names)


def test_a_span_that_ends_more_than_a_day_from_now_is_refused_and_the_others_are_taken() -> None:
    ended = json_span()["endTimeUnixNano"]
    received = from_micros(int(ended) // 1000) - timedelta(days=1)
    later = json_span(endTimeUnixNano=str(int(ended) + 10**9), spanId="ab" * 8)
    batch = decode(JSON, json_body(json_span(), later), received=received)
    assert len(batch.spans) == 1
    ((error),) = batch.refused
    assert error.message.startswith("/endTimeUnixNano: expected a time at most a day ahead")


def test_a_span_that_ends_before_it_began_ends_as_it_begins() -> None:
    began = json_span()["startTimeUnixNano"]
    (span,) = decode(JSON, json_body(json_span(endTimeUnixNano=str(int(began) - 10**9)))).spans
    assert span.end == span.start == int(began) // 1000


@pytest.mark.parametrize(
    "attributes",
    [
        None,
        {},
        "x",
        [1],
        [{"key": 1}],
        [{"key": "a"}],
        [{"key": "a", "value": 5}],
        [{"key": "a", "value": {"intValue": "many"}}],
        [{"key": "a", "value": {"arrayValue": 3}}],
        [{"key": "a", "value": {"kvlistValue": {"values": [3]}}}],
        [{"key": "a", "value": {"stringValue": None}}],
    ],
)
def test_attributes_of_a_wrong_shape_are_as_good_as_absent(attributes: Any) -> None:
    (span,) = decode(JSON, json_body(json_span(attributes=attributes))).spans
    assert all(value in (None, [], {}) for value in span.attributes.values())


def test_values_of_all_types_are_read() -> None:
    told = [
        {"key": "text", "value": {"stringValue": "a\x00b"}},
        {"key": "whole", "value": {"intValue": "42"}},
        {"key": "number", "value": {"doubleValue": 0.5}},
        {"key": "yes", "value": {"boolValue": True}},
        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": 1}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}}},
    ]
    (span,) = decode(JSON, json_body(json_span(attributes=told))).spans
    assert span.attributes == {
        "text": "a\ufffdb",
        "whole": 42,
        "number": 0.5,
        "yes": True,
        "list": ["a", 1],
        "map": {"k": False},
    }


def test_ids_in_upper_case_and_numbers_or_names_for_enums_are_read_alike() -> None:
    plain = decode(JSON, json_body(json_span(kind=3, status={"code": 2}))).spans
    other = json_span(
        traceId="5B8EFFF798038103D269B633813FC60C",
        kind="SPAN_KIND_CLIENT",
        status={"code": "STATUS_CODE_ERROR"},
    )
    assert decode(JSON, json_body(other)).spans == plain
    assert (plain[0].kind, plain[0].failed) == ("client", True)


@pytest.mark.parametrize(
    ("content_type", "body", "http_status"),
    [
        ("text/plain", b"{}", 415),
        ("", b"", 415),
        (JSON, b"", 400),
        (JSON, b"{", 400),
        (JSON, b"[]", 400),
        (JSON, b'{"resourceSpans": 5}', 400),
        (JSON, b'{"resourceSpans": [5]}', 400),
        (JSON, b'{"resourceSpans": [{"scopeSpans": {}}]}', 400),
        (JSON, b"\xff\xfe", 400),
        (PROTOBUF, b"{}", 400),
        (PROTOBUF, b"\x0a\xff\xff\xff\xff\x0f", 400),
    ],
)
def test_what_cannot_be_read_at_all_is_refused_as_a_whole(
    content_type: str, body: bytes, http_status: int
) -> None:
    assert refused(content_type, body).status == http_status


@pytest.mark.parametrize(("content_type", "body"), [(JSON, b"{}"), (PROTOBUF, b"")])
def test_an_empty_request_is_taken(content_type: str, body: bytes) -> None:
    batch = decode(content_type, body)
    assert (batch.spans, batch.refused) == ([], [])


def test_the_environment_is_the_resources_unless_the_address_says_another() -> None:
    body = json_body(json_span(), resource={"deployment.environment.name": "prod"})
    assert [span.environment for span in decode(JSON, body).spans] == ["prod"]
    assert [span.environment for span in decode(JSON, body, environment="test").spans] == ["test"]
    assert [span.environment for span in decode(JSON, json_body(json_span())).spans] == ["default"]


def test_protobuf_and_json_come_to_the_same_spans() -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    attribute = group.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", "etl"
    span = group.scope_spans.add().spans.add()
    told = json_span(
        attributes=[{"key": "n", "value": {"intValue": "7"}}], status={"code": 2, "message": "no"}
    )
    span.trace_id, span.span_id = bytes.fromhex(told["traceId"]), bytes.fromhex(told["spanId"])
    span.name, span.kind = "run", WireSpan.SPAN_KIND_INTERNAL
    span.start_time_unix_nano = int(told["startTimeUnixNano"])
    span.end_time_unix_nano = int(told["endTimeUnixNano"])
    span.status.code, span.status.message = WireStatus.STATUS_CODE_ERROR, "no"
    about = span.attributes.add()
    about.key, about.value.int_value = "n", 7
    assert decode(PROTOBUF, request.SerializeToString()).spans == decode(JSON, json_body(told)).spans


def test_the_answer_tells_which_spans_were_refused_in_the_encoding_of_the_request() -> None:
    errors = [FieldError("/a", f"/traceId: wrong {number}") for number in range(7)]
    assert taken(PROTOBUF, []) == b""
    assert taken(JSON, []) == b"{}"
    response = ExportTraceServiceResponse.FromString(taken(PROTOBUF, errors))
    assert response.partial_success.rejected_spans == 7
    assert "wrong 0" in response.partial_success.error_message
    assert response.partial_success.error_message.endswith("and 2 more")
    partial = json.loads(taken(JSON, errors))["partialSuccess"]
    assert partial == {
        "rejectedSpans": "7",
        "errorMessage": response.partial_success.error_message,
    }


def test_a_status_is_protobuf() -> None:
    from google.rpc.status_pb2 import Status  # noqa: PLC0415 - comes with the client of the tests only

    found = Status.FromString(status(503, "é" * 200))
    assert (found.code, found.message) == (14, "é" * 200)
