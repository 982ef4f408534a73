"""Calls of language models that two instruments tell: one call, whoever is heard first."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from exporter.domain.spans import Call, Span
from tests.support.otlp import Gathered, gathered, span

ROOT = span(1, name="run", start=0, end=100)


def call(id_: int, scope: str, start: float, end: float, *, parent: int = 1, **about: Any) -> Span:
    """A call of a model; `tokens`, `response` and `model` may be told."""
    tokens, response = about.pop("tokens", None), about.pop("response", None)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": about.pop("model", "claude"),
        **({} if tokens is None else {"gen_ai.usage.input_tokens": tokens}),
        **({} if response is None else {"gen_ai.response.id": response}),
        **about.pop("attributes", {}),
    }
    return span(id_, parent, scope=scope, start=start, end=end, attributes=attributes, **about)


def tokens(store: Gathered) -> list[int | None]:
    return sorted((one.input_tokens for one in store.calls()), key=lambda told: told or 0)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Call("sdk", "claude", 10, 20), True),
        (Call("sdk", "claude", 0, 30), True),
        (Call("sdk", "claude", 10, 30 + 50_000), True),
        (Call("sdk", "claude", 30, 40), False),
        (Call("sdk", "gpt", 10, 20), False),
        (Call("sdk", "claude", 10, 20, "msg_1"), True),
        (Call("sdk", "claude", 10, 20, "msg_2"), False),
        (Call("framework", "claude", 10, 20), False),
    ],
)
def test_calls_are_the_same_if_two_instruments_tell_them_of_one_time(other: Call, same: bool) -> None:
    one = Call("framework", "claude", 0, 30, "msg_1")
    assert one.is_same_as(other) is same
    assert other.is_same_as(one) is same


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_that_stands_beside_that_of_its_client_counts_once(
    sqlite_url: str, order: tuple[int, ...], at_once: bool
) -> None:
    spans = [ROOT, call(2, "framework", 1, 9, tokens=7), call(3, "sdk", 2, 8, tokens=7)]
    arrived = [spans[number] for number in order]
    with gathered(sqlite_url) as store:
        for batch in [arrived] if at_once else [[one] for one in arrived]:
            store.put(*batch)
        assert tokens(store) == [7]


@pytest.mark.parametrize("order", [*itertools.permutations(range(1, 5))])
def test_calls_at_one_time_that_each_have_two_spans_are_as_many_as_they_were(
    sqlite_url: str, order: tuple[int, ...]
) -> None:
    spans = [
        ROOT, call(2, "framework", 1, 9), call(3, "framework", 1.5, 9.5),
        call(4, "sdk", 2, 8), call(5, "sdk", 2.5, 8.5),
    ]  # fmt: skip
    with gathered(sqlite_url) as store:
        store.put(ROOT)
        for number in order:
            store.put(spans[number])
        assert len(store.calls()) == 2


@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_of_a_framework_that_does_not_enclose_its_client_counts_once(
    sqlite_url: str, at_once: bool
) -> None:
    """As LangChain by OpenInference: the client's spans are below what encloses the chain."""
    spans = [
        call(4, "sdk", 2, 8, tokens=7),
        call(14, "sdk", 3, 7, tokens=8),
        call(3, "framework", 1, 9, parent=2),
        call(13, "framework", 1, 9, parent=12),
        call(5, "framework", 20, 21, parent=2, tokens=9),
        span(2, 1, "chain", start=0.5, end=22),
        span(12, 1, "chain", start=0.5, end=10),
        ROOT,
    ]
    with gathered(sqlite_url) as store:
        for batch in [spans] if at_once else [[one] for one in spans]:
            store.put(*batch)
        assert tokens(store) == [7, 8, 9]


def test_calls_that_one_instrument_tells_at_one_time_all_count(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(ROOT, *(call(10 + number, "sdk", 1, 9, tokens=number + 1) for number in range(5)))
        assert tokens(store) == [1, 2, 3, 4, 5]


def test_a_call_takes_what_it_lacks_from_those_within_it(sqlite_url: str) -> None:
    """A framework that tries again has several calls within one."""
    first = {"gen_ai.response.time_to_first_chunk": 0.5, "gen_ai.usage.cache_read.input_tokens": 3}
    with gathered(sqlite_url) as store:
        store.put(
            call(4, "sdk", 2, 4, parent=3, tokens=7, attributes=first),
            call(5, "sdk", 5, 8, parent=3, tokens=8),
            span(3, 2, "retry", start=1, end=9),
            call(2, "framework", 1, 9),
            ROOT,
        )
        (told,) = store.calls()
    assert (told.input_tokens, told.cached_tokens, told.time_to_first_token_seconds) == (15, 3, 1.5)


def test_a_call_that_does_not_tell_its_model_is_of_that_within_it(sqlite_url: str) -> None:
    about = {"openinference.span.kind": "LLM"}
    with gathered(sqlite_url) as store:
        store.put(
            call(3, "sdk", 2, 8, parent=2), span(2, 1, "predict", start=1, end=9, attributes=about), ROOT
        )
        (told,) = store.calls()
    assert (told.provider, told.request_model) == ("anthropic", "claude")


def test_what_a_call_tells_itself_is_not_overruled(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(call(3, "sdk", 2, 8, parent=2, tokens=99), call(2, "framework", 1, 9, tokens=7), ROOT)
        assert tokens(store) == [7]


def test_a_call_whose_client_was_counted_before_it_was_known_counts_no_more(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(call(3, "sdk", 2, 8, parent=2, tokens=7))
        store.store.pass_time(11)
        store.put(call(2, "framework", 1, 9, tokens=7), ROOT)
        assert tokens(store) == [7]


def test_a_call_that_fails_before_it_is_answered_is_a_call_without_a_model(sqlite_url: str) -> None:
    about = {"openinference.span.kind": "LLM", "llm.system": "openai"}
    with gathered(sqlite_url) as store:
        store.put(ROOT, span(2, 1, "OpenAI.generate", failed=True, message="no", attributes=about))
        (told,) = store.calls()
        (row,) = store.rows().values()
    assert (told.provider, told.request_model, told.error is not None) == ("openai", "unknown", True)
    assert row["stages"] == {}


def test_a_chain_that_calls_itself_a_workflow_is_a_stage_of_the_workflow_around_it(sqlite_url: str) -> None:
    def traceloop(id_: int, parent: int, kind: str, name: str, workflow: str) -> Span:
        about = {
            "traceloop.span.kind": kind,
            "traceloop.entity.name": name,
            "traceloop.workflow.name": workflow,
        }
        return span(id_, parent, f"{name}.{kind}", attributes=about)

    spans = [
        traceloop(1, 0, "workflow", "answer", "answer"),
        traceloop(2, 1, "task", "ask", "answer"),
        span(3, 2, "my own"),
        traceloop(4, 3, "workflow", "RunnableSequence", "RunnableSequence"),
        traceloop(5, 4, "task", "Prompt", "RunnableSequence"),
        call(6, "langchain", 0, 1, parent=4, attributes={"traceloop.workflow.name": "RunnableSequence"}),
    ]
    with gathered(sqlite_url) as store:
        for one in reversed(spans):
            store.put(one)
        ((key, row),) = store.rows().items()
        (told,) = store.calls()
    assert key[1] == "answer"
    chain = ("ask", "my own", "RunnableSequence")
    assert {path for path, _ in row["stages"]} == {chain[:1], chain[:2], chain, (*chain, "Prompt")}
    assert (told.pipeline, told.stage) == ("answer", "RunnableSequence")
