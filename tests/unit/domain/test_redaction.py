"""What is kept of an event: no secrets, and all of the rest."""

from __future__ import annotations

import time
from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event, Payload
from exporter.domain.redaction import redacted
from exporter.domain.secrets import DEEPEST, REMOVED, names_a_secret, value_without_secrets, without_secrets
from tests.support.stored import event

RUN: dict[str, Any] = {"pipeline": "nightly", "execution": "1"}
SECRET = "ghp_abcdefghijklmnopqrst0123456789"
TOLD = f"refused {SECRET} at login"
KEPT = f"refused {REMOVED} at login"
ERROR = ErrorDetail(TOLD, stacktrace=f"line 1\n{TOLD}", context={"url": TOLD, "rows": 3})
KEPT_ERROR = ErrorDetail(KEPT, stacktrace=f"line 1\n{KEPT}", context={"url": KEPT, "rows": 3})

PAIRS: list[tuple[Payload, Payload]] = [
    (
        e.ExecutionFinished(**RUN, status="failed", error=ERROR),
        e.ExecutionFinished(**RUN, status="failed", error=KEPT_ERROR),
    ),
    (
        e.StageFinished(**RUN, stage="load", status="failed", error=ERROR),
        e.StageFinished(**RUN, stage="load", status="failed", error=KEPT_ERROR),
    ),
    (
        e.LogEmitted(**RUN, message=TOLD, fields={"a": [TOLD], "b": 1}),
        e.LogEmitted(**RUN, message=KEPT, fields={"a": [KEPT], "b": 1}),
    ),
    (e.WarningRaised(**RUN, message=TOLD), e.WarningRaised(**RUN, message=KEPT)),
    (
        e.ExecutionStarted(
            **RUN, parameters={"api_key": "plain", "day": "monday"}, labels={"token": "plain"}
        ),
        e.ExecutionStarted(
            **RUN, parameters={"api_key": REMOVED, "day": "monday"}, labels={"token": REMOVED}
        ),
    ),
    (e.ExecutionProgressed(**RUN, message=TOLD), e.ExecutionProgressed(**RUN, message=KEPT)),
    (
        e.ArtifactProduced(**RUN, name="a", uri="s3://key:hidden7@host/a"),
        e.ArtifactProduced(**RUN, name="a", uri=f"s3://{REMOVED}@host/a"),
    ),
    (e.PipelineDeclared(pipeline="p", description=TOLD), e.PipelineDeclared(pipeline="p", description=KEPT)),
]


@pytest.mark.parametrize(("told", "kept"), PAIRS, ids=lambda one: type(one).__name__)
def test_secrets_are_taken_out_of_all_that_an_event_says_in_words(told: Payload, kept: Payload) -> None:
    assert redacted(event(told)).payload == kept


def test_an_event_without_a_secret_is_the_same_object() -> None:
    plain: Event = event(
        e.ExecutionFinished(
            **RUN, status="failed", parameters={"a": {"b": [1]}}, error=ErrorDetail("no disk")
        )
    )
    assert redacted(plain) is plain


def test_an_event_without_a_secret_left_is_the_same_object() -> None:
    once = redacted(
        event(e.LogEmitted(**RUN, message=f"password=hunter2hunter2 {TOLD}", fields={"token": "x"}))
    )
    assert redacted(once) is once


def test_addresses_of_people_go_if_asked() -> None:
    told = event(e.LogEmitted(**RUN, message="ask me@example.org"))
    assert redacted(told) is told
    assert redacted(told, emails=True).payload == e.LogEmitted(**RUN, message="ask [address removed]")


@pytest.mark.parametrize(
    "name",
    ["api_key", "apiKey", "API-KEY", "password", "dbPassword", "PGPASSWORD", "db.passwd", "token", "access_token",
     "secret", "client_secret", "SECRET_KEY", "Authorization", "credentials", "smtp_pwd"],
)  # fmt: skip
def test_names_that_say_that_a_value_is_a_secret(name: str) -> None:
    assert names_a_secret(name)
    assert value_without_secrets({name: "x"}) == {name: REMOVED}
    assert value_without_secrets({"of": [{name: {"user": "x"}}]}) == {"of": [{name: REMOVED}]}


@pytest.mark.parametrize(
    "name", ["tokens", "max_tokens", "key", "primary_key", "passed", "secretary", "author"]
)
def test_names_that_say_nothing_of_the_sort(name: str) -> None:
    assert value_without_secrets({name: "x"}) == {name: "x"}


def test_a_secret_may_be_a_number_but_a_figure_of_tokens_is_none() -> None:
    told = {"password": 123456, "time_to_first_token": 0.5, "api_key": None, "token": "", "secret": False}
    assert value_without_secrets(told) == {**told, "password": REMOVED}


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD=hunter2hunter2",
        "PGPASSWORD=hunter2hunter2",
        "redis://:hunter2@cache/0",
        "MY_TOKEN=hunter2hunter2",
    ],
)
def test_secrets_of_variables_and_addresses_are_taken_out(text: str) -> None:
    assert "hunter2" not in without_secrets(f"before {text} after")


def test_what_is_nested_too_deeply_is_kept_as_text() -> None:
    value: Any = {"password": SECRET}
    for _ in range(500):
        value = [value]
    found = value_without_secrets(value)
    for _ in range(DEEPEST):
        (found,) = found
    assert found.startswith("[[")
    assert REMOVED in found
    assert SECRET not in found


@pytest.mark.parametrize(
    "text", ["token=", "-eyJ", "-eyJ.eyJ", "bearer ", "password=", "://a:", "-----BEGIN ", "SG."]
)
def test_no_text_keeps_the_patterns_busy(text: str) -> None:
    """Once, the first of them took 41 s."""
    started = time.perf_counter()
    without_secrets(text * 20_000)
    assert time.perf_counter() - started < 10
