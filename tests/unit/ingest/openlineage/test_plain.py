"""Runs of integrations that follow the specification: which are executions, which are stages, and of what."""

from datetime import UTC, datetime

import pytest

from exporter.domain import events as e
from exporter.domain.events import Parent
from exporter.domain.status import Status
from tests.support.model import executions
from tests.support.openlineage import job_type, only, parent, run_event, told

NIGHTLY = parent("run-1", "nightly")


def test_a_run_without_a_parent_is_an_execution_named_by_its_own_run_id() -> None:
    (event,) = told([run_event(run="run-1", name="etl.orders", namespace="shop")])
    assert (event.source, event.namespace) == ("openlineage", "shop")
    started = only([event], e.ExecutionStarted)
    assert (started.pipeline, started.execution, started.source_status) == ("etl.orders", "run-1", "START")
    assert event.time == datetime(2026, 11, 22, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "status"),
    [("COMPLETE", "succeeded"), ("FAIL", "failed"), ("ABORT", "cancelled"), ("abort", "cancelled")],
)
def test_an_end_keeps_the_word_of_the_source(word: str, status: str) -> None:
    ended = only(told([run_event(word)]), e.ExecutionFinished)
    assert (ended.status, ended.source_status, ended.conclusive) == (status, word.upper(), True)


def test_the_integration_is_the_source() -> None:
    (event, *_) = told([run_event(job_facets=job_type("FLINK", "JOB"))])
    assert event.source == "flink"


def test_the_job_describes_itself_when_a_run_starts() -> None:
    facets = {
        **job_type("CUSTOM", "QUERY"),
        "ownership": {"owners": [{"name": "team:data"}, {"name": "ops"}]},
        "documentation": {"description": "totals by customer"},
        "tags": {"tags": [{"key": "tier", "value": "gold", "source": "USER"}]},
    }
    declared = only(told([run_event(job_facets=facets)]), e.PipelineDeclared)
    assert (declared.kind, declared.owner, declared.description) == (
        "query",
        "team:data, ops",
        "totals by customer",
    )
    assert declared.labels == {"tier": "gold"}
    assert not [event for event in told([run_event("COMPLETE", job_facets=facets)]) if not _is_end(event)]


def _is_end(event: e.Event) -> bool:
    return isinstance(event.payload, e.ExecutionFinished)


def test_parameters_and_tags_of_a_run_are_kept_and_the_clients_own_tag_is_not() -> None:
    facets = {
        "executionParameters": {
            "parameters": [{"key": "date", "value": "2026-11-22"}, {"key": "n", "value": 3}]
        },
        "tags": {
            "tags": [
                {"key": "team", "value": "data", "source": "USER"},
                {"key": "openlineage_client_version", "value": "1.54.0", "source": "OPENLINEAGE_CLIENT"},
            ]
        },
    }
    started = only(told([run_event(run_facets=facets)]), e.ExecutionStarted)
    assert started.parameters == {"date": "2026-11-22", "n": 3}
    assert started.labels == {"team": "data"}


def test_an_error_has_the_type_that_its_message_or_stack_trace_names() -> None:
    facet = {
        "message": "cannot parse",
        "programmingLanguage": "PYTHON",
        "stackTrace": "Traceback:\nValueError: row 17",
    }
    error = only(told([run_event("FAIL", run_facets={"errorMessage": facet})]), e.ExecutionFinished).error
    assert error is not None
    assert (error.message, error.type, error.category) == ("cannot parse", "ValueError", "serialization")
    assert error.context == {"language": "PYTHON"}


def test_the_nominal_time_is_not_the_start() -> None:
    nominal = {
        "nominalTime": {"nominalStartTime": "2026-11-21T00:00:00Z", "nominalEndTime": "2026-11-22T00:00:00Z"}
    }
    (event,) = told([run_event(run_facets=nominal)])
    assert event.time == datetime(2026, 11, 22, 1, tzinfo=UTC)


def test_a_run_with_a_parent_is_a_stage_named_without_its_parents_name() -> None:
    (event,) = told([run_event(name="nightly.extract", namespace="other", run_facets=NIGHTLY)])
    started = only([event], e.StageStarted)
    assert (started.pipeline, started.execution, event.namespace) == ("nightly", "run-1", "ns")
    assert (started.stage, started.parent, started.attempt, started.attempt_id is not None) == (
        "extract",
        [],
        None,
        True,
    )


def test_below_the_second_level_the_path_begins_at_the_parent() -> None:
    facets = parent("run-2", "nightly.transform", root=NIGHTLY)
    started = only(told([run_event(name="nightly.transform.query_1", run_facets=facets)]), e.StageStarted)
    assert (started.execution, started.parent, started.stage) == ("run-1", ["transform"], "query_1")


def test_another_run_of_the_same_job_is_another_attempt() -> None:
    times = [f"2026-11-22T01:00:0{second}Z" for second in range(4)]
    events = told(
        [
            run_event("START", run="b", name="nightly.load", time=times[0], run_facets=NIGHTLY),
            run_event("FAIL", run="b", name="nightly.load", time=times[1], run_facets=NIGHTLY),
            run_event("START", run="a", name="nightly.load", time=times[2], run_facets=NIGHTLY),
            run_event("COMPLETE", run="a", name="nightly.load", time=times[3], run_facets=NIGHTLY),
        ]
    )
    (execution,) = executions(events).values()
    assert [attempt.status for attempt in execution.stages[("load",), None].attempts] == [
        Status.FAILED,
        Status.SUCCEEDED,
    ]


def test_a_stage_that_only_tells_that_it_runs_runs() -> None:
    (execution,) = executions(told([run_event("RUNNING", name="nightly.load", run_facets=NIGHTLY)])).values()
    assert execution.status is Status.RUNNING
    assert execution.stages[("load",), None].status is Status.RUNNING


@pytest.mark.parametrize(
    "facet", [{}, {"run": {}}, {"run": {"runId": "x"}}, {"run": {"runId": "x"}, "job": 3}, 3]
)
def test_a_parent_that_is_not_named_is_none(facet: object) -> None:
    only(told([run_event(run_facets={"parent": facet})]), e.ExecutionStarted)


def test_a_run_that_claims_to_be_its_own_parent_stands_alone() -> None:
    only(told([run_event(run="run-1", run_facets=NIGHTLY)]), e.ExecutionStarted)


def test_a_spark_application_is_an_execution_whoever_started_it() -> None:
    facets = parent("task-run", "dag.submit", root=parent("dag-run", "dag"))
    events = told(
        [run_event(name="orders_app", run_facets=facets, job_facets=job_type("SPARK", "APPLICATION"))]
    )
    started = only(events, e.ExecutionStarted)
    assert started.parent == Parent("dag.submit", "task-run")


def test_a_spark_job_is_a_stage_of_its_application_whoever_is_the_root() -> None:
    facets = parent("app-run", "orders_app", root=parent("dag-run", "dag"))
    name = "orders_app.execute_insert_into.orders"
    events = told([run_event(name=name, run_facets=facets, job_facets=job_type("SPARK", "SQL_JOB"))])
    started = only(events, e.StageStarted)
    assert (started.pipeline, started.execution, started.parent) == ("orders_app", "app-run", [])
    assert started.stage == "execute_insert_into.orders"


def test_rows_are_items_and_what_is_written_is_an_artifact() -> None:
    read = [{"namespace": "db", "name": n, "inputFacets": {"inputStatistics": {"rowCount": 5}}} for n in "ab"]
    written = [
        {
            "namespace": "s3://b/",
            "name": "out",
            "outputFacets": {"outputStatistics": {"rowCount": 7, "size": -1}},
        },
        {"name": "plain"},
        {"namespace": "db"},
        "nonsense",
    ]
    events = told([run_event("COMPLETE", name="x", run_facets=NIGHTLY, inputs=read, outputs=written)])  # type: ignore[arg-type]
    assert only(events, e.StageFinished).items == e.Items(in_=10, out=7)
    found = [event.payload for event in events if isinstance(event.payload, e.ArtifactProduced)]
    assert [(one.name, one.uri, one.bytes, one.stage) for one in found] == [
        ("out", "s3://b/out", None, "x"),
        ("plain", "plain", None, "x"),
    ]


def test_what_a_failed_run_would_have_written_is_no_artifact() -> None:
    events = told([run_event("FAIL", outputs=[{"namespace": "db", "name": "out"}])])
    assert len(events) == 1


def test_a_broken_assertion_counts_its_failures_or_once() -> None:
    assertions = [
        {"assertion": "not_null", "column": "id", "success": False, "actual": "7", "expected": "0"},
        {"assertion": "mean_between", "name": "mean", "success": False, "actual": "12.5", "expected": "> 20"},
        {"assertion": "unique", "success": True, "actual": "0"},
        {"assertion": "vague"},
    ]
    facet = {"dataQualityAssertions": {"assertions": assertions}}
    inputs = [{"namespace": "db", "name": "shop.orders", "inputFacets": facet, "facets": facet}]
    checked = only(told([run_event("COMPLETE", inputs=inputs)]), e.RecordsChecked)
    assert checked.rules == {"not_null_orders_id": 7, "mean": 1, "unique_orders": 0}
    assert not [
        x for x in told([run_event("RUNNING", inputs=inputs)]) if isinstance(x.payload, e.RecordsChecked)
    ]
