"""Ways in over HTTP: CloudEvents and OpenLineage. Answered once what was sent is durable."""

from __future__ import annotations

import hmac
import logging
from asyncio import CancelledError
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from exporter.catalogue import thresholds
from exporter.domain.events import Event, Payload, PipelineDeclared
from exporter.domain.text import clean_name
from exporter.exposition.own import OwnMetrics
from exporter.ingest import cloudevents, openlineage
from exporter.ingest.refusal import Refused
from exporter.store.writer import Receipt, Unavailable, Writer
from exporter.web.bodies import Bodies
from exporter.web.openapi import EVENTS_BODY, LINEAGE_BODY

log = logging.getLogger(__name__)

Translate = Callable[[Request, bytes, datetime], list[Event]]


class _Direct(APIRoute):
    """A route whose function takes the request and makes the answer itself: FastAPI has nothing left to work out."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def router(writer: Writer, own: OwnMetrics, token: str | None, now: Callable[[], datetime]) -> APIRouter:
    """Routes that take events."""
    routes = APIRouter(tags=["Ways in"], route_class=_Direct)
    bodies = Bodies()

    async def take(request: Request, source: str, translate: Translate) -> Receipt:
        try:
            _authorise(request, token)
            events = translate(request, await bodies.read(request), now())
            return await writer.write(events) if events else Receipt(0, 0)
        except Refused as refused:
            own.refused(source, refused.status)
            _log_refusal(request, source, refused)
            raise
        except CancelledError as error:  # the server is told to stop, and its patience is over
            own.refused(source, 503)
            raise Unavailable(
                "the server is stopping; what was sent may be stored, and may be sent again"
            ) from error
        except Unavailable:
            own.refused(source, 503)
            raise

    @routes.post("/api/v1/events", status_code=202, summary="Take CloudEvents", **EVENTS_BODY)
    async def take_events(request: Request) -> Response:
        receipt = await take(request, cloudevents.SOURCE, _cloud_events)
        body = b'{"accepted":%d,"duplicates":%d}' % (receipt.accepted, receipt.duplicates)
        return Response(body, 202, media_type="application/json")

    @routes.post("/api/v1/lineage", status_code=200, summary="Take an OpenLineage event", **LINEAGE_BODY)
    async def take_lineage(request: Request) -> Response:
        receipt = await take(request, "openlineage", _lineage)
        return JSONResponse({"accepted": receipt.accepted, "duplicates": receipt.duplicates})

    return routes


def _cloud_events(request: Request, body: bytes, received: datetime) -> list[Event]:
    return cloudevents.decode(
        request.headers.get("content-type", ""), request.headers, body, received=received
    )


def _lineage(request: Request, body: bytes, received: datetime) -> list[Event]:
    environment = clean_name(request.query_params.get("environment") or "default")
    events = openlineage.translate(body, received=received, environment=environment)
    for event in events:
        _log_thresholds(event.payload)
    return events


def _log_thresholds(payload: Payload) -> None:
    """Tags are nobody's to refuse: those that are no thresholds are labels only."""
    if isinstance(payload, PipelineDeclared) and payload.labels:
        for label, reason in thresholds.wrong(payload.labels).items():
            about = {"pipeline": payload.pipeline, "environment": payload.environment, "label": label}
            log.warning("a tag sets no threshold", extra={**about, "reason": reason[:300]})


def _authorise(request: Request, token: str | None) -> None:
    if token is None:
        return
    given = request.headers.get("x-api-key", "")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given = credentials.strip()
    elif scheme.lower() == "basic":
        try:
            given = b64decode(credentials, validate=True).decode().partition(":")[2]
        except (Base64Error, UnicodeDecodeError):
            given = ""
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise Refused(401, "expected the server's token as Authorization: Bearer TOKEN or as X-API-Key")


def _log_refusal(request: Request, source: str, refused: Refused) -> None:
    client = request.client.host if request.client else ""
    about = {"way": source, "status": refused.status, "client": client}
    if not refused.errors:
        log.warning("refused", extra={**about, "reason": refused.detail[:300]})
    for error in refused.errors:
        log.warning("refused", extra={**about, "pointer": error.pointer, "reason": error.message[:300]})
