"""Pipelines: all of them, and one by its name."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Response

from exporter.catalogue import Scope
from exporter.store import engine
from exporter.store.queries import pipelines
from exporter.store.queries.order import BadCursor, decode_cursor, encode_cursor
from exporter.store.queries.pipelines import IDLE
from exporter.web.answers import answer
from exporter.web.answers.pipeline import PipelineDetails, PipelineList, pipeline_detail, pipeline_summary
from exporter.web.parameters import Environment, Listed, Name
from exporter.web.problems import NOT_FOUND, UNDERSTOOD_BUT_WRONG, bad_parameter, unknown
from exporter.web.reading import Reading

_CURSOR = "pipelines"


def router(reading: Reading) -> APIRouter:
    """Routes of pipelines."""
    routes = APIRouter(prefix="/api/v1/pipelines", tags=["Pipelines"], responses=UNDERSTOOD_BUT_WRONG)

    @routes.get("", summary="Pipelines by environment and name", response_model=PipelineList)
    def list_pipelines(asked: Annotated[Listed, Query()]) -> Response:
        after = _place(asked.cursor)
        limit = asked.limit
        now = reading.now()
        with engine.reading(reading.engine) as connection:
            rows = pipelines.listed(connection, asked.environment or None, after, limit + 1)
            going_on = pipelines.activity(connection, [row.id for row in rows])
        shown = [pipeline_summary(row, going_on.get(row.id, IDLE), now=now) for row in rows[:limit]]
        following = None
        if len(rows) > limit:
            last = rows[limit - 1]
            following = encode_cursor(_CURSOR, 0, f"{last.environment}\x1f{last.name}")
        return answer(PipelineList(pipelines=shown, next_cursor=following))

    @routes.get(
        "/{name:text}",
        summary="One pipeline, in each environment that has it",
        response_model=PipelineDetails,
        responses=NOT_FOUND,
    )
    def read_pipeline(name: Name, environment: Environment = None) -> Response:
        with engine.reading(reading.engine) as connection:
            rows = list(pipelines.named(connection, [name], environment or None))
            ids = [row.id for row in rows]
            going_on = pipelines.activity(connection, ids)
            parts = pipelines.parts(connection, ids, Scope.STAGE, Scope.STREAM)
        if not rows:
            raise unknown("this pipeline")
        now = reading.now()
        found = [pipeline_detail(row, going_on.get(row.id), parts[row.id], now) for row in rows]
        return answer(PipelineDetails(name=name, environments=found))

    return routes


def _place(cursor: str | None) -> tuple[str, str] | None:
    if cursor is None:
        return None
    try:
        _, text = decode_cursor(cursor, _CURSOR)
    except BadCursor as error:
        raise bad_parameter("cursor", str(error)) from error
    if not re.fullmatch("[^\x1f]*\x1f[^\x1f]*", text):
        raise bad_parameter("cursor", "not a cursor of this server")
    environment, _, name = text.partition("\x1f")
    return environment, name
