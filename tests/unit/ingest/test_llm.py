"""Prices of language models, and what of their prompts and answers is kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from exporter.domain.events import LlmCalled
from exporter.domain.secrets import REMOVED, without_secrets
from exporter.ingest.llm import prices
from exporter.ingest.otlp import Reader
from exporter.ingest.yaml_files import BadFile
from tests.support.otlp import batches, gathered, put_all, span

DAY = date(2026, 11, 22)
FILE = """
currency: USD
models:
  - {provider: openai, model: "gpt-5*", input: 10, cached: 1, output: 30, reasoning: 40, until: 2026-11-01}
  - {provider: openai, model: "gpt-5*", input: 8, cached: 1, output: 20, reasoning: 40, from: 2026-11-01}
  - {model: "*", provider: local, input: 0}
"""


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "prices.yml"
    file.write_text(text)
    return str(file)


def call(**about: Any) -> LlmCalled:
    usual: dict[str, Any] = {
        "pipeline": "p", "provider": "OpenAI", "request_model": "gpt-5-mini", "input_tokens": 1_000_000,
        "output_tokens": 1_000_000,
    }  # fmt: skip
    return LlmCalled(**{**usual, **about})


@pytest.mark.parametrize(
    ("about", "day", "cost"),
    [
        ({}, DAY, 28),
        ({}, date(2026, 10, 31), 40),
        ({"cached_tokens": 500_000}, DAY, 24.5),
        ({"reasoning_tokens": 500_000}, DAY, 38),
        ({"cached_tokens": 9_000_000}, DAY, 21),
        ({"output_tokens": None}, DAY, 8),
        ({"input_tokens": None, "output_tokens": None}, DAY, None),
        ({"provider": "local", "request_model": "anything"}, DAY, 0),
        ({"request_model": "alias", "response_model": "GPT-5-2026"}, DAY, 28),
        ({"request_model": "other"}, DAY, None),
    ],
)
def test_a_call_costs_what_the_first_entry_that_fits_says(
    tmp_path: Path, about: dict[str, Any], day: date, cost: float | None
) -> None:
    assert prices.read(written(tmp_path, FILE)).cost_usd(call(**about), day) == cost


def test_another_currency_says_what_it_is_worth(tmp_path: Path) -> None:
    text = "currency: EUR\nusd: 1.25\nmodels: [{model: '*', input: 8}]\n"
    assert prices.read(written(tmp_path, text)).cost_usd(call(output_tokens=0), DAY) == 10


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: the whole file"),
        ("currency: USD\n", "line 1"),
        ("currency: USD\nmodels: []\n", "line 2: /models"),
        ("currency: dollars\nmodels: [{model: a, input: 1}]\n", "line 1: /currency"),
        ("currency: EUR\nmodels: [{model: a, input: 1}]\n", "line 1: /currency: say how many US dollars"),
        ("currency: USD\nmodels:\n  - model: a\n    input: cheap\n", "line 4: /models/0/input"),
        ("currency: USD\nmodels:\n  - model: a\n    input: -1\n", "line 4: /models/0/input"),
        ("currency: USD\nmodels:\n  - model: a\n    inputs: 1\n", "line 3: /models/0"),
        ("currency: USD\nmodels:\n  - {model: a, input: 1, from: someday}\n", "line 3: /models/0/from"),
        (
            "currency: USD\nmodels:\n  - model: a\n    input: 1\n    from: 2026-02-01\n    until: 2026-01-01\n",
            "line 6: /models/0/until",
        ),
        ("currency: USD\ncurrency: EUR\n", "line 2: currency: stands twice"),
        ("a: [", "line 1"),
        ("a: \x00", "not YAML"),
        ("- !!python/object:os.system x", "line 1"),
    ],
)
def test_a_bad_price_file_names_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadFile) as caught:
        prices.read(written(tmp_path, text))
    assert says in str(caught.value)
    assert "prices.yml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"nowhere\.yml: cannot be read"):
        prices.read(str(tmp_path / "nowhere.yml"))


def test_calls_in_spans_are_priced_and_those_without_a_price_counted(sqlite_url: str, tmp_path: Path) -> None:
    known = prices.read(
        written(tmp_path, "currency: USD\nmodels: [{model: fake-gpt*, input: 1, output: 2}]\n")
    )
    with gathered(sqlite_url, Reader(prices=lambda: known)) as store:
        put_all(store, batches("genai-v2_stages"))
        costs = [one.cost_usd for one in store.calls() if one.cost_usd is not None]
        assert sum(costs) == pytest.approx((96 + 46 * 2) / 1e6)
        totals: dict[str, float] = {}
        for labels, state in store.store.components("model").items():
            unpriced = state.totals.counters.get("pipeline_llm_unpriced_calls_total", {})
            totals[labels[2]] = totals.get(labels[2], 0) + sum(unpriced.values())
        assert totals == {"fake-gpt": 0, "fake-embed": 2}


SECRETS = [
    "sk-proj-abcdefghij0123456789ABCD",
    "Authorization: Bearer abcdef0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "ghp_abcdefghijklmnopqrst0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    '"api_key": "0123456789abcdef"',
    "password=hunter2hunter2",
    "postgresql://me:hunter2@db/x",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_taken_out(secret: str) -> None:
    found = without_secrets(f"before {secret} after")
    assert REMOVED in found
    assert found.startswith("before")
    for part in (
        "abcdefghij0123",
        "abcdef0123456789",
        "AKIA",
        "wJalr",
        "MIIEow",
        "klmnopq",
        "c2ln",
        "hunter2",
    ):
        assert part not in found


@pytest.mark.parametrize(
    "text",
    [
        "a token count of 512",
        "the key was not found",
        "basic training",
        "task sk-1",
        "user@example.org asked",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_addresses_of_people_go_if_asked() -> None:
    assert without_secrets("ask me@example.org", emails=True) == "ask [address removed]"


@pytest.mark.parametrize("name", ["genai-openinf_stages", "genai-traceloop_workflow"])
def test_prompts_and_answers_are_kept_nowhere_unless_that_was_switched_on(sqlite_url: str, name: str) -> None:
    with gathered(sqlite_url) as store:
        for batch in batches(name):
            assert "refund" not in repr(batch)
            store.put(*batch)
        assert "refund" not in repr([row.body for row in store.store.rows(_events())])
    keeping = Reader(llm_content="store")
    kept = [one for batch in batches(name, keeping) for one in batch]
    assert "refund" in repr(kept)


def _events() -> Any:
    from exporter.store import schema  # noqa: PLC0415 - the only test that looks there

    return schema.events


def test_a_kept_prompt_has_its_secrets_taken_out() -> None:
    about = {"gen_ai.input.messages": f"use {SECRETS[0]}", "error.message": SECRETS[1]}
    (kept,) = Reader(llm_content="store").kept([span(1, attributes=about, message=SECRETS[7])])
    assert kept.attributes["gen_ai.input.messages"] == f"use {REMOVED}"
    assert "abcdef0123456789" not in repr(kept)
    assert "0123456789abcdef" not in kept.message
    (dropped,) = Reader().kept([span(1, attributes=about)])
    assert "gen_ai.input.messages" not in dropped.attributes
