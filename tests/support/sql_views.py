"""What the views for panels show, in the shape that the JSON API has for the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Engine, text

Row = dict[str, Any]
Place = tuple[tuple[str, ...], str | None]
"""Path and index of a stage."""

ACTIVE = ("queued", "running", "paused")

EXECUTION = [
    "id",
    "external_id",
    "pipeline",
    "environment",
    "kind",
    "source",
    "trigger",
    "status",
    "source_status",
    "started_at",
    "ended_at",
    "duration_seconds",
    "queue_duration_seconds",
    "stages_done",
    "stages_total",
    "current_stages",
    "error",
    "labels",
    "parameters",
]
"""Columns that have the name and the value of the JSON's field."""

STAGE = [
    "name",
    "index",
    "status",
    "source_status",
    "depends_on",
    "started_at",
    "ended_at",
    "duration_seconds",
    "items_in",
    "items_out",
    "cpu_seconds",
    "memory_peak_bytes",
]
ATTEMPT = ["status", "source_status", "started_at", "ended_at", "duration_seconds"]
HAPPENED = {
    "errors": [
        "time",
        "stage",
        "index",
        "attempt",
        "type",
        "category",
        "severity",
        "component",
        "message",
        "stacktrace",
        "context",
    ],
    "warnings": ["time", "stage", "code", "message"],
    "artifacts": ["time", "stage", "name", "uri", "bytes", "media_type"],
    "resources": [
        "time",
        "stage",
        "index",
        "attempt",
        "cpu_seconds",
        "memory_bytes",
        "memory_peak_bytes",
        "io_read_bytes",
        "io_written_bytes",
        "accelerator_memory_bytes",
    ],
}
LOG = ["time", "stage", "level", "message", "fields"]
CALL = [
    "stage",
    "provider",
    "request_model",
    "response_model",
    "operation",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "duration_seconds",
    "time_to_first_token_seconds",
    "cost_usd",
]
PIPELINE = [
    "environment",
    "kind",
    "owner",
    "description",
    "source",
    "labels",
    "status",
    "last_started_at",
    "last_ended_at",
    "last_status",
    "last_duration_seconds",
    "last_success_at",
    "first_event_at",
    "last_event_at",
]


def rows(engine: Engine, view: str, order: str) -> list[Row]:
    """Rows of a view, times as the API writes them."""
    query = text(f"SELECT * FROM pipelines.{view} ORDER BY {order}")  # noqa: S608 - names of this file
    with engine.connect() as connection:
        found = connection.execute(query).mappings()
        return [{name: _plain(value) for name, value in row.items()} for row in found]


def by_execution(found: list[Row]) -> dict[str | None, list[Row]]:
    """Rows by their execution."""
    grouped = defaultdict(list)
    for row in found:
        grouped[row["execution_id"]].append(row)
    return grouped


def only(source: Mapping[str, Any], names: list[str]) -> Row:
    """These fields, in their order."""
    return {name: source[name] for name in names}


def _plain(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def progress_of(whole: Row) -> float | None:
    """Progress as the views tell it: what is derived from usual durations they cannot."""
    if whole["status"] in ACTIVE and whole["progress_source"] != "reported":
        if not whole["stages_total"]:
            return None
        return min(float(whole["stages_done"] / whole["stages_total"]), 0.99)
    found: float | None = whole["progress"]
    return found


def span_of(whole: Row) -> tuple[str, str]:
    """Time range of the link to the execution's dashboard."""
    asked = parse_qs(urlsplit(whole["links"]["grafana"]).query)
    return asked["from"][0], asked["to"][0]


def flat(stages: list[Row]) -> Iterator[tuple[Place, Row]]:
    """Stages of an answer with those inside them."""
    for stage in stages:
        yield (tuple(stage["path"]), stage["index"]), stage
        yield from flat(stage["stages"])
