"""The scrape: metrics in Prometheus text or OpenMetrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from exporter.exposition import Exposition


def router(exposition: Exposition) -> APIRouter:
    """The route that Prometheus reads."""
    routes = APIRouter(tags=["Metrics"])

    @routes.get(
        "/metrics",
        summary="Metrics as Prometheus text or OpenMetrics, by Accept",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
    )
    def scrape(
        request: Request,
        names: Annotated[list[str] | None, Query(alias="name[]", description="only these families")] = None,
    ) -> Response:
        answer = exposition.scrape(
            accept=request.headers.get("accept", ""),
            accept_encoding=request.headers.get("accept-encoding", ""),
            names=names or (),
        )
        return Response(answer.body, headers={**answer.headers, "content-type": answer.content_type})

    return routes
