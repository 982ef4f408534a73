"""Runs of Dagster: no job type, no root, steps named below their job."""

from exporter.domain import events as e
from exporter.domain.status import Status
from tests.support.model import executions
from tests.support.openlineage import only, parent, run_event, told

PRODUCER = "https://github.com/OpenLineage/OpenLineage/tree/1.38.0/integration/dagster"
ETL = parent("run-1", "etl", namespace="dagster_prod")


def step(type_: str, name: str, *, run: str = "step-1", time: str = "2026-11-22T01:00:05.000001Z") -> bytes:
    return run_event(type_, run=run, name=name, time=time, producer=PRODUCER, run_facets=ETL)


def test_a_run_is_an_execution_of_its_job() -> None:
    (event,) = told([run_event(run="run-1", name="etl", namespace="dagster_prod", producer=PRODUCER)])
    started = only([event], e.ExecutionStarted)
    assert (event.source, event.namespace, started.pipeline, started.kind) == (
        "dagster",
        "dagster",
        "etl",
        "job",
    )


def test_a_mapped_step_is_an_index_of_its_stage() -> None:
    started = only(told([step("START", "etl.work[part_1]")]), e.StageStarted)
    assert (started.stage, started.index, started.execution) == ("work", "part_1", "run-1")


def test_a_step_of_a_graph_keeps_its_whole_name() -> None:
    assert only(told([step("START", "etl.inner.extract")]), e.StageStarted).stage == "inner.extract"


def test_a_step_whose_run_id_changed_is_still_one_attempt() -> None:
    # The sensor that sends the events makes up the ids of steps, and forgets them when it is interrupted.
    later = "2026-11-22T01:00:09Z"
    events = told([step("START", "etl.load", run="a"), step("COMPLETE", "etl.load", run="b", time=later)])
    (execution,) = executions(events).values()
    found = execution.stages[("load",), None]
    assert (found.status, len(found.attempts), found.duration) == (Status.SUCCEEDED, 1, 3.999999)


def test_steps_of_a_cancelled_run_that_never_ended_are_lost() -> None:
    ended = run_event(
        "ABORT",
        run="run-1",
        name="etl",
        namespace="dagster_prod",
        time="2026-11-22T01:00:09Z",
        producer=PRODUCER,
    )
    (execution,) = executions(told([step("START", "etl.load"), ended])).values()
    assert execution.status is Status.CANCELLED
    assert execution.stages[("load",), None].status is Status.LOST
