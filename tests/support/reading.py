"""The routes that read, over a store that a test fills."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from exporter.web import paths, problems
from exporter.web.page import page_router
from exporter.web.reading import Reading
from exporter.web.routers import all_routers
from tests.support.stored import Stored, at


class Reader:
    """A client of the routes that read; its clock stands at `now`."""

    def __init__(self, store: Stored, now: datetime, **links: str) -> None:
        app = FastAPI()
        problems.install(app)
        paths.install()
        reading = Reading(store.engine, lambda: now, **links)
        for router in all_routers(reading):
            app.include_router(router)
        app.include_router(page_router(reading))
        self.client = TestClient(app)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of an answer that must be 200. `from_` asks for `from`."""
        answer = self.client.get(path, params=_named(query))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, **query: Any) -> tuple[int, list[str]]:
        """Status and pointers of an answer that must be a problem."""
        answer = self.client.get(path, params=_named(query))
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["status"] == answer.status_code
        return answer.status_code, [error["pointer"] for error in body["errors"]]

    def page(self, path: str, status: int = 200) -> str:
        """The text of a page."""
        answer = self.client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return answer.text


def _named(query: dict[str, Any]) -> dict[str, Any] | None:
    # Empty parameters would take away those that stand in the path.
    return {name.rstrip("_"): value for name, value in query.items()} or None


@contextmanager
def reader(store: Stored, seconds: float = 600, **links: str) -> Iterator[Reader]:
    """A client whose clock stands so many seconds after noon."""
    yield Reader(store, at(seconds), **links)
