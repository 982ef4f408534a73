"""The peculiarities of dbt that no recording at hand shows, by the shapes that its wrapper sends."""

from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.events import Parent
from exporter.domain.status import Status
from tests.support.model import executions
from tests.support.openlineage import job_type, only, parent, run_event, told

DAG = parent("dag-run", "dag", namespace="airflow_prod")
TASK = parent("task-run", "dag.dbt", namespace="airflow_prod", root=DAG)
INVOCATION = parent("dbt-1", "dbt-run-shop")
UNDER_AIRFLOW = parent("dbt-1", "dbt-run-shop", root=DAG)
SHOP = {"dbt_run": {"project_name": "shop", "invocation_id": "i"}}


def producer(version: str = "1.54.0") -> str:
    return f"https://github.com/OpenLineage/OpenLineage/tree/{version}/integration/dbt"


def node(type_: str, kind: str, name: str, *, version: str = "1.54.0", **more: Any) -> bytes:
    """An event of a node. `more`: `unique_id`, `run_facets`, `inputs`."""
    facets = job_type("DBT", kind)
    if "unique_id" in more:
        facets["dbt_node"] = {"unique_id": more.pop("unique_id")}
    run_facets = {**INVOCATION, **SHOP, **more.pop("run_facets", {})}
    return run_event(
        type_, name=name, producer=producer(version), job_facets=facets, run_facets=run_facets, **more
    )


def found_in_orders(*assertions: dict[str, Any]) -> list[dict[str, Any]]:
    facet = {"dataQualityAssertions": {"assertions": list(assertions)}}
    return [{"namespace": "db", "name": "dbt.main.orders", "facets": facet, "inputFacets": facet}]


def statuses(sent: list[bytes]) -> dict[str, Status]:
    (execution,) = executions(told(sent)).values()
    return {"/".join(path): stage.status for (path, _), stage in execution.stages.items()}


def test_an_invocation_is_an_execution_whoever_started_it() -> None:
    body = run_event(name="dbt-run-shop", run="dbt-1", job_facets=job_type("DBT", "JOB"), run_facets=TASK)
    (event, *_) = told([body])
    started = only([event], e.ExecutionStarted)
    assert (event.source, event.namespace) == ("dbt", "ns")
    assert (started.pipeline, started.execution, started.parent) == (
        "dbt-run-shop",
        "dbt-1",
        Parent("dag", "dag-run"),
    )


def test_an_invocation_that_was_stopped_is_cancelled() -> None:
    body = run_event(
        "ABORT", name="dbt-run-shop", job_facets=job_type("DBT", "JOB"), time="2026-11-22T01:00:00.5"
    )
    assert only(told([body]), e.ExecutionFinished).status == "cancelled"


def test_a_node_belongs_to_its_parent_even_if_the_root_is_an_orchestrators() -> None:
    body = node(
        "START", "MODEL", "model.shop.orders", run_facets=UNDER_AIRFLOW, unique_id="model.shop.orders"
    )
    started = only(told([body]), e.StageStarted)
    assert (started.pipeline, started.execution, started.parent) == ("dbt-run-shop", "dbt-1", [])
    assert (started.stage, started.attempt, started.kind) == ("model.shop.orders", 1, "model")


def test_a_statement_is_below_its_node_if_its_invocation_is_told() -> None:
    name = "model.shop.orders.sql.2"
    known = parent("node-1", "model.shop.orders", root=INVOCATION)
    started = only(told([node("START", "SQL", name, run_facets=known)]), e.StageStarted)
    assert (started.execution, started.parent, started.stage, started.index) == (
        "dbt-1",
        ["model.shop.orders"],
        "sql",
        "2",
    )
    assert (
        told([node("START", "SQL", name, run_facets=parent("node-1", "model.shop.orders", root=DAG))]) == []
    )


@pytest.mark.parametrize(
    ("kind", "name", "stage"),
    [
        ("MODEL", "db.main.shop.orders", "model.shop.orders"),
        ("MODEL", "db.main.shop.orders.build.run", "model.shop.orders"),
        ("SNAPSHOT", "db.main.shop.orders_history.snapshot", "snapshot.shop.orders_history"),
        ("SEED", "seed.shop.raw_orders", "seed.shop.raw_orders"),
        ("", "unit_test.shop.orders.totals", "unit_test.shop.orders.totals"),
        ("MODEL", "odd", "odd"),
    ],
)
def test_an_old_client_tells_the_node_in_the_name_of_its_job(kind: str, name: str, stage: str) -> None:
    assert only(told([node("START", kind, name)]), e.StageStarted).stage == stage


@pytest.mark.parametrize(("word", "status"), [("ABORT", Status.SKIPPED), ("OTHER", Status.SKIPPED)])
def test_a_node_that_dbt_left_out_is_skipped(word: str, status: Status) -> None:
    sent = [node(type_, "MODEL", "m", unique_id="model.shop.m") for type_ in ("START", word)]
    assert statuses(sent) == {"model.shop.m": status}


def test_edges_are_guessed_from_how_the_datasets_were_made() -> None:
    inputs = [
        {
            "namespace": "db",
            "name": "dbt.raw.orders",
            "facets": {"dbt_model": {"config": {"materialized": "seed"}}},
        },
        {
            "namespace": "db",
            "name": "dbt.main.items",
            "facets": {"dbt_model": {"config": {"materialized": "view"}}},
        },
        {
            "namespace": "db",
            "name": "dbt.main.totals",
            "facets": {"dbt_model": {"config": {"materialized": "table"}}},
        },
        {"namespace": "db", "name": "elsewhere.source"},
    ]
    started = only(
        told([node("START", "MODEL", "x", unique_id="model.shop.totals", inputs=inputs)]), e.StageStarted
    )
    assert started.depends_on == ["seed.shop.orders", "model.shop.items"]


ASSERTIONS = (
    {"assertion": "unique", "name": "unique_orders_id", "success": True, "severity": "error", "actual": "0"},
    {
        "assertion": "not_null",
        "name": "not_null_orders_id",
        "success": False,
        "severity": "error",
        "actual": "3",
    },
    {
        "assertion": "not_null",
        "name": "not_null_orders_note",
        "success": False,
        "severity": "warn",
        "actual": "2",
    },
    {"assertion": "unique", "name": "unique_orders_key", "success": False, "severity": "warn"},
)


def test_in_the_burst_each_assertion_is_a_test() -> None:
    burst: dict[str, Any] = {"unique_id": "model.shop.orders", "inputs": found_in_orders(*ASSERTIONS)}
    sent = [node(type_, "TEST", "db.main.shop.orders.build.test", **burst) for type_ in ("START", "FAIL")]
    assert statuses(sent) == {
        "test.shop.unique_orders_id": Status.SUCCEEDED,
        "test.shop.not_null_orders_id": Status.FAILED,
        "test.shop.not_null_orders_note": Status.SUCCEEDED,
        # Nobody counted what it found: `dbt build` never got to it.
        "test.shop.unique_orders_key": Status.SKIPPED,
    }
    events = told(sent)
    checked = [event.payload.rules for event in events if isinstance(event.payload, e.RecordsChecked)]
    assert checked == [{"unique_orders_id": 0}, {"not_null_orders_id": 3}, {"not_null_orders_note": 2}]
    assert only(events, e.WarningRaised).stage == "test.shop.not_null_orders_note"
    failed = next(
        x.payload for x in events if isinstance(x.payload, e.StageFinished) and x.payload.status == "failed"
    )
    assert failed.error is not None
    assert (failed.error.category, failed.depends_on) == ("data_quality", ["model.shop.orders"])


@pytest.mark.parametrize(
    ("name", "version"),
    [("db.main.shop.orders.test", "1.54.0"), ("db.main.shop.orders.build.test", "1.46.0")],
)
def test_a_test_without_a_figure_failed_where_nothing_is_skipped_or_nobody_counts(
    name: str, version: str
) -> None:
    uncounted = {"assertion": "unique", "name": "u", "success": False, "severity": "error"}
    body = node(
        "FAIL",
        "TEST",
        name,
        version=version,
        unique_id="model.shop.orders",
        inputs=found_in_orders(uncounted),
    )
    assert statuses([body]) == {"test.shop.u": Status.FAILED}


def test_an_assertion_without_a_name_is_called_as_dbt_would() -> None:
    nameless = {"assertion": "not_null", "column": "id", "success": True}
    body = node(
        "COMPLETE",
        "TEST",
        "db.main.shop.orders.test",
        unique_id="model.shop.orders",
        inputs=found_in_orders(nameless),
    )
    assert statuses([body]) == {"test.shop.not_null_orders_id": Status.SUCCEEDED}


@pytest.mark.parametrize(
    ("test", "message", "status"),
    [
        ({"status": "fail", "actual": "4"}, None, Status.FAILED),
        ({"status": "fail"}, None, Status.SKIPPED),
        ({"status": "fail"}, "Got 4 results", Status.FAILED),
    ],
)
def test_a_test_of_plain_sql_that_came_to_no_figure_was_skipped(
    test: dict[str, str], message: str | None, status: Status
) -> None:
    facets: dict[str, Any] = {"test": {"tests": [{"name": "test.shop.positive", **test}]}}
    sent = [node("START", "TEST", "test.shop.positive", unique_id="test.shop.positive", run_facets=facets)]
    assert told(sent) == []
    if message is not None:
        facets["errorMessage"] = {"message": message}
    sent.append(node("FAIL", "TEST", "test.shop.positive", unique_id="test.shop.positive", run_facets=facets))
    assert statuses(sent) == {"test.shop.positive": status}


def test_the_two_accounts_of_a_test_of_plain_sql_are_one_stage() -> None:
    one = {"assertion": "positive", "name": "positive", "success": False, "severity": "error"}
    facets = {"test": {"tests": [{"name": "test.shop.positive", "status": "fail"}]}}
    alone = node("FAIL", "TEST", "test.shop.positive", unique_id="test.shop.positive", run_facets=facets)
    burst: dict[str, Any] = {"unique_id": "model.shop.orders", "inputs": found_in_orders(one)}
    # `dbt test` skips nothing, so there it broke down; `dbt build` does.
    assert statuses([alone, node("FAIL", "TEST", "d.m.shop.orders.test", **burst)]) == {
        "test.shop.positive": Status.FAILED
    }
    assert statuses([node("FAIL", "TEST", "d.m.shop.orders.build.test", **burst), alone]) == {
        "test.shop.positive": Status.SKIPPED
    }


def test_a_model_leaves_its_table_and_a_test_leaves_nothing() -> None:
    outputs = [
        {
            "namespace": "db",
            "name": "dbt.main.orders",
            "outputFacets": {"outputStatistics": {"rowCount": 9, "size": 1}},
        }
    ]
    events = told([node("COMPLETE", "MODEL", "m", unique_id="model.shop.orders", outputs=outputs)])
    assert only(events, e.ArtifactProduced).bytes == 1
    assert only(events, e.StageFinished).items == e.Items(out=9)
    tested = told([node("COMPLETE", "TEST", "t", unique_id="test.shop.t", outputs=outputs)])
    assert [type(event.payload) for event in tested] == [e.StageFinished]


def test_how_long_a_failing_command_took_is_no_part_of_its_error() -> None:
    """Else no two failures would be of one kind."""
    message = "Command `dbt run` failed at 13:41:15.628543 after 13.53 seconds"
    facets = {"errorMessage": {"message": message, "programmingLanguage": "sql"}}
    body = run_event("FAIL", name="dbt-run-shop", job_facets=job_type("DBT", "JOB"), run_facets=facets)
    error = only(told([body]), e.ExecutionFinished).error
    assert error is not None
    assert error.message == "Command `dbt run` failed"
