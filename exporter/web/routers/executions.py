"""Executions: lists, one with all its parts, two side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from exporter.domain.status import ACTIVE, Status
from exporter.domain.times import rfc3339
from exporter.store import engine
from exporter.store.queries import executions, happenings
from exporter.store.queries.attempts import Place
from exporter.store.queries.order import BadCursor, Order
from exporter.store.queries.wanted import Wanted
from exporter.store.records import Execution
from exporter.web.answers import answer, seconds
from exporter.web.answers import content as c
from exporter.web.answers.compare import Comparison, compare
from exporter.web.answers.error import timed_error
from exporter.web.answers.execution import (
    ActiveExecutions,
    ExecutionList,
    ExecutionProgress,
    progress,
    summaries,
)
from exporter.web.answers.stage import Stages, Timeline, bars, stages
from exporter.web.answers.whole import MOST_STAGES, WholeExecution, export, stage_page, whole
from exporter.web.parameters import ExecutionFilters, ExecutionId, Limit, Paged, Text, order_of, position
from exporter.web.problems import NOT_FOUND, UNDERSTOOD_BUT_WRONG, bad_parameter, unknown
from exporter.web.reading import Reading

_ID = re.compile("[0-9a-f]{32}")
_LATEST_FIRST = Order()
MOST_BARS = 10_000
"""Stages in one timeline, instances of mapped ones counted each."""

ACTIVE_STATUSES = tuple(status for status in Status if status in ACTIVE)

Read = TypeVar("Read")
Stage = Annotated[Text | None, Query(description="only of this stage")]


def router(reading: Reading) -> APIRouter:
    """Routes of executions."""
    routes = APIRouter(prefix="/api/pipeline/executions", tags=["Executions"], responses=UNDERSTOOD_BUT_WRONG)
    _lists(routes, reading)
    _one(routes, reading)
    _parts(routes, reading)
    _logs(routes, reading)
    return routes


def found(connection: Connection, id_: str) -> Execution:
    """The execution with that id. Raises Problem."""
    rows = executions.by_id(connection, [id_]) if _ID.fullmatch(id_) else []
    if not rows:
        raise unknown("this execution")
    return rows[0]


def _lists(routes: APIRouter, reading: Reading) -> None:
    @routes.get("", summary="Executions, filtered and sorted", response_model=ExecutionList)
    def list_executions(asked: Annotated[ExecutionFilters, Query()]) -> Response:
        order = order_of(asked.sort)
        after = position(asked.cursor, order)
        with engine.reading(reading.engine) as connection:
            rows, following = executions.find(connection, asked.wanted, order, after, asked.limit)
            page = ExecutionList(
                executions=summaries(connection, reading, rows),
                next_cursor=None if following is None else following.cursor(order),
            )
        return answer(page)

    @routes.get("/active", summary="Executions that have not ended", response_model=ActiveExecutions)
    def list_active(asked: Annotated[Paged, Query()]) -> Response:
        wanted = Wanted(pipelines=asked.names, environment=asked.place, statuses=ACTIVE_STATUSES)
        after = position(asked.cursor, _LATEST_FIRST)
        with engine.reading(reading.engine) as connection:
            rows, following = executions.find(connection, wanted, _LATEST_FIRST, after, asked.limit)
            counts = executions.count_active(connection, wanted)
            page = ActiveExecutions(
                executions=summaries(connection, reading, rows),
                next_cursor=None if following is None else following.cursor(_LATEST_FIRST),
                count=sum(counts.values()),
                by_status=counts,
            )
        return answer(page)

    @routes.get(
        "/compare", summary="Two executions side by side", response_model=Comparison, responses=NOT_FOUND
    )
    def compare_two(a: Annotated[Text, Query()], b: Annotated[Text, Query()]) -> Response:
        with engine.reading(reading.engine) as connection:
            return answer(compare(connection, reading, found(connection, a), found(connection, b)))


def _one(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/{id}", summary="One execution whole", response_model=WholeExecution, responses=NOT_FOUND)
    def read_whole(id_: ExecutionId) -> Response:
        with engine.reading(reading.engine) as connection:
            return answer(whole(connection, reading, found(connection, id_)))

    @routes.get(
        "/{id}/progress", summary="How far it is", response_model=ExecutionProgress, responses=NOT_FOUND
    )
    def read_progress(id_: ExecutionId) -> Response:
        with engine.reading(reading.engine) as connection:
            return answer(progress(connection, reading, found(connection, id_)))

    @routes.get("/{id}/stages", summary="Its stages, nested", response_model=Stages, responses=NOT_FOUND)
    def read_stages(
        id_: ExecutionId,
        limit: Annotated[
            int, Query(ge=1, le=MOST_STAGES, description="mapped instances count each")
        ] = MOST_STAGES,
        cursor: Annotated[Text | None, Query()] = None,
    ) -> Response:
        after = _read_cursor(cursor, Place.of_cursor)
        with engine.reading(reading.engine) as connection:
            execution = found(connection, id_)
            instances, declared, following = stage_page(connection, execution, after, limit)
        page = Stages(
            execution=execution.id,
            stages=stages(instances, declared),
            next_cursor=None if following is None else following.cursor,
        )
        return answer(page)

    @routes.get("/{id}/timeline", summary="When its stages ran", response_model=Timeline, responses=NOT_FOUND)
    def read_timeline(id_: ExecutionId) -> Response:
        with engine.reading(reading.engine) as connection:
            execution = found(connection, id_)
            instances, _, following = stage_page(connection, execution, None, MOST_BARS)
        timeline = Timeline(
            execution=execution.id,
            status=Status(execution.status),
            started_at=rfc3339(execution.started_at),
            ended_at=rfc3339(execution.ended_at),
            duration_seconds=seconds(execution.duration),
            bars=bars(instances, execution.started_at),
            truncated=following is not None,
        )
        return answer(timeline)

    @routes.get(
        "/{id}/export",
        summary="All that is known of it, with its log and events",
        responses=NOT_FOUND,
        response_model=dict[str, Any],
    )
    def read_export(id_: ExecutionId) -> Response:
        with engine.reading(reading.engine) as connection:
            execution = found(connection, id_)

        def pieces() -> Iterator[bytes]:
            with engine.reading(reading.engine) as connection:
                yield from export(connection, reading, found(connection, execution.id))

        headers = {"Content-Disposition": f'attachment; filename="execution-{execution.id}.json"'}
        return StreamingResponse(pieces(), media_type="application/json", headers=headers)


def _read_cursor(cursor: str | None, read: Callable[[str], Read]) -> Read | None:
    if cursor is None:
        return None
    try:
        return read(cursor)
    except BadCursor as error:
        raise bad_parameter("cursor", str(error)) from error


def _parts(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/{id}/errors", summary="What went wrong in it", response_model=c.Errors, responses=NOT_FOUND)
    def read_errors(id_: ExecutionId, stage: Stage = None) -> Response:
        with engine.reading(reading.engine) as connection:
            execution = found(connection, id_)
            stored = happenings.errors(connection, execution.id)
        rows = [timed_error(each) for each in stored if stage is None or each.stage == stage]
        return answer(
            c.Errors(execution=id_, errors=rows, by_stage=c.by_stage(rows), truncated=c.is_cut(stored))
        )

    @routes.get(
        "/{id}/warnings", summary="What is worth a look", response_model=c.Warnings, responses=NOT_FOUND
    )
    def read_warnings(id_: ExecutionId, stage: Stage = None) -> Response:
        rows, cut = _collect(reading, id_, c.WARNING, stage, c.warned)
        return answer(c.Warnings(execution=id_, warnings=rows, by_stage=c.by_stage(rows), truncated=cut))

    @routes.get("/{id}/artifacts", summary="What it made", response_model=c.Artifacts, responses=NOT_FOUND)
    def read_artifacts(id_: ExecutionId, stage: Stage = None) -> Response:
        rows, cut = _collect(reading, id_, c.ARTIFACT, stage, c.artifact)
        return answer(c.Artifacts(execution=id_, artifacts=rows, by_stage=c.by_stage(rows), truncated=cut))

    @routes.get(
        "/{id}/resources", summary="What it used over time", response_model=c.Resources, responses=NOT_FOUND
    )
    def read_resources(id_: ExecutionId, stage: Stage = None) -> Response:
        rows, cut = _collect(reading, id_, c.SAMPLE, stage, c.sample)
        return answer(c.Resources(execution=id_, resources=rows, most=c.most(rows), truncated=cut))


def _logs(routes: APIRouter, reading: Reading) -> None:
    @routes.get(
        "/{id}/logs", summary="Its log, the latest lines first", response_model=c.Logs, responses=NOT_FOUND
    )
    def read_logs(
        id_: ExecutionId,
        stage: Stage = None,
        limit: Annotated[Limit, Query()] = 100,
        cursor: Annotated[Text | None, Query()] = None,
    ) -> Response:
        before = _read_cursor(cursor, happenings.Place.of_cursor)
        with engine.reading(reading.engine) as connection:
            execution = found(connection, id_)
            lines, following = happenings.latest(
                connection, execution.id, c.LOG, limit, before=before, stage=stage
            )
        page = c.Logs(
            execution=execution.id,
            logs=[c.logged(each) for each in lines],
            next_cursor=None if following is None else following.cursor,
        )
        return answer(page)


def _collect(reading: Reading, id_: str, type_: str, stage: str | None, make: Any) -> tuple[list[Any], bool]:
    with engine.reading(reading.engine) as connection:
        execution = found(connection, id_)
        events = list(happenings.events(connection, execution.id, (type_,)))
    return c.collect(iter(events), make, stage), c.is_cut(events)
