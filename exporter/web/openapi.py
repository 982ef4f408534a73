"""What the OpenAPI document says of bodies that are decoded by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from exporter.domain.events import PAYLOADS

_PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_RECEIPT: dict[str, Any] = {
    "type": "object",
    "required": ["accepted", "duplicates"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "duplicates": {"type": "integer", "minimum": 0},
    },
}
RECEIPT = {"description": "Durable.", "content": {"application/json": {"schema": _RECEIPT}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, **_PROBLEM}
    for status, description in (
        (400, "Unreadable."),
        (401, "The server's token is missing."),
        (413, "Too large."),
        (415, "Wrong content type or encoding."),
        (422, "Understood but wrong; nothing was taken."),
        (503, "Cannot be made durable now; come back after Retry-After seconds."),
    )
}
_PREFIX = "#/components/schemas/"


def event_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Schema of one CloudEvent, and the components that it refers to."""
    schemas, components = msgspec.json.schema_components(PAYLOADS, ref_template=_PREFIX + "{name}")
    variants = [
        {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string", "minLength": 1, "maxLength": 1024},
                "type": {"const": payload.type},
                "time": {"type": "string", "format": "date-time"},
                "data": schema,
            },
        }
        for payload, schema in zip(PAYLOADS, schemas, strict=True)
    ]
    return {"oneOf": variants}, components


_EVENT = {"$ref": _PREFIX + "CloudEvent"}
EVENTS_BODY: dict[str, Any] = {
    "responses": {202: RECEIPT, **_REFUSALS},
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": _EVENT},
                "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _EVENT}},
            },
        }
    },
}
_STATUS = {"application/x-protobuf": {"schema": {"type": "string", "format": "binary"}}}
TRACES_BODY: dict[str, Any] = {
    "responses": {
        200: {
            "description": "Durable; partialSuccess says which spans were refused, and why.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "partialSuccess": {
                                "type": "object",
                                "properties": {
                                    "rejectedSpans": {"type": "string"},
                                    "errorMessage": {"type": "string"},
                                },
                            }
                        },
                    }
                },
                **_STATUS,
            },
        },
        **{
            number: {**refusal, "content": {**refusal["content"], **_STATUS}}
            for number, refusal in _REFUSALS.items()
            if number != 422
        },
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
                "application/json": {
                    "schema": {"type": "object", "description": "An ExportTraceServiceRequest."}
                },
            },
        }
    },
}
LINEAGE_BODY: dict[str, Any] = {
    "responses": {200: RECEIPT, **_REFUSALS},
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object", "description": "An OpenLineage event."}}
            },
        }
    },
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the schemas that the routes above refer to."""
    event, components = event_schemas()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components)
    schemas["CloudEvent"] = event
    schemas.setdefault("Problem", PROBLEM)
    return document


PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {"pointer": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
