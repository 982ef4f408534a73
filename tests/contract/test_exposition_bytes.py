"""The bytes of a scrape are those that prometheus_client writes, whatever is in the store and however it came."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import choose_encoder

from exporter.catalogue import CATALOGUE
from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Payload
from exporter.exposition.families import sample_names
from exporter.store.readings import ExecutionReading
from tests.support.exposed import OPENMETRICS, Exposed, emptied
from tests.support.migrated import migrated
from tests.support.stored import Stored, at, event, stored

ACCEPTED = (
    "",
    OPENMETRICS,
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "text/plain;version=1.0.0;escaping=underscores",
    "text/plain;version=1.0.0;escaping=dots",
    "application/openmetrics-text;version=1.0.0;escaping=values",
)
SAMPLES = [name for metric in CATALOGUE for name in sample_names(metric)]

words = st.one_of(
    st.sampled_from(["a", "b", 'quo"ted', "back\\slash", "line\nfeed", "{x=1,y}", "__other__"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6),
)
counts = st.one_of(st.integers(0, 3), st.sampled_from([999_999, 1_000_000, 123_456_789, 2**53]))
amounts = st.one_of(st.floats(0, 1e9), st.sampled_from([0.0, 1e-7, 1e6, 1e15]))
names = st.fixed_dictionaries({"pipeline": words, "environment": st.sampled_from(["default", "lab"])})
runs = st.fixed_dictionaries({"pipeline": words, "execution": words, "environment": st.just("default")})
ends = st.sampled_from(["succeeded", "failed", "cancelled", "timed_out", "skipped"])
errors = st.one_of(st.none(), st.builds(ErrorDetail, message=words, type=words))


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


def _of(
    payload: type[Payload], base: st.SearchStrategy[dict[str, Any]], /, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Payload]:
    return st.builds(lambda base, more: payload(**base, **more), base, st.fixed_dictionaries(fields))


payloads = st.one_of(
    _of(
        e.PipelineDeclared,
        names,
        kind=_maybe(words),
        owner=_maybe(words),
        paused=_maybe(st.booleans()),
        llm_budget_usd=_maybe(amounts),
        stages=st.lists(st.builds(e.StageDeclaration, words, st.lists(words, max_size=3)), max_size=4),
        schedule=_maybe(st.just(e.Schedule(every_seconds=60))),
    ),
    _of(e.ExecutionQueued, runs),
    _of(e.ExecutionStarted, runs, kind=_maybe(words)),
    _of(e.ExecutionFinished, runs, status=ends, error=errors),
    _of(e.StageStarted, runs, stage=words, depends_on=st.lists(words, max_size=3)),
    _of(
        e.StageFinished,
        runs,
        stage=words,
        status=ends,
        error=errors,
        items=st.builds(e.Items, counts, counts),
    ),
    _of(e.ResourcesSampled, runs, stage=words, cpu_seconds=amounts, memory_peak_bytes=amounts),
    _of(
        e.StreamMeasured,
        names,
        stream=words,
        direction=st.sampled_from(["in", "out"]),
        events=st.dictionaries(words, counts, max_size=3),
        watermark=_maybe(st.integers(-9, 9).map(at)),
        buffer_depth=_maybe(counts),
        phase=_maybe(words),
        latency_seconds=st.lists(amounts, max_size=3),
    ),
    _of(
        e.RecordsChecked,
        names,
        stage=words,
        valid=counts,
        invalid=counts,
        rules=st.dictionaries(words, counts),
    ),
    _of(
        e.LlmCalled,
        runs,
        provider=words,
        request_model=words,
        input_tokens=_maybe(counts),
        duration_seconds=_maybe(amounts),
        cost_usd=_maybe(amounts),
        error=errors,
    ),
)
happenings = st.lists(st.tuples(payloads, st.integers(0, 600)), max_size=12)
forecasts = st.builds(
    ExecutionReading,
    words,
    st.just("default"),
    words,
    _maybe(st.floats(0, 1)),
    _maybe(st.integers(0, 99).map(at)),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    if request.param == "sqlite":
        url = f"sqlite:///{Path(tmp_path_factory.mktemp('exposition')) / 'exporter.db'}"
    else:
        url = request.getfixturevalue("postgresql").create_database(prepared_by=migrated)
    with stored(url) as store:
        yield store


FEW = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@FEW
@given(
    groups=st.lists(happenings, min_size=1, max_size=4),
    going_on=st.lists(forecasts, max_size=3),
    accept=st.sampled_from(ACCEPTED),
    asked=st.one_of(st.just([]), st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=6)),
)
def test_a_scrape_is_what_prometheus_client_writes(
    shared: Stored,
    groups: list[list[tuple[Payload, int]]],
    going_on: list[ExecutionReading],
    accept: str,
    asked: list[str],
) -> None:
    exposed = Exposed(emptied(shared))
    exposed.forecasts = going_on
    encoder, content_type = choose_encoder(accept)
    for group in groups:
        exposed.store.put(*(event(payload, seconds) for payload, seconds in group))
        for encoding in ("gzip", "identity"):
            expected = exposed.written(encoder, asked)
            answer = exposed.scrape(accept, encoding, asked)
            body = gzip.decompress(answer.body) if encoding == "gzip" else answer.body
            assert (answer.content_type, body) == (content_type, expected)
