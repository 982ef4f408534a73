"""docs/demo.md says of every pipeline of the demo what the code says."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.demo.pipelines import all_pipelines
from tests.support.documents import TEXTS, table
from tests.support.paths import REPOSITORY
from tests.unit.demo.story import of_type, tell, tell_history, text

COLUMNS = ("pipeline", "environment", "what is wrong on purpose", "dashboard", "alert")
DASHBOARDS = REPOSITORY / "provisioning" / "dashboards" / "Pipelines"


def rows() -> list[list[str]]:
    return [[cell.strip("`") for cell in row] for row in table("docs/demo.md", *COLUMNS)]


def uid(file: Path) -> str:
    return str(json.loads(file.read_text(encoding="utf-8"))["uid"])


def test_every_pipeline_has_a_row_and_every_row_a_pipeline() -> None:
    told = [(environment, name) for name, environment, *_ in rows()]
    assert sorted(told) == sorted(pipeline.key for pipeline in all_pipelines())


def test_dashboards_named_exist() -> None:
    assert {dashboard for *_, dashboard, _ in rows()} <= {uid(file) for file in DASHBOARDS.glob("*.json")}


def test_alerts_named_exist_and_are_many() -> None:
    rules = "".join(
        file.read_text(encoding="utf-8") for file in (REPOSITORY / "prometheus/rules").glob("*.yml")
    )
    named = {alert for *_, alert in rows() if alert}
    assert named <= set(re.findall(r"alert: \"?(\w+)", rules))
    assert len(named) >= 6


@pytest.mark.parametrize(
    "row", [row for row in rows() if "nothing" in row[2] and row[0] != "legacy-sftp-import"]
)
def test_what_is_said_to_be_well_is_well(row: list[str]) -> None:
    name, environment, *_ = row
    ends = Counter(
        text(event, "status")
        for event in of_type(tell(timedelta(minutes=10)), "execution.finished")
        if (event.data["pipeline"], event.data["environment"]) == (name, environment)
    )
    assert ends["succeeded"] >= 1
    assert set(ends) <= {"succeeded", "skipped"}


def test_the_paused_one_is_the_one_that_is_said_to_be() -> None:
    assert [name for name, _, wrong, *_ in rows() if "paused" in wrong] == [
        pipeline.name for pipeline in all_pipelines() if pipeline.paused
    ]


def test_the_size_of_a_week_is_about_what_it_is() -> None:
    (said,) = re.findall(r"A week is some ([\d,]+) events", TEXTS["docs/demo.md"])
    told = len(tell_history(timedelta(days=7)))
    assert int(said.replace(",", "")) == pytest.approx(told, rel=0.05)
