"""Every error is told as a problem, with the status that fits."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.testclient import TestClient

from exporter.ingest.refusal import FieldError, Refused
from exporter.store.writer import Unavailable
from exporter.web import problems
from exporter.web.problems import Problem, bad_parameter, unknown


def answered(error: Exception) -> Any:
    """What a client gets when a route raises an error."""
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def fail() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False).get("/")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Problem(409, "there is one already"), 409),
        (unknown("this"), 404),
        (bad_parameter("limit", "too large"), 422),
        (Refused(413, "too large"), 413),
        (Unavailable("the database is away"), 503),
        (OperationalError("SELECT 1", {}, Exception("gone")), 503),
        (PoolTimeout(), 503),
        (ProgrammingError("SELECT 1", {}, Exception("no such table")), 500),
        (ValueError("a bug"), 500),
    ],
)
def test_an_error_has_the_status_that_fits(error: Exception, status: int) -> None:
    answer = answered(error)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_bug_tells_the_client_nothing_of_the_inside() -> None:
    assert "secret" not in answered(ValueError("secret")).text


def test_wrong_fields_are_pointed_at() -> None:
    body = answered(Refused(422, "wrong", [FieldError("/data/stage", "missing")])).json()
    assert body["errors"] == [{"pointer": "/data/stage", "message": "missing"}]


def test_a_wrong_parameter_is_pointed_at() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def count(limit: int) -> int:
        return limit

    body = TestClient(app).get("/?limit=x").json()
    assert [error["pointer"] for error in body["errors"]] == ["/query/limit"]
    assert TestClient(app).post("/").json()["status"] == 405
    assert TestClient(app).get("/nowhere").json()["title"] == "Not Found"
