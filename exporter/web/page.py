"""Pages for people, rendered here: how things stand, the list of executions, one execution, runbooks."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from exporter import __version__
from exporter.domain.status import Status
from exporter.packaged import bundled
from exporter.store import engine
from exporter.store.queries import executions
from exporter.web import wording
from exporter.web.pages.execution import execution_page
from exporter.web.pages.listing import listing
from exporter.web.pages.overview import overview
from exporter.web.pages.run import remaining
from exporter.web.pages.runbooks import Runbooks
from exporter.web.parameters import ExecutionFilters, ExecutionId, moment
from exporter.web.problems import RETRY_AFTER, Problem, unknown
from exporter.web.reading import Reading

_FOLDER = Path(__file__).parent / "templates"
_ASSETS = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Pages:
    """Renders templates."""

    def __init__(self, reading: Reading) -> None:
        self._assets = {name: (_FOLDER / name).read_bytes() for name in _ASSETS}
        version = blake2b(b"".join(self._assets.values()), digest_size=6).hexdigest()
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            wording=wording,
            moment=moment,
            remaining=remaining,
            Status=Status,
            version=__version__,
            assets=version,
            grafana_url=reading.grafana_url,
        )

    def asset(self, name: str) -> Response | None:
        """A style sheet or script; its address changes with its content."""
        body = self._assets.get(name)
        if body is None:
            return None
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(body, headers=headers, media_type=_ASSETS[name])

    def render(
        self, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any
    ) -> Response:
        """A page."""
        text = self._templates.get_template(template).render(**values)
        return Response(text, status, {**_HEADERS, **(headers or {})}, "text/html; charset=utf-8")

    def guarded(self, make: Callable[[], Response]) -> Response:
        """A page, or one that says why there is none."""
        try:
            return make()
        except Problem as problem:
            return self.render("problem.html", problem.status, problem=problem)
        except SQLAlchemyError:
            gone = Problem(503, "The database does not answer now. This page tries again by itself.")
            return self.render("problem.html", 503, {"Retry-After": RETRY_AFTER}, problem=gone)


def page_router(reading: Reading) -> APIRouter:
    """Routes of pages."""
    routes = APIRouter(include_in_schema=False)
    pages = Pages(reading)
    runbooks = Runbooks(bundled("runbooks"))

    @routes.api_route("/", methods=["GET", "HEAD"])
    def first(request: Request) -> Response:
        return pages.guarded(lambda: _overview(pages, reading, own_url(request, reading)))

    @routes.get("/executions")
    def all_executions(request: Request) -> Response:
        return pages.guarded(lambda: _listing(pages, reading, request))

    @routes.get("/executions/{id}")
    def one_execution(id_: ExecutionId) -> Response:
        return pages.guarded(lambda: _execution(pages, reading, id_))

    @routes.get("/runbooks")
    def all_runbooks() -> Response:
        return pages.render("runbooks.html", runbooks=runbooks.all())

    @routes.get("/runbooks/{name}")
    def one_runbook(name: str) -> Response:
        return pages.guarded(lambda: _runbook(pages, runbooks, name))

    @routes.get("/assets/{name}")
    def asset(name: str) -> Response:
        found = pages.asset(name)
        if found is None:
            raise unknown("this file")
        return found

    return routes


def _overview(pages: Pages, reading: Reading, url: str) -> Response:
    with engine.reading(reading.engine) as connection:
        view = overview(connection, reading)
    return pages.render("overview.html", view=view, url=url)


def _listing(pages: Pages, reading: Reading, request: Request) -> Response:
    asked = _filters(request)
    with engine.reading(reading.engine) as connection:
        view = listing(connection, reading, asked)
    return pages.render("executions.html", view=view)


def _execution(pages: Pages, reading: Reading, id_: str) -> Response:
    with engine.reading(reading.engine) as connection:
        found = executions.by_id(connection, [id_]) if re.fullmatch("[0-9a-f]{32}", id_) else []
        if found:
            return pages.render("execution.html", view=execution_page(connection, reading, found[0]))
        # Pipelines remember the first half of the ids of their latest runs.
        whole_id = executions.by_prefix(connection, id_) if re.fullmatch("[0-9a-f]{16}", id_) else None
    if whole_id is None:
        raise Problem(404, "No such execution is kept here. It may have been deleted by retention.")
    return RedirectResponse(f"/executions/{whole_id}")


def _runbook(pages: Pages, runbooks: Runbooks, name: str) -> Response:
    found = runbooks.named(name)
    if found is None:
        raise Problem(404, "There is no such runbook.")
    return pages.render("runbook.html", runbook=found)


def own_url(request: Request, reading: Reading) -> str:
    """What people call this server, as far as it can know."""
    return (reading.public_url or str(request.base_url)).rstrip("/")


def _filters(request: Request) -> ExecutionFilters:
    """The filters of a form: fields left empty say nothing. Raises Problem."""
    told: dict[str, Any] = {}
    lists = ("pipeline", "status", "kind")
    for name, value in request.query_params.multi_items():
        if value and name in lists:
            told.setdefault(name, []).append(value)
        elif value:
            told[name] = value
    try:
        return ExecutionFilters.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        raise Problem(422, f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}") from error
