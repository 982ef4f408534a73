"""The peculiarities of Airflow that no recording at hand shows, by the shapes that its provider sends."""

from typing import Any

import pytest

from exporter.domain import events as e
from exporter.domain.events import Event, Parent
from exporter.domain.status import Status
from tests.support.model import ModelExecution, executions
from tests.support.openlineage import job_type, only, parent, run_event, told

RUN = "manual__2026-11-22T01:00:00+00:00"
LOG = "http://airflow:8080/dags/etl/runs/manual__2026/tasks/load/mapped/3?try_number=1"
LOG_2 = "http://airflow:8080/dags/etl/grid?dag_run_id=manual__2026&task_id=load&base_date=2026&tab=logs"


def at(second: float) -> str:
    return f"2026-11-22T01:00:{second:09.6f}+00:00"


def dag(type_: str, second: float, *, state: dict[str, str] | None = None, **facts: Any) -> bytes:
    """An event of a DAG run. `state`: how its tasks ended; `facts`: further ones of the run."""
    dag_run = {"dag_id": "etl", "run_id": RUN, "run_type": "manual", "conf": {}, "start_date": at(0), **facts}
    run_facets: dict[str, Any] = {"airflowDagRun": {"dag": {"dag_id": "etl"}, "dagRun": dag_run}}
    if state is not None:
        durations = dict.fromkeys(state, 0.0)
        word = "failed" if type_ == "FAIL" else "success"
        run_facets["airflowState"] = {"dagRunState": word, "tasksState": state, "tasksDuration": durations}
    return run_event(
        type_,
        run=f"dag-{dag_run.get('clear_number', 0)}",
        name="etl",
        time=at(second),
        run_facets=run_facets,
        job_facets=job_type("AIRFLOW", "DAG"),
    )


def task(type_: str, second: float, *, attempt: int = 1, version: str = "3.3.2", **facts: Any) -> bytes:
    """An event of task `load`. `facts`: more of its `task` and its `instance`, and further facets."""
    facets: dict[str, Any] = {
        "airflow": {
            "dag": {"dag_id": "etl"},
            "dagRun": {"dag_id": "etl", "run_id": RUN, "run_type": "manual", "start_date": at(0)},
            "task": {"task_id": "load", "operator_class": "PythonOperator", **facts.pop("task", {})},
            "taskInstance": {"try_number": attempt, **facts.pop("instance", {})},
        },
        "processing_engine": {"name": "Airflow", "version": version},
        **parent("dag-0", "etl"),
        **facts,
    }
    return run_event(
        type_,
        run=f"task-{attempt}",
        name="etl.load",
        time=at(second),
        run_facets=facets,
        job_facets=job_type("AIRFLOW", "TASK"),
    )


def one(sent: list[bytes]) -> ModelExecution:
    (execution,) = executions(told(sent)).values()
    return execution


def test_a_dag_run_is_named_as_airflow_names_it() -> None:
    events = told([dag("START", 0), task("START", 1)])
    assert {(event.source, event.namespace) for event in events} == {("airflow", "airflow")}
    assert {event.payload.pipeline for event in events} == {"etl"}
    started, stage = only(events, e.ExecutionStarted), only(events, e.StageStarted)
    assert started.execution == stage.execution == RUN
    assert (started.kind, started.trigger) == ("dag", "manual")


def test_a_cleared_dag_run_starts_again_under_its_own_name() -> None:
    first = [
        dag("START", 0),
        task("START", 1),
        task("FAIL", 2),
        dag("FAIL", 3, state={"load": "failed"}),
    ]
    again = [
        dag("START", 20, clear_number=1, start_date=at(20)),
        task("START", 21, attempt=2),
        task("COMPLETE", 22, attempt=2),
    ]
    end = dag("COMPLETE", 23, clear_number=1, start_date=at(20), state={"load": "success"})
    running = one(first + again)
    assert (running.status, running.ends) == (Status.RUNNING, 1)
    # What was settled before speaks of the attempts before.
    assert running.stages[("load",), None].status is Status.SUCCEEDED
    ended = one([end, *again, *first])
    assert (ended.status, ended.ends, ended.duration) == (Status.SUCCEEDED, 2, 3.0)
    attempts = ended.stages[("load",), None].attempts
    assert [attempt.status for attempt in attempts] == [Status.FAILED, Status.SUCCEEDED]


def test_the_run_after_of_a_cleared_run_is_no_queue_time() -> None:
    facts: dict[str, Any] = {"run_after": at(0), "start_date": at(20), "clear_number": 1}
    assert one([dag("START", 20, **facts)]).queued_at is None
    waited = one([dag("START", 2, run_after=at(0), start_date=at(2))])
    assert waited.queued_at is not None
    assert one([dag("START", 2, run_after=at(0), start_date=at(2), run_type="scheduled")]).queued_at is None


def test_a_deferred_task_starts_twice_and_is_one_attempt() -> None:
    execution = one([task("START", 5), task("START", 1), task("COMPLETE", 9)])
    (attempt,) = execution.stages[("load",), None].attempts
    assert (attempt.status, attempt.duration) == (Status.SUCCEEDED, 8.0)


def test_a_sensor_that_gave_up_softly_is_skipped_whether_it_told_its_end_or_not() -> None:
    end = dag("COMPLETE", 9, state={"load": "skipped"})
    for sent in ([task("START", 1), end], [task("START", 1), task("COMPLETE", 8), end]):
        assert one(sent).stages[("load",), None].status is Status.SKIPPED


def test_a_state_that_is_no_end_settles_nothing() -> None:
    end = dag("FAIL", 9, state={"load": "running", "later": "scheduled", "odd": "no_such_word"})
    execution = one([task("START", 1), end])
    assert execution.stages[("load",), None].status is Status.LOST
    assert set(execution.stages) == {(("load",), None)}


def test_a_task_without_a_state_is_not_settled() -> None:
    events = told([dag("FAIL", 9, state={"load": None, "a": "removed"})])  # type: ignore[dict-item]
    settled = only(events, e.StageSettled)
    assert (settled.stage, settled.status, settled.source_status) == ("a", "skipped", "removed")
    assert settled.duration_seconds is None


def test_the_word_of_the_database_is_kept() -> None:
    ended = only(told([dag("FAIL", 9, state={})]), e.ExecutionFinished)
    assert (ended.status, ended.source_status, ended.conclusive) == ("failed", "failed", False)


def test_a_triggered_dag_is_an_execution_and_its_parent_the_dag_that_triggered_it() -> None:
    facets = {
        "airflowDagRun": {"dagRun": {"dag_id": "child", "run_id": "manual__x"}},
        **parent("task-run", "shop.etl.trigger", root=parent("dag-run", "shop.etl")),
    }
    events = told([run_event(name="child", run_facets=facets, job_facets=job_type("AIRFLOW", "DAG"))])
    started = only(events, e.ExecutionStarted)
    assert (started.execution, started.parent) == ("manual__x", Parent("shop.etl", "task-run"))
    # Farther down, the root is another DAG than the one that triggered.
    facets = {**facets, **parent("task-run", "middle.trigger", root=parent("top-run", "top"))}
    events = told([run_event(name="child", run_facets=facets, job_facets=job_type("AIRFLOW", "DAG"))])
    assert only(events, e.ExecutionStarted).parent == Parent("middle", "task-run")


def test_what_does_not_name_its_dag_run_is_left_out() -> None:
    query = {**parent("task-run", "etl.load", root=parent("dag-run", "etl"))}
    assert (
        told([run_event(name="etl.load.query.1", run_facets=query, job_facets=job_type("AIRFLOW", "QUERY"))])
        == []
    )
    by_hand = parent("dag-run", "etl")
    sent = run_event("COMPLETE", name="etl.load", run_facets=by_hand, job_facets=job_type("AIRFLOW", "TASK"))
    assert told([sent]) == []


def test_a_provider_that_names_no_dag_run_at_its_end_is_taken_by_its_own_id() -> None:
    facets = {"airflowState": {"dagRunState": "success", "tasksState": {}, "tasksDuration": {}}}
    events = told(
        [
            run_event(
                "COMPLETE", run="u-1", name="etl", run_facets=facets, job_facets=job_type("AIRFLOW", "DAG")
            )
        ]
    )
    assert only(events, e.ExecutionFinished).execution == "u-1"


@pytest.mark.parametrize(
    ("instance", "index"), [({"map_index": 3}, "3"), ({"map_index": -1}, None), ({}, None)]
)
def test_a_mapped_instance_is_an_index(instance: dict[str, int], index: str | None) -> None:
    assert only(told([task("START", 1, instance=instance)]), e.StageStarted).index == index


def test_before_2_10_a_task_that_succeeded_told_the_next_try() -> None:
    execution = one([task("START", 1, version="2.9.3"), task("COMPLETE", 2, attempt=2, version="2.9.3")])
    assert [attempt.number for attempt in execution.stages[("load",), None].attempts] == [1]


def test_airflow_2_tells_how_long_a_try_took_and_waited() -> None:
    sent = [
        task("START", 5, attempt=2, instance={"queued_dttm": at(3), "duration": 99.0}),
        task("FAIL", 7.01, attempt=2, instance={"queued_dttm": at(3), "duration": 2.0}),
    ]
    attempt = one(sent).stages[("load",), None].attempts[0]
    assert attempt.duration == 2.0
    assert attempt.episode.queued_at is not None
    assert attempt.episode.queued_at.second == 3


def test_the_databases_own_times_win_where_they_are_told() -> None:
    told_times = {"start_date": at(1), "end_date": at(8)}
    attempt = (
        one([task("START", 3), task("COMPLETE", 9, instance=told_times)]).stages[("load",), None].attempts[0]
    )
    assert attempt.duration == 7.0


@pytest.mark.parametrize(
    ("attempt", "retries", "stack", "retry"),
    [
        (1, 1, "ValueError: x", True),
        (2, 1, "ValueError: x", False),
        (1, None, "ValueError: x", False),
        (1, 3, "airflow.exceptions.AirflowFailException: no", False),
    ],
)
def test_a_failed_try_says_whether_another_follows(
    attempt: int, retries: int | None, stack: str, retry: bool
) -> None:
    error: dict[str, Any] = {"errorMessage": {"message": "x", "stackTrace": stack}}
    events = told([task("FAIL", 2, attempt=attempt, task={"retries": retries}, **error)])
    assert only(events, e.StageFinished).retry is retry


@pytest.mark.parametrize(
    ("log", "link"),
    [
        (LOG, "http://airflow:8080/dags/etl/runs/manual__2026"),
        (LOG_2, "http://airflow:8080/dags/etl/grid?dag_run_id=manual__2026"),
        ("http://airflow:8080/log?execution_date=2026", None),
        ("javascript:alert(1)/tasks/x", None),
        (None, None),
    ],
)
def test_the_page_of_a_dag_run_is_known_from_the_log_of_a_task(log: str | None, link: str | None) -> None:
    events = told([task("START", 1, instance={"log_url": log})])
    links = [event.payload.link for event in events if isinstance(event.payload, e.ExecutionHeartbeat)]
    assert links == ([] if link is None else [link])


def test_a_dag_describes_itself() -> None:
    facets: dict[str, Any] = {
        "airflowDagRun": {
            "dag": {
                "dag_id": "etl",
                "description": "nightly",
                "owner": "ops",
                "timetable": {"expression": "0 3 * * *", "timezone": "Europe/Berlin"},
            },
            "dagRun": {"dag_id": "etl", "run_id": RUN, "conf": {"day": "2026-11-22", "n": 3}},
        }
    }
    tasks = {
        "a": {"operator": "airflow.operators.bash.BashOperator", "downstream_task_ids": ["b", "gone"]},
        "b": {"operator": 3, "downstream_task_ids": "['c']"},
        "c": None,
    }
    job = {**job_type("AIRFLOW", "DAG"), "airflow": {"tasks": tasks}}
    events = told([run_event(name="etl", run_facets=facets, job_facets=job)])
    declared = only(events, e.PipelineDeclared)
    assert declared.stages == [
        e.StageDeclaration("a", kind="BashOperator"),
        e.StageDeclaration("b", depends_on=["a"]),
        e.StageDeclaration("c", depends_on=["b"]),
    ]
    assert (declared.owner, declared.description) == ("ops", "nightly")
    assert declared.schedule == e.Schedule("0 3 * * *", timezone="Europe/Berlin")
    assert only(events, e.ExecutionStarted).parameters == {"day": "2026-11-22", "n": 3}


def test_a_reason_is_the_type_of_a_dag_runs_error() -> None:
    facets = {
        "errorMessage": {"message": "task_failure"},
        "airflowDagRun": {"dagRun": {"dag_id": "etl", "run_id": RUN}},
    }
    events: list[Event] = told([run_event("FAIL", run_facets=facets, job_facets=job_type("AIRFLOW", "DAG"))])
    error = only(events, e.ExecutionFinished).error
    assert error is not None
    assert error.type == "task_failure"
