"""A mapping file: how spans of one's own programs are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from exporter.ingest.otlp import Reader, mapping
from exporter.ingest.yaml_files import BadFile
from tests.support.otlp import Gathered, gathered, span
from tests.support.paths import REPOSITORY

SCHEMA = json.loads((REPOSITORY / "docs/schemas/otlp-mapping.json").read_text())

MAPPING = """
pipelines:
  - match: {service.name: "etl*"}
    pipeline: "{job}"
    execution: "{run.id}"
    kind: nightly
    run: {span.name: "etl.run"}
    labels: {date: "{date}"}
    stages:
      - match: {span.name: "part *"}
        name: part
        index: "{part}"
        attempt: "{try}"
        items_in: rows_in
        items_out: rows_out
      - match: {span.kind: internal}
    ignore:
      - {span.name: "heartbeat*"}
"""


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mapping.yml"
    file.write_text(text)
    return str(file)


def reader(tmp_path: Path, text: str) -> Reader:
    return Reader(mapping=mapping.read(written(tmp_path, text)))


def fill(store: Gathered) -> None:
    part = {"part": "a", "rows_in": 5, "rows_out": 4}
    store.put(
        span(9, 0, "POST /start", kind="server", service="gateway"),
        span(1, 9, "etl.run", attributes={"job": "orders", "run.id": "r7", "date": "2026-11-22"}),
        span(2, 1, "part a", attributes=part | {"try": 1}, failed=True),
        span(3, 1, "part a", attributes=part | {"try": "2"}, start=1, end=2),
        span(4, 1, "load"),
        span(5, 4, "SELECT", kind="client"),
        span(6, 1, "heartbeat 1"),
        span(7, 6, "under a heartbeat"),
    )


def test_attributes_say_pipeline_run_stage_instance_and_attempt(sqlite_url: str, tmp_path: Path) -> None:
    with gathered(sqlite_url, reader(tmp_path, MAPPING)) as store:
        fill(store)
        run = store.rows()["default", "orders", "r7"]
        assert run["status"] == "succeeded"
        found = {place: [tried[:2] for tried in stage[2]] for place, stage in run["stages"].items()}
        assert found == {
            (("part",), "a"): [(1, "failed"), (2, "succeeded")],
            (("load",), None): [(1, "succeeded")],
            (("under a heartbeat",), None): [(1, "succeeded")],
        }


def test_spans_that_no_rule_matches_are_read_as_ever(sqlite_url: str, tmp_path: Path) -> None:
    with gathered(sqlite_url, reader(tmp_path, MAPPING)) as store:
        store.put(span(1, 0, "run", service="other"))
        assert [key[1] for key in store.rows()] == ["other"]


def test_spans_of_one_name_are_instances_if_the_rule_says_so(sqlite_url: str, tmp_path: Path) -> None:
    text = "pipelines: [{match: {service.name: etl}, repeats: instances}]\n"
    with gathered(sqlite_url, reader(tmp_path, text)) as store:
        store.put(span(1, 0, "run"), span(2, 1, "item", failed=True), span(3, 1, "item", start=1))
        (run,) = store.rows().values()
        assert sorted(str(stage[0]) for stage in run["stages"].values()) == ["failed", "succeeded"]


BAD = [
    ("", "line 1"),
    ("pipelines: []\n", "line 1: /pipelines"),
    ("pipelines:\n  - pipeline: a\n", "line 2: /pipelines/0"),
    ("pipelines:\n  - match: {}\n", "line 2: /pipelines/0/match"),
    ("pipelines:\n  - match: {a: b}\n    pipelin: c\n", "line 2: /pipelines/0"),
    ("pipelines:\n  - match: {a: b}\n    pipeline: 5\n", "line 3: /pipelines/0/pipeline"),
    ("pipelines:\n  - match: {a: b}\n    repeats: often\n", "line 3: /pipelines/0/repeats"),
    ("pipelines:\n  - match: {a: b}\n    stages:\n      - nam: c\n", "line 4: /pipelines/0/stages/0"),
    ("pipelines:\n  - match: {a: b}\n    stages:\n      - name: ''\n", "line 4: /pipelines/0/stages/0/name"),
]


@pytest.mark.parametrize("waits", [False, True])
def test_what_encloses_runs_that_have_names_of_their_own_is_no_run(
    sqlite_url: str, tmp_path: Path, waits: bool
) -> None:
    runs = [
        span(number, 1, "etl.run", attributes={"job": "orders", "run.id": f"r{number}"}) for number in (2, 3)
    ]
    root = [span(1, 0, "scheduler"), span(4, 1, "look around")]
    with gathered(sqlite_url, reader(tmp_path, MAPPING)) as store:
        store.put(*runs)
        if waits:
            store.store.pass_time(31)
        store.put(*root)
        store.store.pass_time(31)
        assert {(key[1:], row["status"]) for key, row in store.rows().items()} == {
            (("orders", "r2"), "succeeded"),
            (("orders", "r3"), "succeeded"),
        }


def test_a_root_that_names_its_run_is_a_stage_of_it(sqlite_url: str, tmp_path: Path) -> None:
    about = {"job": "orders", "run.id": "r7"}
    with gathered(sqlite_url, reader(tmp_path, MAPPING)) as store:
        store.put(span(1, 0, "prepare", trace=1, attributes=about))
        store.put(span(1, 0, "etl.run", trace=2, attributes=about))
        store.store.pass_time(31)
        ((key, row),) = store.rows().items()
        assert (key[1:], row["status"]) == (("orders", "r7"), "succeeded")
        assert [path for path, _ in row["stages"]] == [("prepare",)]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_a_bad_mapping_names_line_and_key_and_the_schema_refuses_it_too(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(BadFile) as caught:
        mapping.read(written(tmp_path, text))
    assert says in str(caught.value)
    assert not Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("template", "says"),
    [("{job", "closed"), ("job}", "closed"), ("{}", "the name of an attribute"), ("{a{b}}", "closed")],
)
def test_a_template_that_is_not_closed_is_named(tmp_path: Path, template: str, says: str) -> None:
    text = f"pipelines:\n  - match: {{a: b}}\n    labels:\n      day: '{template}'\n"
    with pytest.raises(BadFile, match=r"line 4: /pipelines/0/labels/day") as caught:
        mapping.read(written(tmp_path, text))
    assert says in str(caught.value)


def test_the_schema_that_is_published_is_that_of_the_code() -> None:
    assert schema() == SCHEMA
    Draft202012Validator.check_schema(SCHEMA)
    assert Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(MAPPING))


def schema() -> Any:
    return mapping.schema()
