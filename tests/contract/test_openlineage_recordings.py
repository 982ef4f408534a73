"""What real OpenLineage clients sent adds up to what really happened, whatever the order of arrival.

How closely, and what each client cannot tell, is in docs/clients.md.
"""

import json
from datetime import UTC
from typing import Any

import msgspec
import pytest

from exporter.domain.status import Status, status_of_word
from tests.support.model import ModelStage
from tests.support.openlineage import OPENLINEAGE, bodies, by_pipeline, moment, shown, stage, told
from tests.support.recordings import recordings, truth


@pytest.mark.parametrize("name", [name for prefix in OPENLINEAGE for name in recordings(prefix)])
def test_all_that_is_translated_is_valid_and_known_again_when_it_is_sent_again(name: str) -> None:
    sent = bodies(name)
    events = told(sent)
    for event in events:
        again = msgspec.json.decode(event.body, type=type(event.payload))
        assert again == event.payload
        assert event.time.tzinfo is UTC
    # Another writer of JSON: other order, other spaces, other escapes.
    rewritten = [
        json.dumps(json.loads(body), sort_keys=True, indent=1, ensure_ascii=False).encode() for body in sent
    ]
    assert [event.identity for event in told(rewritten)] == [event.identity for event in events]
    different = len({event.identity for event in events})
    assert different == len({(event.identity, event.time, event.body) for event in events})


# Airflow ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recordings("airflow", with_truth=True))
def test_airflow_runs_are_as_in_its_database(name: str) -> None:
    found = shown(name)
    runs = truth(name)
    assert set(found) == {(run["dag_id"], run["run_id"]) for run in runs}
    for run in runs:
        execution = found[run["dag_id"], run["run_id"]]
        assert execution.status is status_of_word(run["state"])
        assert execution.started_at == moment(run["start"])
        assert execution.ended_at == moment(run["end"])
        if execution.queued_at is not None:
            assert abs((execution.queued_at - moment(run["queued_at"])).total_seconds()) < 1
        tries: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
        for task in run["tasks"]:
            index = None if task["map_index"] < 0 else str(task["map_index"])
            tries.setdefault((task["task_id"], index), []).append(task)
        assert {(path[0], index) for path, index in execution.stages} == set(tries)
        for (task_id, index), mine in tries.items():
            check_task(stage(execution, task_id, index=index), mine, mapped=index is not None)


def check_task(found: ModelStage, tries: list[dict[str, Any]], *, mapped: bool) -> None:
    tries.sort(key=lambda one: one["try_number"])
    last = tries[-1]
    assert found.status is status_of_word(last["state"])
    if not found.attempts:
        # Nothing was sent: it never ran, or Airflow does not run it at all, as an EmptyOperator.
        assert found.status is Status.SKIPPED or last["operator"] == "EmptyOperator"
        assert (found.duration or 0) == (last["duration"] or 0) == 0
        return
    assert [attempt.number for attempt in found.attempts] == [one["try_number"] for one in tries]
    for attempt, one in zip(found.attempts, tries, strict=True):
        assert attempt.status is status_of_word(one["state"])
        assert attempt.duration is not None
        # The database's figure is told for the last try of what is not mapped, and by Airflow 2 for all.
        exact = one is last and not mapped
        assert attempt.duration == pytest.approx(one["duration"], abs=0.001 if exact else 0.25)


def test_the_edges_of_a_dag_come_from_its_first_event_and_from_its_tasks() -> None:
    events = told(bodies("airflow3-fan_out_in"))
    declared = next(event.payload for event in events if event.payload.type == "pipeline.declared")
    edges = {
        one["name"]: sorted(one.get("depends_on", [])) for one in msgspec.to_builtins(declared)["stages"]
    }
    assert edges == {
        "start": [],
        "branch_a": ["start"],
        "branch_b": ["start"],
        "branch_c": ["start"],
        "join": ["branch_a", "branch_b", "branch_c"],
    }
    (execution,) = by_pipeline("airflow3-fan_out_in").values()
    assert stage(execution, "join").depends_on == {"branch_a", "branch_b", "branch_c"}


def test_airflow_dags_test_sends_no_start_of_the_dag_and_is_a_whole_run_all_the_same() -> None:
    ((_, run_id), execution) = next(iter(shown("airflow3-dags_test_linear_etl").items()))
    assert run_id.startswith("manual__")
    assert execution.status is Status.SUCCEEDED
    assert execution.duration == pytest.approx(10.93752)
    assert {path[0]: one.status for (path, _), one in execution.stages.items()} == dict.fromkeys(
        ("extract", "transform", "load"), Status.SUCCEEDED
    )


# dbt -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recordings("dbt", with_truth=True))
def test_dbt_nodes_are_as_in_its_run_results(name: str) -> None:
    (execution,) = shown(name).values()
    assert execution.pipeline == "dbt-run-shop"
    nodes = truth(name)["nodes"]
    failed = any(node["status"] in ("error", "fail") for node in nodes)
    assert execution.status is (Status.FAILED if failed else Status.SUCCEEDED)
    during = "structured" in name
    expected = {node["id"] if during else without_digest(node["id"]): node for node in nodes}
    if not during:
        # The burst after a run says nothing at all of models that were skipped, nor of seeds.
        expected = {
            id_: node
            for id_, node in expected.items()
            if not id_.startswith("seed.") and (node["status"] != "skipped" or id_.startswith("test."))
        }
    top = {path[0]: one for (path, _), one in execution.stages.items() if len(path) == 1}
    assert set(top) == set(expected)
    for id_, node in expected.items():
        found = top[id_]
        assert found.status is status_of_word(node["status"]), id_
        assert len(found.attempts) == 1
        if node["status"] == "skipped":
            assert not found.duration
        elif during:
            assert found.duration == pytest.approx(node["seconds"], abs=0.02)
        elif id_.startswith("test."):
            assert found.duration is None
        else:
            # Compiling is left out.
            assert found.duration == pytest.approx(node["seconds"], abs=0.06)


def without_digest(id_: str) -> str:
    return id_.rpartition(".")[0] if id_.startswith("test.") and id_.count(".") == 3 else id_


def test_dbt_statements_are_below_their_node_and_count_from_1() -> None:
    (execution,) = shown("dbt-build_structured").values()
    below = [index for path, index in execution.stages if path == ("model.shop.stg_orders", "sql")]
    assert sorted(below, key=str) == [str(number) for number in range(1, 8)]


@pytest.mark.parametrize("name", ["dbt-run_ok", "dbt-build_structured"])
def test_dbt_edges_are_guessed_from_the_datasets_that_a_node_reads(name: str) -> None:
    (execution,) = shown(name).values()
    assert stage(execution, "model.shop.orders_enriched").depends_on == {
        "model.shop.stg_customers",
        "model.shop.stg_orders",
    }
    assert stage(execution, "model.shop.customer_totals").depends_on == {"model.shop.orders_enriched"}


# Dagster ---------------------------------------------------------------------------------------------------


def test_dagster_runs_are_as_in_its_event_log() -> None:
    found = shown("dagster-all")
    runs = truth("dagster-all")
    assert set(found) == {(run["job"], run["run_id"]) for run in runs}
    for run in runs:
        execution = found[run["job"], run["run_id"]]
        assert execution.status is status_of_word(run["status"])
        assert execution.started_at is not None
        assert execution.ended_at is not None
        assert abs((execution.started_at - moment(run["start"])).total_seconds()) < 0.05
        assert abs((execution.ended_at - moment(run["end"])).total_seconds()) < 0.05
        steps = {}
        for step in run["steps"]:
            name, _, key = step["step"].partition("[")
            steps[name, key.removesuffix("]") or None] = step
        assert {(path[0], index) for path, index in execution.stages} == set(steps)
        for (name, index), step in steps.items():
            check_step(stage(execution, name, index=index), step)


def check_step(found: ModelStage, step: dict[str, Any]) -> None:
    assert found.status is status_of_word(step["status"])
    # Retries are not told: whatever was tried within a step is one attempt.
    (attempt,) = found.attempts
    assert attempt.episode.started_at == moment(step["start"])
    assert attempt.episode.ended_at == moment(step["end"])
