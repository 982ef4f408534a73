"""Prompts and answers do not get in under another name, nor quoted by what does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import LlmCalled
from exporter.domain.secrets import REMOVED
from exporter.domain.spans import SpanEvent
from exporter.ingest.llm.content import Guard
from exporter.ingest.llm.quotes import REMOVED as QUOTED
from exporter.ingest.otlp import Reader, mapping
from tests.support.otlp import gathered, span

PROMPT = "where is the refund for my broken kettle"
CALL: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
INPUT = {"gen_ai.input.messages": json.dumps([{"role": "user", "content": PROMPT}])}


@pytest.mark.parametrize(
    "attributes",
    [
        INPUT,
        {"gen_ai.prompt.0.content": PROMPT},
        {"llm.input_messages.0.message.content": PROMPT},
        {"traceloop.entity.input": PROMPT},
        {"gen_ai.tool.call.arguments": {"question": PROMPT}},
        {"gen_ai.something.new": PROMPT},
        {"ai.prompt.messages": PROMPT},
        {"langsmith.metadata.question": PROMPT},
        {"question": PROMPT},
        {"history": [PROMPT]},
        {"graph.state": {"question": PROMPT}},
        {"llm.invocation_parameters": json.dumps({"model": "m", "instructions": PROMPT})},
    ],
)
def test_a_span_of_a_model_keeps_no_text_whose_name_is_not_known(attributes: dict[str, Any]) -> None:
    (kept,) = Reader().kept([span(1, attributes=CALL | attributes)])
    assert PROMPT not in repr(kept)
    assert CALL.items() <= kept.attributes.items()
    (stored,) = Reader(llm_content="store").kept([span(1, attributes=CALL | attributes)])
    assert PROMPT in repr(stored)


def test_numbers_and_names_that_are_known_stay() -> None:
    known = {
        **CALL,
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.agent.name": "helper",
        "error.type": "timeout",
        "llm.invocation_parameters": '{"model":"m"}',
        "score.of.mine": 0.5,
        "cicd.pipeline.name": "answers",
    }
    (kept,) = Reader().kept([span(1, attributes=known)])
    assert kept.attributes == known


def test_spans_that_are_of_no_model_keep_their_attributes() -> None:
    about = {"question": "of the program itself", "rows": 5}
    (kept,) = Reader().kept([span(1, attributes=about)])
    assert kept.attributes == about


def test_what_a_mapping_file_asks_for_stays() -> None:
    rule = mapping.Rule(match={"team": "*"}, pipeline="{job}", labels={"who": "{ asked.by }"})
    reader = Reader(mapping=mapping.Mapping(pipelines=[rule]))
    about = CALL | {"team": "red", "job": "answers", "asked.by": "me", "other": "gone"}
    (kept,) = reader.kept([span(1, attributes=about)])
    assert kept.attributes == CALL | {"team": "red", "job": "answers", "asked.by": "me"}


@pytest.mark.parametrize(
    "quote",
    [
        PROMPT,
        PROMPT.upper(),
        "where is the refund for my...",
        "input_value='...refund for my broken kettle', input_type=str",
        "Where is\n  the refund\\nfor my broken kettle?",
        "a\\nwhere is the refund",
    ],
)
def test_what_quotes_a_prompt_in_a_trace_loses_the_quotation(quote: str) -> None:
    message = f"could not answer: {quote}"
    thrown = SpanEvent(
        0, "exception", {"exception.message": message, "exception.stacktrace": f"Trace\n{message}"}
    )
    call = span(2, 1, f"chat {quote}", attributes=CALL | INPUT, failed=True, message=message, events=[thrown])
    root = span(1, 0, f"run {quote}", attributes={"note": message}, message=message, events=[thrown])
    for kept in Reader().kept([call, root]):
        told = repr(kept)
        assert "refund" not in told.lower()
        assert "could not answer" in told
        assert QUOTED in kept.name
        assert QUOTED in kept.message
    other = span(1, 0, "run", trace=2, message=message)
    _, apart = Reader().kept([call, other])
    assert apart.message == other.message


def test_names_of_models_roles_and_tools_are_no_quotations() -> None:
    model = "gpt-5-mini-2026-10-01"
    request = {
        "model": model,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "look_up_order"}],
    }
    told = {"input.value": json.dumps(request), "output.value": f"a model_name: {model} look_up_order user"}
    about = {"openinference.span.kind": "LLM", "llm.model_name": model, **told}
    (kept,) = Reader().kept([span(1, 0, f"look_up_order user {model}", attributes=about)])
    assert kept.name == f"look_up_order user {model}"
    assert kept.attributes["llm.model_name"] == model


def test_an_error_in_an_answer_is_no_quotation() -> None:
    answer = {"content": "", "response_metadata": {"error": {"message": "the server had an error"}}}
    about = {"openinference.span.kind": "LLM", "output.value": json.dumps(answer)}
    (kept,) = Reader().kept([span(1, attributes=about, failed=True, message="500: the server had an error")])
    assert kept.message == "500: the server had an error"


def test_values_that_never_end_are_looked_through_as_far_as_need_be() -> None:
    about = CALL | {"gen_ai.input.messages": "[" * 50_000, "gen_ai.prompt": "[" * 500 + "]" * 500}
    (kept,) = Reader().kept([span(1, attributes=about)])
    assert kept.attributes == CALL


def test_the_value_of_an_attribute_that_names_a_secret_goes_whatever_it_looks_like() -> None:
    about = {"db.password": "hunter2", "http.request.header.authorization": ["abc"], "auth": {"token": "abc"}}
    for content in ("drop", "store"):
        (kept,) = Reader(llm_content=content).kept([span(1, attributes=about)])
        assert kept.attributes == {
            "db.password": REMOVED,
            "http.request.header.authorization": REMOVED,
            "auth": {"token": REMOVED},
        }


def told(**about: Any) -> LlmCalled:
    return LlmCalled(pipeline="p", provider="o", request_model="m", **about)


TEXTS: dict[str, Any] = {
    "prompt": f"{PROMPT} sk-proj-abcdefghij0123456789ABCD",
    "response": "password=hunter2hunter2",
    "template": "{question}",
    "variables": {"question": PROMPT, "api_key": "secret"},
}


def test_a_call_told_as_an_event_loses_its_texts_too() -> None:
    error = ErrorDetail(message=f"bad request: {PROMPT}", stacktrace=f"at x\n{PROMPT}")
    kept = Guard().call(told(**TEXTS, error=error))
    assert kept == told(error=ErrorDetail(message=f"bad request: {QUOTED}", stacktrace=f"at x\n{QUOTED}"))


def test_a_call_told_as_an_event_keeps_its_texts_without_secrets_if_that_was_switched_on() -> None:
    kept = Guard(store=True).call(told(**TEXTS, error=ErrorDetail(message="key AKIAIOSFODNN7EXAMPLE")))
    assert kept == told(
        prompt=f"{PROMPT} {REMOVED}",
        response=REMOVED,
        template="{question}",
        variables={"question": PROMPT, "api_key": REMOVED},
        error=ErrorDetail(message=f"key {REMOVED}"),
    )


def test_nothing_of_it_reaches_the_database(sqlite_url: str) -> None:
    thrown = SpanEvent(0, "exception", {"exception.type": "ValueError", "exception.message": f"no: {PROMPT}"})
    with gathered(sqlite_url) as store:
        store.put(
            *Reader().kept(
                [
                    span(3, 2, "chat m", attributes=CALL | INPUT, failed=True, events=[thrown]),
                    span(2, 1, f"ask {PROMPT}", attributes={"gen_ai.agent.task": PROMPT}),
                    span(
                        1,
                        0,
                        "run",
                        attributes={"traceloop.entity.input": PROMPT},
                        failed=True,
                        events=[thrown],
                    ),
                    span(5, 4, "waits", trace=2, attributes=CALL | INPUT),
                ]
            )
        )
        path = sqlite_url.removeprefix("sqlite:///")
    for ending in ("", "-wal"):
        try:
            with open(path + ending, "rb") as file:  # noqa: PTH123 - two names of one file
                assert b"kettle" not in file.read()
        except FileNotFoundError:
            assert ending == "-wal"
