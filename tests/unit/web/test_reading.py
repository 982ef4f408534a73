"""Links in answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from exporter.store.engine import open_engine
from exporter.web.reading import Reading

ID = "0" * 31 + "1"


def test_a_link_leads_to_where_people_find_the_server(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    reading = Reading(engine, lambda: datetime.now(UTC), public_url="https://runs.example/exporter")
    assert reading.api_link(ID) == f"https://runs.example/exporter/api/pipeline/executions/{ID}"


def test_a_link_is_relative_where_nobody_said_where_the_server_is(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    assert Reading(engine, lambda: datetime.now(UTC)).api_link(ID) == f"/api/pipeline/executions/{ID}"
