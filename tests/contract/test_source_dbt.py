"""dbt's target folder: what comes of it is what its run results say."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from exporter.domain import events as e
from exporter.store import schema
from tests.support.sources import STATE, problems, reading, source, told

STATUSES = {
    "success": "succeeded",
    "pass": "succeeded",
    "warn": "succeeded",
    "error": "failed",
    "fail": "failed",
}


def results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((STATE / "dbt" / name / "run_results.json").read_text())
    return found


def run(name: str, target: Path) -> str:
    """As dbt leaves it: the files of the last invocation are overwritten."""
    for file in (STATE / "dbt" / name).iterdir():
        shutil.copyfile(file, target / file.name)
    invocation: str = results(name)["metadata"]["invocation_id"]
    return invocation


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["run_fails", "build"])
def test_nodes_are_stages_with_dbts_own_figures(name: str, target: Path, sqlite_url: str) -> None:
    invocation = run(name, target)
    with reading(sqlite_url, source("dbt", target)) as read:
        read.round()
        assert read.statuses("shop") == {invocation: "failed"}
        stages = {stage: found for (stage, _, _), found in read.stages(invocation).items()}
        assert stages == {
            one["unique_id"]: (STATUSES.get(one["status"], "skipped"), one["status"])
            for one in results(name)["results"]
        }
        with read.store.engine.connect() as connection:
            rows = {row["name"]: row for row in connection.execute(select(schema.stages)).mappings()}
    ran = [one for one in results(name)["results"] if one["timing"]]
    assert ran
    for one in ran:
        row = rows[one["unique_id"]]
        lasted = (row["ended_at"] - row["started_at"]) / 1e6
        assert lasted == pytest.approx(one["execution_time"], abs=0.001)
    assert problems(source("dbt", target)) == []


def test_the_manifest_beside_it_gives_edges_among_what_ran(target: Path) -> None:
    run("build", target)
    edges = {
        one.payload.stage: one.payload.depends_on
        for one in told(source("dbt", target))
        if isinstance(one.payload, e.StageFinished)
    }
    assert edges["model.shop.good_customers"] == ["model.shop.customers"]
    assert edges["seed.shop.raw_orders"] == []
    run("run_fails", target)
    edges = {
        one.payload.stage: one.payload.depends_on
        for one in told(source("dbt", target))
        if isinstance(one.payload, e.StageFinished)
    }
    # The seed was not part of this invocation.
    assert edges["model.shop.stg_orders"] == []


def test_without_a_manifest_the_rest_is_told(target: Path, sqlite_url: str) -> None:
    invocation = run("build", target)
    for text in (None, "{", '{"nodes": 5}'):
        (target / "manifest.json").unlink(missing_ok=True)
        if text is not None:
            (target / "manifest.json").write_text(text)
        with reading(sqlite_url, source("dbt", target)) as read:
            read.round()
            assert read.statuses("shop") == {invocation: "failed"}
            assert len(read.stages(invocation)) == 12


def test_a_file_that_each_run_overwrites_gives_each_run_once(target: Path, sqlite_url: str) -> None:
    with reading(sqlite_url, source("dbt", target)) as read:
        runs = []
        for name in ("run_fails", "build"):
            runs.append(run(name, target))
            read.round()
            read.round()
        assert sorted(read.statuses("shop")) == sorted(runs)
        assert read.metric("source_rows_total", source="ours") == 2
        count = read.count()
        read.forget()
        read.round()
        assert read.count() == count


def test_errors_tests_and_warnings_are_told_once(target: Path) -> None:
    run("build", target)
    found = [one.payload for one in told(source("dbt", target))]
    (failed,) = [one for one in found if isinstance(one, e.StageFinished) and one.error is not None]
    assert failed.error is not None
    assert (failed.stage, failed.error.category) == (
        "test.shop.not_null_stg_orders_customer.e281953e2b",
        "data_quality",
    )
    assert (failed.error.type, failed.error.message) == (
        "TestFailed",
        "Got 1 result, configured to fail if != 0",
    )
    assert not any(isinstance(one, e.ExecutionFinished) and one.error for one in found)
    rules = [one.rules for one in found if isinstance(one, e.RecordsChecked)]
    assert {"not_null_stg_orders_customer": 1} in rules
    assert {"unique_stg_orders_id": 0} in rules
    (warning,) = [one for one in found if isinstance(one, e.WarningRaised)]
    assert warning.stage == "test.shop.customer_warns.44a06e4171"


def test_an_error_is_of_the_kind_that_dbt_names(target: Path) -> None:
    run("run_fails", target)
    (error,) = [
        one.payload.error
        for one in told(source("dbt", target))
        if isinstance(one.payload, e.StageFinished) and one.payload.error is not None
    ]
    assert error.type == "RuntimeError"
    assert error.message.startswith("Runtime Error in model fragile")
    assert error.category is None


def test_what_was_told_in_variables_is_not_kept(target: Path) -> None:
    told_ = results("run_fails")
    told_["args"] |= {"vars": {"password": "secret"}, "select": ["orders+"]}
    (target / "run_results.json").write_text(json.dumps(told_))
    (started,) = [one for one in told(source("dbt", target)) if isinstance(one.payload, e.ExecutionStarted)]
    assert isinstance(started.payload, e.ExecutionStarted)
    assert started.payload.parameters == {"select": ["orders+"]}
    assert started.payload.labels == {"command": "run", "dbt_version": "1.11.16"}


def test_an_older_dbt_does_not_say_when_it_began(target: Path) -> None:
    told_ = results("run_fails")
    del told_["metadata"]["invocation_started_at"]
    (target / "run_results.json").write_text(json.dumps(told_))
    (started,) = [one for one in told(source("dbt", target)) if isinstance(one.payload, e.ExecutionStarted)]
    generated = datetime.fromisoformat(told_["metadata"]["generated_at"])
    assert generated - started.time == timedelta(seconds=told_["elapsed_time"])


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"metadata": {"invocation_id": 5}, "results": []}', "\x00" * 10]
)
def test_what_dbt_did_not_write_is_named(target: Path, text: str) -> None:
    (target / "run_results.json").write_text(text)
    (problem,) = problems(source("dbt", target))
    assert problem.startswith("run_results.json: not what dbt writes: ")


def test_a_file_that_is_being_written_is_read_when_it_is_whole(target: Path, sqlite_url: str) -> None:
    text = (STATE / "dbt" / "build" / "run_results.json").read_text()
    file = target / "run_results.json"
    with reading(sqlite_url, source("dbt", target)) as read:
        file.write_text(text[:1000])
        read.now = file.stat().st_mtime
        read.round(seconds=1)
        assert read.metric("source_errors_total", source="ours", reason="row") == 0
        file.write_text(text)
        read.round(seconds=1)
        assert len(read.statuses("shop")) == 1
