"""The OpenAPI document is what the server does: schemathesis tries every operation with good and bad input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.support.exporter import Exporter
from tests.support.load import execution, post

# Times between 2000 and 2100, cron expressions, cursors: a schema cannot say what is wrong with them. And a
# query is text: whatever the generator takes for another type arrives as a word like any other.
BEYOND_A_SCHEMA: list[Any] = [positive_data_acceptance, negative_data_rejection]


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("openapi")
    with closing(Exporter(folder, database=f"sqlite:///{folder / 'exporter.db'}")) as exporter:
        exporter.start()
        exporter.wait_until_ready()
        post(exporter.url, [event for n in range(3) for event in execution("nightly", f"r{n}", "failed")])
        yield exporter
        assert "Traceback" not in exporter.log


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_does_what_the_document_says(exporter: Exporter, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{exporter.url}/openapi.json")
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # an error in the document fails the test
        if mode is GenerationMode.NEGATIVE and not any(
            (operation.path_parameters, operation.query, operation.body)
        ):
            continue  # nothing that could be wrong

        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers_as_documented(case: schemathesis.Case[Any]) -> None:
            answer = case.call()
            if (
                answer.text != "Invalid HTTP request received."
            ):  # a header that is none: never reaches a route
                case.validate_response(answer, excluded_checks=BEYOND_A_SCHEMA)

        answers_as_documented()
        tried += 1
    assert mode is GenerationMode.NEGATIVE or tried == sum(
        len(methods) for methods in schema.raw_schema["paths"].values()
    )


def test_ids_that_exist_are_answered_as_documented(exporter: Exporter) -> None:
    schema = schemathesis.openapi.from_url(f"{exporter.url}/openapi.json")
    id_ = requests.get(f"{exporter.url}/api/pipeline/executions", timeout=30).json()["executions"][0]["id"]
    tried = []
    for path in (
        path for path in schema.raw_schema["paths"] if path.startswith("/api/pipeline/executions/{")
    ):
        (name,) = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        case = schema[path]["GET"].Case(path_parameters={name: id_})
        assert case.call_and_validate().status_code == 200
        tried.append(path)
    assert len(tried) >= 9
