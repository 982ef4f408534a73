"""All pipelines together: how things stand, key figures, the graph of stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response

from exporter import __version__
from exporter.catalogue import Scope
from exporter.catalogue import metrics as m
from exporter.catalogue.metric import OTHER
from exporter.domain.status import FAILING, Status
from exporter.domain.times import rfc3339
from exporter.store import engine
from exporter.store.queries import executions, pipelines
from exporter.store.queries.order import Order
from exporter.store.queries.pipelines import IDLE
from exporter.store.queries.wanted import Wanted
from exporter.web.answers import answer
from exporter.web.answers import overview as o
from exporter.web.answers.execution import ExecutionSummary, summaries
from exporter.web.answers.pipeline import PipelineSummary, counts_of, pipeline_summary, success_rate
from exporter.web.answers.whole import rfc3339_of
from exporter.web.parameters import Scoped
from exporter.web.problems import NOT_FOUND, UNDERSTOOD_BUT_WRONG, unknown
from exporter.web.reading import Reading
from exporter.web.routers.executions import ACTIVE_STATUSES

MOST_ACTIVE = 50
"""Active executions in the state of things."""


def router(reading: Reading) -> APIRouter:
    """Routes over everything."""
    routes = APIRouter(prefix="/api/pipeline", tags=["Overview"], responses=UNDERSTOOD_BUT_WRONG)
    _state(routes, reading)
    _figures(routes, reading)
    return routes


def _state(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/state", summary="How things stand now", response_model=o.Standing)
    def read_state() -> Response:
        now = reading.now()
        with engine.reading(reading.engine) as connection:
            known = list(pipelines.named(connection))
            going_on = pipelines.activity(connection, [each.id for each in known])
            wanted = Wanted(statuses=ACTIVE_STATUSES)
            rows, _ = executions.find(connection, wanted, Order(), None, MOST_ACTIVE)
            active = summaries(connection, reading, rows)
        shown = [pipeline_summary(each, going_on.get(each.id, IDLE), now=now) for each in known]
        return answer(_standing(reading, shown, [each.state.last_at for each in known], active))

    @routes.get(
        "/dependency-graph",
        summary="Stages and what they wait for",
        response_model=o.Graph,
        responses=NOT_FOUND,
    )
    def read_graph(asked: Annotated[Scoped, Query()]) -> Response:
        with engine.reading(reading.engine) as connection:
            known = list(pipelines.named(connection, asked.names, asked.place))
            if asked.names and not known:
                raise unknown("this pipeline")
            ids = [each.id for each in known]
            parts = pipelines.parts(connection, ids, Scope.STAGE)
            active = pipelines.active_stages(connection, ids)
        graphs = [o.graph(each, parts[each.id][Scope.STAGE], active) for each in known]
        nodes = [node for graph in graphs for node in graph.nodes]
        return answer(o.Graph(nodes=nodes, edges=[edge for graph in graphs for edge in graph.edges]))


def _figures(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/metrics/summary", summary="Key figures since ever", response_model=o.Summary)
    def read_summary(asked: Annotated[Scoped, Query()]) -> Response:
        with engine.reading(reading.engine) as connection:
            known = list(pipelines.named(connection, asked.names, asked.place))
            if not asked.names and not asked.place:
                known += pipelines.rest(connection)
            ids = [each.id for each in known]
            parts = pipelines.parts(connection, ids, Scope.STAGE, Scope.ERROR)
            going_on = pipelines.activity(connection, ids)
        return answer(_summary(reading, known, parts, going_on))

    @routes.get(
        "/metrics/stages", summary="What stages have done since ever", response_model=o.AllStageTotals
    )
    def read_stages(asked: Annotated[Scoped, Query()]) -> Response:
        with engine.reading(reading.engine) as connection:
            known = list(pipelines.named(connection, asked.names, asked.place))
            ids = [each.id for each in known]
            parts = pipelines.parts(connection, ids, Scope.STAGE)
            active = pipelines.active_stages(connection, ids)
        totals = [
            o.stage_totals(each, name, state, active.get((each.id, name), 0))
            for each in known
            for (name,), state in parts[each.id][Scope.STAGE].items()
        ]
        return answer(o.AllStageTotals(time=rfc3339_of(reading), stages=totals))


def _standing(
    reading: Reading,
    known: list[PipelineSummary],
    last_events: list[int | None],
    active: list[ExecutionSummary],
) -> o.Standing:
    by_status = o.added([{each.status or "unknown": 1} for each in known])
    running = o.added([each.active for each in known])
    failing = [
        o.FailingPipeline(
            name=each.name,
            environment=each.environment,
            last_status=each.last_status,
            last_ended_at=each.last_ended_at,
            consecutive_failures=each.consecutive_failures,
            last_success_at=each.last_success_at,
        )
        for each in known
        if each.last_status in FAILING
    ]
    return o.Standing(
        time=rfc3339_of(reading),
        status="failing" if failing else "running" if running else "idle",
        version=__version__,
        pipelines=len(known),
        pipelines_by_status=by_status,
        active=running,
        active_executions=active,
        failing=failing,
        last_event_at=rfc3339(max((at for at in last_events if at is not None), default=None)),
    )


def _summary(
    reading: Reading,
    known: list[pipelines.Pipeline],
    parts: Mapping[int, Mapping[Scope, o.Parts]],
    going_on: dict[int, pipelines.Activity],
) -> o.Summary:
    counts = o.added([o.ZERO, *(counts_of(each) or {} for each in known)])
    histograms = [each.state.totals.histograms for each in known]
    durations = o.merged([each.get(m.EXECUTION_DURATION.name, {}).get("") for each in histograms])
    queued = o.merged([each.get(m.EXECUTION_QUEUE_DURATION.name, {}).get("") for each in histograms])
    stages = [state.totals for id_ in parts for state in parts[id_][Scope.STAGE].values()]
    items = o.added([o.by_part(totals, m.STAGE_ITEMS) for totals in stages])
    errors = o.added(
        [
            {labels[1]: int(o.total(state.totals, m.ERRORS))}
            for id_ in parts
            for labels, state in parts[id_][Scope.ERROR].items()
        ]
    )
    return o.Summary(
        time=rfc3339_of(reading),
        pipelines=sum(each.name != OTHER for each in known),
        active=o.added([each.by_status for each in going_on.values()]),
        executions=counts,
        executions_total=sum(counts.values()),
        success_rate=success_rate(counts),
        mean_duration_seconds=o.mean(durations),
        mean_queue_seconds=o.mean(queued),
        errors=errors,
        errors_total=sum(errors.values()),
        stage_attempts=o.added([o.by_part(totals, m.STAGE_EXECUTIONS) for totals in stages]),
        stage_retries=int(sum(o.total(totals, m.STAGE_RETRIES) for totals in stages)),
        items_in=items.get("in", 0),
        items_out=items.get("out", 0),
        failing_pipelines=sum(_is_failing(each) for each in known),
    )


def _is_failing(pipeline: pipelines.Pipeline) -> bool:
    recent = pipeline.state.recent
    return bool(recent) and Status(recent[-1].status) in FAILING
