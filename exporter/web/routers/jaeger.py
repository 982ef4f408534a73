"""Jaeger's query API over executions, for Grafana's built-in Jaeger datasource: see `docs/traces.md`.

Only translates: what is asked into a search, executions into traces. Its errors have Jaeger's shape.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from exporter.domain.times import to_micros
from exporter.store import engine
from exporter.store.queries import executions, trace_parts, traces
from exporter.store.records import Execution
from exporter.web import answers
from exporter.web.answers.execution import starter
from exporter.web.answers.trace import (
    Dependencies,
    Dependency,
    Failure,
    JaegerError,
    Names,
    Operation,
    Operations,
    Traces,
)
from exporter.web.answers.trace_spans import ROOT_OPERATION, short_trace, whole_trace
from exporter.web.problems import UNDERSTOOD_BUT_WRONG
from exporter.web.reading import Reading
from exporter.web.trace_query import LONGEST, BadQuery, asked, values, window
from exporter.web.trace_search import search

MOST_DEPENDENCIES = 1_000

_ID = re.compile("[0-9a-f]{32}")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BAD: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter cannot be understood.", "model": Failure},
    503: UNDERSTOOD_BUT_WRONG[503],
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such trace.", "model": Failure}
}

# Only said, not checked: nothing is known by a longer text, and the answer is the same as for any other unknown one.
_LENGTH: dict[str, Any] = {"maxLength": LONGEST}
Service = Annotated[
    str, Path(description="a pipeline; `{a,b}` for several, `.*` for all", json_schema_extra=_LENGTH)
]
TraceId = Annotated[
    str, Path(alias="id", description="32 hex digits, or a UUID of them", json_schema_extra=_LENGTH)
]


class TracesAsked(BaseModel):
    """Which traces. All values are text, read as Jaeger reads them."""

    service: Annotated[str, Field(description="pipeline; `{a,b}` for several, `.*` for all; needed")] = ""
    operation: Annotated[str, Field(description="stage, or `execution`")] = ""
    tag: Annotated[list[str], Field(description="`key:value`, may be repeated")] = []
    tags: Annotated[str, Field(description='JSON, such as `{"error":"true"}`')] = ""
    min_duration: Annotated[str, Field(alias="minDuration", description="such as `1.5s`")] = ""
    max_duration: Annotated[str, Field(alias="maxDuration", description="such as `100ms`")] = ""
    start: Annotated[str, Field(description="microseconds since 1970")] = ""
    end: Annotated[str, Field(description="microseconds since 1970; now without")] = ""
    lookback: Annotated[
        str, Field(description="time before `end`, where there is no `start`; `48h` without")
    ] = ""
    limit: Annotated[str, Field(description="100 without, 1000 at the most")] = ""


class DependenciesAsked(BaseModel):
    """Of which time."""

    end: Annotated[str, Field(alias="endTs", description="milliseconds since 1970; now without")] = ""
    lookback: Annotated[str, Field(description="milliseconds before it; a day without")] = ""


MOST_TRACES = 2
"""Traces made at the same time: one of thousands of spans takes some 50 MB. Others wait for their turn."""


def router(reading: Reading) -> APIRouter:
    """Routes of traces."""
    routes = APIRouter(prefix="/jaeger/api", tags=["Traces"], responses=_BAD)
    _names(routes, reading)
    _traces(routes, reading)
    _dependencies(routes, reading)
    return routes


def _names(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/services", summary="Pipelines", response_model=Names)
    def list_services() -> Response:
        with engine.reading(reading.engine) as connection:
            found = sorted({service.name for service in traces.services(connection)})
        return answers.answer(Names(data=found, total=len(found)))

    @routes.get("/services/{service:text}/operations", summary="Stages of a pipeline", response_model=Names)
    def list_operations(service: Service) -> Response:
        return _answered(lambda: _named(_operations(reading, service)))

    @routes.get("/operations", summary="Stages of a pipeline, with their kind", response_model=Operations)
    def list_kinds(
        service: Annotated[str, Query(description="a pipeline; needed")] = "",
        span_kind: Annotated[str, Query(alias="spanKind", description="`internal` is the only kind")] = "",
    ) -> Response:
        def made() -> Operations:
            if not service.strip():
                raise BadQuery("parameter 'service' is required")
            names = _operations(reading, service) if span_kind in ("", "internal") else []
            return Operations(
                data=[Operation(name=name, spanKind="internal") for name in names], total=len(names)
            )

        return _answered(made)


def _operations(reading: Reading, service: str) -> list[str]:
    if "\0" in service:
        raise BadQuery("unable to parse param 'service': it holds a NUL character")
    with engine.reading(reading.engine) as connection:
        known = traces.services(connection, values(service))
        stages = traces.stage_names(connection, [each.id for each in known])
    if not known:
        return []
    return [ROOT_OPERATION, *(name for name in stages if name != ROOT_OPERATION)]


def _named(found: list[str]) -> Names:
    return Names(data=found, total=len(found))


def _traces(routes: APIRouter, reading: Reading) -> None:
    turns = BoundedSemaphore(MOST_TRACES)

    @routes.get("/traces", summary="Executions, searched", response_model=Traces)
    def find_traces(query: Annotated[TracesAsked, Query()]) -> Response:
        def made() -> Traces:
            now = to_micros(reading.now())
            given = query.model_dump(by_alias=True, exclude={"tag"})
            wanted = asked(given, query.tag, now)
            with engine.reading(reading.engine) as connection:
                found = search(connection, wanted, now)
            data = [short_trace(row, _declared(service), now) for row, service in found]
            return Traces(data=data, total=len(data), limit=wanted.limit)

        return _answered(made)

    @routes.get("/traces/", include_in_schema=False)
    def refuse_blank() -> Response:
        return _failure(404, "trace not found")

    @routes.get("/traces/{id}", summary="One execution", response_model=Traces, responses=_UNKNOWN)
    def read_trace(id_: TraceId) -> Response:
        id_ = id_.strip().lower()
        if _UUID.fullmatch(id_):
            id_ = id_.replace("-", "")
        now = to_micros(reading.now())
        with turns:
            with engine.reading(reading.engine) as connection:
                rows = executions.by_id(connection, [id_]) if _ID.fullmatch(id_) else []
                if not rows:
                    return _failure(404, "trace not found")
                parts = trace_parts.parts(connection, id_)
                places = (rows[0].environment,)
                declared = traces.services(connection, (rows[0].pipeline,), places)
                parent = _parent(connection, rows[0])
            facts = _declared(declared[0]) if declared else {}
            trace = whole_trace(rows[0], facts, parts, now, parent=parent)
            return answers.answer(Traces(data=[trace], total=1))


def _parent(connection: Connection, execution: Execution) -> str | None:
    """Id of the execution that started this one, if it is known."""
    told = starter(execution)
    if told is None or told.id is None or not executions.by_id(connection, [told.id]):
        return None
    return told.id


def _declared(service: traces.Service) -> dict[str, Any]:
    return {"labels": service.labels, "owner": service.facts.get("owner")}


def _dependencies(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/dependencies", summary="Which pipelines start which", response_model=Dependencies)
    def list_dependencies(query: Annotated[DependenciesAsked, Query()]) -> Response:
        def made() -> Dependencies:
            since, until = window(query.model_dump(by_alias=True), to_micros(reading.now()))
            with engine.reading(reading.engine) as connection:
                counts = Counter(traces.starts_between(connection, since, until))
            data = [
                Dependency(parent=parent, child=child, callCount=count)
                for (parent, child), count in sorted(counts.most_common(MOST_DEPENDENCIES))
            ]
            return Dependencies(data=data, total=len(data), limit=MOST_DEPENDENCIES)

        return _answered(made)


def _answered(made: Callable[[], Any]) -> Response:
    """The answer, or what Jaeger answers to a parameter that it cannot read."""
    try:
        return answers.answer(made())
    except BadQuery as error:
        return _failure(400, str(error))


def _failure(status: int, message: str) -> Response:
    response = answers.answer(Failure(total=0, errors=[JaegerError(code=status, msg=message)]))
    response.status_code = status
    return response
