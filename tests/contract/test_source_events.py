"""Files of events as clients send them: what they tell is what the API would have taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from exporter.ingest.llm.calls import Calls
from exporter.ingest.llm.prices import ModelPrice, PriceList
from exporter.source_settings import SourceSetting
from exporter.sources.source import Source, opened
from exporter.store import schema
from tests.support import openlineage
from tests.support.sources import problems, reading, source, told


def event(number: int, type_: str = "pipeline.execution.finished", **data: object) -> str:
    told = {"pipeline": "load", "execution": str(number), "status": "succeeded"} | data
    envelope = {"specversion": "1.0", "id": f"{number}/{type_}", "source": "/load", "type": type_}
    return json.dumps(envelope | {"time": "2026-01-01T00:00:00Z", "data": told}) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    path = folder / "load.jsonl"
    path.write_text(event(1) + event(2, status="failed", error={"message": "no disk"}))
    return path


def test_cloud_events_are_read_as_the_api_takes_them(file: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, source("cloudevents", file.parent)) as read:
        read.round()
        assert read.statuses("load") == {"1": "succeeded", "2": "failed"}
        with file.open("a") as opened_:
            opened_.write(event(1) + event(3))
        read.round()
        assert read.count() == 3


def test_events_that_name_no_environment_are_of_the_sources(file: Path) -> None:
    file.write_text(event(1) + event(2, environment="prod"))
    of = opened(SourceSetting(name="ours", preset="cloudevents", url=str(file.parent), environment="lab"))
    assert [one.payload.environment for one in told(of)] == ["lab", "prod"]


def test_a_line_that_is_no_event_is_named_with_its_field(file: Path) -> None:
    file.write_text(event(1, status="banana") + "{}\n" + event(2))
    found = problems(source("cloudevents", file.parent))
    assert found[0].startswith("load.jsonl at byte 0: /data/status: expected one of ")
    assert "specversion" in found[1]
    assert len(found) == 2


@pytest.mark.parametrize("name", ["dbt-build_structured", "airflow3-fan_out_in", "olpy-unicode_big"])
def test_what_openlineage_writes_to_a_file_is_what_it_sends(tmp_path: Path, name: str) -> None:
    sent = openlineage.bodies(name)
    # Its file transport writes each event in one line of JSON.
    lines = [json.dumps(json.loads(body)).encode() for body in sent]
    (tmp_path / "lineage.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    of: Source = source("openlineage", tmp_path)
    expected = {one.identity for one in openlineage.told(lines)}
    assert {one.identity for one in told(of)} == expected
    assert expected


def test_calls_of_language_models_are_priced_as_those_of_the_api_are(file: Path, sqlite_url: str) -> None:
    call = {"provider": "openai", "request_model": "gpt-4o", "input_tokens": 1_000_000}
    file.write_text(event(1, "pipeline.llm.called", **call))
    prices = PriceList(currency="USD", models=[ModelPrice(model="gpt-*", input=2.5, output=10.0)])
    taken = Calls(lambda: prices).taken
    with reading(sqlite_url, source("cloudevents", file.parent), taken=taken) as read:
        read.round()
        with read.store.engine.connect() as connection:
            body = connection.execute(select(schema.events.c.body)).scalar_one()
        assert json.loads(body)["cost_usd"] == 2.5
