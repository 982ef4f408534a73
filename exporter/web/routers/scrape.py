"""The scrape: metrics in Prometheus text or OpenMetrics."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Annotated

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from exporter.exposition import Exposition

AT_ONCE = 8
"""Scrapes at work or waiting for another's. More wait without a thread, so that the API has the others."""


def router(exposition: Exposition) -> APIRouter:
    """The route that Prometheus reads."""
    routes = APIRouter(tags=["Metrics"])
    limiter = CapacityLimiter(AT_ONCE)

    @routes.get(
        "/metrics",
        summary="Metrics as Prometheus text or OpenMetrics, by Accept",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
    )
    async def scrape(
        request: Request,
        names: Annotated[list[str] | None, Query(alias="name[]", description="only these families")] = None,
    ) -> Response:
        work = partial(
            exposition.scrape,
            accept=request.headers.get("accept", ""),
            accept_encoding=request.headers.get("accept-encoding", ""),
            names=names or (),
            asked=perf_counter(),
        )
        answer = await run_sync(work, limiter=limiter)
        return Response(answer.body, headers={**answer.headers, "content-type": answer.content_type})

    return routes
