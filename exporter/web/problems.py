"""Errors as `application/problem+json` (RFC 9457). Here, and only here, it is decided which status an error has."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from exporter.ingest.refusal import FieldError, Refused, pointer
from exporter.store.writer import Unavailable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds after which to try again what could not be done now."""

MOST_ERRORS = 100
"""Wrong fields told of in one answer."""


_CONTENT: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
UNDERSTOOD_BUT_WRONG: dict[int | str, dict[str, Any]] = {
    422: {"description": "A parameter has a value that it cannot have.", "content": _CONTENT},
    503: {"description": "The database does not answer now; see Retry-After.", "content": _CONTENT},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "Not known here.", "content": _CONTENT}}
"""What the OpenAPI document says of them."""


TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 calls them; Python's own names for these differ between its versions."""


class Problem(Exception):
    """Something that a request cannot have. `errors`: its wrong parts, if any."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[FieldError] = (), *, title: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or TITLES.get(status) or HTTPStatus(status).phrase
        self.detail = detail
        self.errors = list(errors)


class Body(msgspec.Struct, frozen=True):
    """What a problem looks like to a client."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError]


def unknown(what: str) -> Problem:
    """There is no such thing here."""
    return Problem(404, f"{what} is not known here")


def bad_parameter(name: str, message: str) -> Problem:
    """A query parameter has a value that it cannot have."""
    return Problem(422, f"{name}: {message}", [FieldError(pointer("query", name), message)])


def answer(problem: Problem, headers: dict[str, str] | None = None, **members: str | int) -> Response:
    """The answer that tells of a problem, with further members of the protocol's own."""
    body = Body("about:blank", problem.title, problem.status, problem.detail, problem.errors[:MOST_ERRORS])
    content = msgspec.json.encode(msgspec.structs.asdict(body) | members if members else body)
    return Response(content, problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the application answer every error with a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(error)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return answer(Problem(error.status, error.detail, error.errors), headers)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [FieldError(pointer(*_place(found)), _message(found)) for found in error.errors()]
    first = errors[0]
    return answer(Problem(422, f"{first.pointer}: {first.message}", errors))


def _place(found: Any) -> tuple[str | int, ...]:
    # Behind the parameter's name come the names of the types that were tried.
    place: tuple[str | int, ...] = tuple(found["loc"])
    steps = place[:3] if len(place) > 2 and isinstance(place[2], int) else place[:2]
    return steps if steps and steps[0] in ("query", "path", "header", "cookie") else place


def _message(found: Any) -> str:
    message = str(found["msg"])
    return message.removeprefix("Value error, ")


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    return answer(Problem(error.status_code, str(error.detail)), headers)


def _unavailable(_: Request, error: Exception) -> Response:
    reason = "the database is busy" if isinstance(error, PoolTimeout) else str(error)
    return answer(Problem(503, reason), {"Retry-After": RETRY_AFTER})


def _database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if not isinstance(error, OperationalError | InterfaceError) and not error.connection_invalidated:
        return _unexpected(request, error)
    reason = str(error.orig).strip().partition("\n")[0]
    log.warning("database unavailable", extra={"path": request.url.path, "reason": reason[:300]})
    return answer(Problem(503, "the database does not answer now"), {"Retry-After": RETRY_AFTER})


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error, extra={"path": request.url.path})
    return answer(Problem(500, "an unexpected error, see the server's log"))
