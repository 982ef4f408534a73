"""What `docs/traces.md` says, held against the code."""

from __future__ import annotations

import pytest
import yaml

from exporter.store.queries import trace_parts, traces
from exporter.web import trace_query, trace_search
from tests.support.documents import TEXTS, blocks, table
from tests.support.reading import Reader

NAME = "docs/traces.md"
TEXT = " ".join(TEXTS[NAME].split())
EXAMPLES = {
    "error": "true",
    "status": "failed",
    "stage.status": "failed",
    "execution.status": "failed",
    "external_id": "r1",
    "environment": "default",
    "kind": "etl",
    "trigger": "schedule",
    "source": "cloudevents",
    "error.type": "KeyError",
    "label.<name>": "red",
}
ALIASES = {"cicd.pipeline.run.id": "external_id", "deployment.environment.name": "environment"}


def documented() -> list[str]:
    return [tag.strip("`") for tag, _ in table(NAME, "tag", "matches")]


def test_the_tags_are_those_that_a_search_understands() -> None:
    assert documented() == list(EXAMPLES)
    columns = set(trace_search.COLUMNS) - set(ALIASES)
    assert columns <= set(documented())
    for alias, name in ALIASES.items():
        assert f"`{alias}` means `{name}`" in TEXT
        assert trace_search.COLUMNS[alias] == trace_search.COLUMNS[name]


@pytest.mark.parametrize("tag", [*EXAMPLES, *ALIASES])
def test_each_tag_finds_what_it_should_and_nothing_else(api: Reader, tag: str) -> None:
    value = EXAMPLES[ALIASES.get(tag, tag)]
    key = tag.replace("<name>", "team")
    found = {
        sought: [
            trace["traceID"]
            for trace in api.get("/jaeger/api/traces", service="nightly", tag=f"{key}:{sought}")["data"]
        ]
        for sought in (value, "x")
    }
    assert found[value]
    assert found["x"] == []


def test_numbers_are_those_of_the_code() -> None:
    for said in (
        f"up to {trace_parts.MOST_ATTEMPTS} attempts",
        f"{trace_parts.MOST_CALLS} calls",
        f"{trace_parts.MOST_ERRORS} errors",
        f"latest {trace_parts.MOST_EVENTS} logs",
        f"latest {traces.MOST_CHILDREN} executions",
        f"({trace_query.LIMIT} without, {trace_query.MOST_TRACES} at the most)",
    ):
        assert said in TEXT
    assert traces.LOOKS[-1] == 20_000


def test_the_datasource_leads_here() -> None:
    (text,) = [block.text for block in blocks(NAME) if block.kind == "yaml"]
    (datasource,) = yaml.safe_load(text)["datasources"]
    assert (datasource["type"], datasource["uid"]) == ("jaeger", "traces")
    assert datasource["url"].endswith(":9877/jaeger")
    assert datasource["jsonData"]["spanBar"]["tag"] == "status"
