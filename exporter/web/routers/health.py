"""Whether the exporter lives, and whether it can take events."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from exporter.store.engine import reading, reason_of
from exporter.store.migrate import is_current


def router(engine: Engine) -> APIRouter:
    """Health routes."""
    routes = APIRouter(tags=["Health"])

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz", summary="Alive")
    async def alive() -> Response:
        return JSONResponse({"status": "ok"})

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", summary="Ready: the database answers and has this version's schema")
    def ready() -> Response:
        reason = not_ready(engine)
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, 503, {"Retry-After": "5"})

    return routes


def not_ready(engine: Engine) -> str | None:
    """Why events cannot be taken now; None if they can."""
    try:
        with reading(engine) as connection:
            return None if is_current(connection) else "the database has another version's schema"
    except SQLAlchemyError as error:
        return f"the database does not answer: {reason_of(error)}"
