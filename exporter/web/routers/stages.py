"""Stages over many executions: figures, history, trends."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from exporter.catalogue import Scope
from exporter.domain.times import EARLIEST, rfc3339, to_micros
from exporter.store import engine
from exporter.store.queries import pipelines, stage_history
from exporter.store.queries.order import BadCursor, decode_cursor, encode_cursor
from exporter.store.queries.pipelines import Pipeline
from exporter.web.answers import answer
from exporter.web.answers import stage_metrics as s
from exporter.web.parameters import Name, PagedWindow, Windowed
from exporter.web.problems import NOT_FOUND, UNDERSTOOD_BUT_WRONG, bad_parameter, unknown
from exporter.web.reading import Reading

MOST_STAGES = 500
"""Stages in one answer."""

MOST_ROWS = 50_000
"""Attempts read for one answer, shared among its stages."""

MOST_OF_A_STAGE = 2_000
LEAST_OF_A_STAGE = 100
MOST_OF_ONE_STAGE = 10_000
"""Attempts read where an answer is about one stage."""

_CURSOR = "history"
_POINTS = 60


def router(reading: Reading) -> APIRouter:
    """Routes of stages."""
    routes = APIRouter(prefix="/api/pipeline/stages", tags=["Stages"], responses=UNDERSTOOD_BUT_WRONG)
    _metrics(routes, reading)
    _past(routes, reading)
    return routes


def _metrics(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/metrics", summary="Figures of all stages in a window", response_model=s.StageMetrics)
    def read_all(asked: Annotated[Windowed, Query()]) -> Response:
        begin, end = _window(reading, asked)
        with engine.reading(reading.engine) as connection:
            known = _stages(connection, asked)
            share = min(MOST_OF_A_STAGE, max(LEAST_OF_A_STAGE, MOST_ROWS // max(1, len(known))))
            found = [_figures(connection, stage, (begin, end), share) for stage in known[:MOST_STAGES]]
        metrics = s.StageMetrics(
            start=rfc3339(begin) or "",
            end=rfc3339(end) or "",
            sample_limit=share,
            truncated=len(known) > MOST_STAGES,
            stages=[each for each in found if each is not None],
        )
        return answer(metrics)

    @routes.get(
        "/{name:text}/metrics",
        summary="Figures of one stage in a window",
        response_model=s.StageMetrics,
        responses=NOT_FOUND,
    )
    def read_one(name: Name, asked: Annotated[Windowed, Query()]) -> Response:
        begin, end = _window(reading, asked)
        with engine.reading(reading.engine) as connection:
            known = _with_stage(connection, name, asked)
            share = min(MOST_OF_ONE_STAGE, max(LEAST_OF_A_STAGE, MOST_ROWS // len(known)))
            found = [_figures(connection, (each, name), (begin, end), share) for each in known]
        metrics = s.StageMetrics(
            start=rfc3339(begin) or "",
            end=rfc3339(end) or "",
            sample_limit=share,
            truncated=False,
            stages=[each for each in found if each is not None],
        )
        return answer(metrics)


def _past(routes: APIRouter, reading: Reading) -> None:
    @routes.get(
        "/{name:text}/history",
        summary="Attempts of one stage, the latest first",
        response_model=s.StageHistory,
        responses=NOT_FOUND,
    )
    def read_history(name: Name, asked: Annotated[PagedWindow, Query()]) -> Response:
        before, limit = _place(asked.cursor), asked.limit
        with engine.reading(reading.engine) as connection:
            known = _with_stage(connection, name, asked)
            ids = [each.id for each in known]
            rows = stage_history.latest_of_all(
                connection, ids, name, limit + 1, since=asked.since, until=asked.until, before=before
            )
        labels = {each.id: (each.name, each.environment) for each in known}
        following = None
        if len(rows) > limit:
            at, instance, key = stage_history.place(rows[limit - 1])
            following = encode_cursor(_CURSOR, at, f"{instance.hex()} {key}")
        history = [s.past_stage(row, labels) for row in rows[:limit]]
        return answer(s.StageHistory(stage=name, history=history, next_cursor=following))

    @routes.get(
        "/{name:text}/trends",
        summary="How the figures of one stage moved",
        response_model=s.StageTrends,
        responses=NOT_FOUND,
    )
    def read_trends(name: Name, asked: Annotated[Windowed, Query()]) -> Response:
        begin, end = _window(reading, asked, 7 * s.DAY)
        with engine.reading(reading.engine) as connection:
            ids = [each.id for each in _with_stage(connection, name, asked)]
            most = MOST_OF_ONE_STAGE
            rows = stage_history.latest_of_all(connection, ids, name, most + 1, since=begin, until=end)
        shown = rows[:most]
        length, points = s.intervals(shown, begin, end, _POINTS)
        trends = s.StageTrends(
            stage=name,
            start=rfc3339(begin) or "",
            end=rfc3339(end) or "",
            sample_limit=most,
            sampled=len(rows) > most,
            interval_seconds=length,
            points=points,
            **s.trends_of(shown),
        )
        return answer(trends)


def _window(reading: Reading, asked: Windowed, usual: int = s.DAY) -> tuple[int, int]:
    """The window asked for; without a beginning the day (or so) before its end."""
    end = to_micros(reading.now()) if asked.until is None else asked.until
    begin = end - usual if asked.since is None else asked.since
    if end < to_micros(EARLIEST):
        raise bad_parameter("to", f"expected a time after {EARLIEST:%Y}")
    if begin >= end:
        raise bad_parameter("from", "expected a time before `to`")
    return begin, end


def _stages(connection: Connection, asked: Windowed) -> list[tuple[Pipeline, str]]:
    known = list(pipelines.named(connection, asked.names, asked.place))
    parts = pipelines.parts(connection, [each.id for each in known], Scope.STAGE)
    return [(each, name) for each in known for (name,) in parts[each.id][Scope.STAGE]]


def _with_stage(connection: Connection, name: str, asked: Windowed) -> list[Pipeline]:
    """Pipelines that have a stage of that name. Raises Problem."""
    found = pipelines.with_stage(connection, name, asked.names, asked.place)
    if not found and asked.names:
        # Stages beyond the budget of series are known by their attempts only.
        named = pipelines.named(connection, asked.names, asked.place)
        found = [each for each in named if stage_history.latest(connection, each.id, name, 1)]
    if not found:
        raise unknown("this stage")
    return found


def _figures(
    connection: Connection, stage: tuple[Pipeline, str], window: tuple[int, int], most: int
) -> s.StageFigures | None:
    (pipeline, name), (begin, end) = stage, window
    rows = stage_history.latest(connection, pipeline.id, name, most + 1, since=begin, until=end)
    if not rows:
        return None
    key = (pipeline.name, pipeline.environment, name)
    return s.figures(key, rows[:most], begin, end, sampled=len(rows) > most)


def _place(cursor: str | None) -> stage_history.Place | None:
    if cursor is None:
        return None
    try:
        at, text = decode_cursor(cursor, _CURSOR)
        instance, _, key = text.partition(" ")
        return at, bytes.fromhex(instance), key
    except (BadCursor, ValueError) as error:
        raise bad_parameter("cursor", "not a cursor of this server") from error
