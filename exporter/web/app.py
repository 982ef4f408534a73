"""The application: every route, over one store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi_offline import FastAPIOffline

from exporter import __version__
from exporter.exposition import Exposition
from exporter.exposition.own import OwnMetrics
from exporter.ingest import otlp
from exporter.settings import Settings
from exporter.sources.service import Sources
from exporter.store import Store
from exporter.store.forecasts import active_forecasts
from exporter.web import problems
from exporter.web.head import HeadAsGet
from exporter.web.openapi import complete
from exporter.web.page import page_router
from exporter.web.reading import Reading
from exporter.web.routers import all_routers, health, ingest, scrape

DESCRIPTION = "Pipeline runs in, run history and Prometheus metrics out."


def create_app(
    settings: Settings,
    store: Store,
    own: OwnMetrics,
    reader: otlp.Reader,
    sources: Sources | None = None,
) -> FastAPI:
    """The application over a store that is open; it starts the threads of store and sources, and stops them."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        store.start()
        if sources is not None:
            sources.start()
        yield
        if sources is not None:
            await run_in_threadpool(sources.stop)
        store.stop()

    app = FastAPIOffline(
        redoc_url=None,
        title="pipeline-exporter",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
    )
    problems.install(app)
    app.add_middleware(HeadAsGet)
    own.queue_depth.set_function(lambda: store.writer.depth)
    own.queue_limit.set(store.writer.queue_limit)
    reading = Reading(
        engine=store.engine, now=_now, grafana_url=settings.grafana_url, public_url=settings.public_url
    )
    exposition = Exposition(store.engine, store.limits, own, forecasts=active_forecasts)
    app.include_router(ingest.router(store.writer, own, settings.token, _now, reader=reader))
    app.include_router(scrape.router(exposition))
    app.include_router(health.router(store.engine))
    for router in all_routers(reading):
        app.include_router(router)
    app.include_router(page_router(reading))
    _document(app)
    return app


def _now() -> datetime:
    return datetime.now(UTC)


def _document(app: FastAPI) -> None:
    """Let the OpenAPI document name the schemas of bodies that are decoded by hand."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
