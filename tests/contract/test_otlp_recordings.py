"""What real OTLP clients sent adds up to what really happened, whatever the order of arrival.

How closely, and what each client cannot tell, is in docs/clients.md.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from exporter.domain.events import LlmCalled, StageFinished
from exporter.domain.status import status_of_word
from exporter.domain.times import to_micros
from exporter.store import schema
from tests.support.openlineage import bodies, moment, told
from tests.support.otlp import NAMES, ORDERS, Gathered, batches, gathered, put_all
from tests.support.recordings import recorded, recordings, truth

WORDS = {"Completed": "succeeded", "Failed": "failed", "TimedOut": "timed_out"}
TOLD_TWICE = {
    "genai-openinf_anthropic",
    "genai-openinf_dspy",
    "genai-openinf_llamaindex",
    "genai-traceloop_twice",
}
"""Calls that a framework and a client tell. The first to arrive counts, so figures may depend on the order."""

CLIENT_FIRST = {"genai-openinf_langchain_client"}
"""Calls that count once if the client's span, which ends first, does not arrive in a later request than the chain's."""

BY_NUMBER = {"otel-cicd_gzip", "otel-cicd_json", "otel-cicd_proto"}


def shown(url: str, name: str, order: str = "in order") -> dict[tuple[str, str, str], dict[str, Any]]:
    with gathered(url) as store:
        put_all(store, ORDERS[order](batches(name)))
        store.store.pass_time(30)
        return store.rows()


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each recording comes to in the order in which it was sent."""
    found: dict[str, Any] = {}
    for name in NAMES:
        with gathered(f"sqlite:///{tmp_path_factory.mktemp('order')}/x.db") as store:
            put_all(store, batches(name))
            store.store.pass_time(30)
            found[name] = (store.rows(), store.calls())
    return found


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "in order"])
@pytest.mark.parametrize("name", NAMES)
def test_rows_and_calls_are_the_same_for_every_order(
    sqlite_url: str, in_order: dict[str, Any], name: str, order: str
) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, ORDERS[order](batches(name)))
        store.store.pass_time(30)
        if name in CLIENT_FIRST and order not in ("doubled", "all at once"):
            assert told_once(store.rows(), [])[0] == told_once(in_order[name][0], [])[0]
        elif name in TOLD_TWICE:
            assert told_once(store.rows(), store.calls()) == told_once(*in_order[name])
        else:
            assert (store.rows(), store.calls()) == in_order[name]


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_the_same_when_every_span_comes_after_patience_is_over(
    sqlite_url: str, in_order: dict[str, Any], name: str
) -> None:
    with gathered(sqlite_url) as store:
        for batch in ORDERS["shuffled"](batches(name)):
            store.put(*batch)
            store.store.pass_time(31)
        rows = store.rows()
        if name in TOLD_TWICE | CLIENT_FIRST:
            assert told_once(rows, [])[0] == told_once(in_order[name][0], [])[0]
        else:
            assert rows == in_order[name][0]


@pytest.mark.parametrize("name", ["otel-cicd_proto", "prefect-otel", "celery-otel", "genai-v2_error"])
def test_rows_are_the_same_on_postgresql(
    migrated_postgresql_url: str, in_order: dict[str, Any], name: str
) -> None:
    with gathered(migrated_postgresql_url) as store:
        for batch in ORDERS["doubled and shuffled"](batches(name)):
            store.put(*batch)
            store.store.pass_time(11)
        assert store.rows() == in_order[name][0]


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_sent_again_brings_nothing_new(sqlite_url: str, name: str) -> None:
    with gathered(sqlite_url) as store:
        for batch in batches(name):
            assert all(store.put(*batch))
        before = store.rows(), store.calls()
        for batch in batches(name):
            assert not any(store.put(*batch))
        assert (store.rows(), store.calls()) == before


def told_once(rows: dict[Any, Any], calls: list[LlmCalled]) -> Any:
    """All but what two instruments tell of a call in words of their own."""
    errors = Counter((key, error[0], error[1]) for key, row in rows.items() for error in row["errors"])
    counted = Counter((call.execution, call.stage, call.error is None) for call in calls)
    return {key: {**row, "errors": None} for key, row in rows.items()}, errors, counted


def test_every_recording_of_spans_is_looked_at() -> None:
    of_spans = {
        name for name in recordings("") if any(one.path.endswith("/traces") for one in recorded(name))
    }
    assert set(NAMES) == of_spans


def tries(stage: Any) -> list[str]:
    return [str(status) for _, status, _ in stage[2]]


def statuses(stages: Any) -> dict[str, str]:
    """Status by path, with the index of mapped instances."""
    return {
        "/".join(path) + ("" if index is None else f"[{index}]"): str(stage[0])
        for (path, index), stage in stages.items()
    }


# CI/CD convention ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BY_NUMBER))
def test_runs_of_the_cicd_convention(sqlite_url: str, name: str) -> None:
    runs = shown(sqlite_url, name)
    ends = Counter((pipeline, run["status"]) for (_, pipeline, _), run in runs.items())
    assert ends == {
        ("Build and Test", "succeeded"): 1,
        ("Build and Test", "failed"): 1,
        ("Build and Test", "cancelled"): 1,
        ("Release", "succeeded"): 2,
        ("Nightly", "timed_out"): 1,
    }
    by_status = {(pipeline, run["status"]): run for (_, pipeline, _), run in runs.items()}
    assert statuses(by_status["Build and Test", "succeeded"]["stages"]) == dict.fromkeys(
        ("checkout", "build", "build/compile", "build/link", "unit-tests", "lint", "e2e-tests", "deploy"),
        "succeeded",
    )
    failed = by_status["Build and Test", "failed"]
    assert statuses(failed["stages"])["unit-tests"] == "failed"
    assert ("unit-tests", "", "AssertionError", "3 of 120 tests failed") in failed["errors"]
    assert statuses(by_status["Nightly", "timed_out"]["stages"]) == {"slow": "timed_out"}
    releases = [run["stages"] for (_, pipeline, _), run in runs.items() if pipeline == "Release"]
    (pushed,) = [stages[("push-image",), None] for stages in releases if (("push-image",), None) in stages]
    assert tries(pushed) == ["failed", "failed", "succeeded"]
    assert [statuses(stages)["deploy"] for stages in releases if (("deploy",), None) in stages] == ["skipped"]


def test_name_and_run_id_may_stand_on_the_resource_only(sqlite_url: str) -> None:
    ((key, run),) = shown(sqlite_url, "otel-cicd_resource").items()
    assert key == ("default", "Build on resource", "b1d4d8ce950a")
    assert (run["status"], statuses(run["stages"])) == (
        "succeeded",
        dict.fromkeys(("checkout", "build", "test"), "succeeded"),
    )


def test_a_killed_run_shows_what_it_did_and_is_lost_in_the_end(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("otel-cicd_killed"))
        assert store.rows() == {}
        store.store.pass_time(15)
        ((key, run),) = store.rows().items()
        assert key[1] == "ci-runner"
        assert run["status"] == "running"
        assert statuses(run["stages"]) == {"checkout": "succeeded", "build": "succeeded"}
        store.store.stay_up(23 * 3600)
        assert store.status("ci-runner") == ["running"]
        store.store.stay_up(2 * 3600)
        assert store.status("ci-runner") == ["lost"]


def test_runs_of_the_javascript_sdk(sqlite_url: str) -> None:
    runs = {pipeline: run for (_, pipeline, _), run in shown(sqlite_url, "oteljs-json").items()}
    assert {name: run["status"] for name, run in runs.items()} == {
        "node-ok": "succeeded",
        "node-bad": "failed",
    }
    assert ("right", "", "RangeError", "index out of range") in runs["node-bad"]["errors"]


def test_a_program_that_follows_no_convention(sqlite_url: str) -> None:
    runs = sorted(shown(sqlite_url, "otel-generic").items(), key=lambda one: one[1]["times"][1])
    assert [(key[:2], run["status"]) for key, run in runs] == [
        (("prod", "home-etl"), "failed"),
        (("prod", "home-etl"), "succeeded"),
    ]
    assert statuses(runs[0][1]["stages"]) == {
        "extract": "succeeded",
        "transform": "succeeded",
        "load": "failed",
        "load/INSERT orders": "failed",
    }


# Orchestrators' own spans --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recordings("airflow3_otel", with_truth=True))
@pytest.mark.parametrize("both", [False, True], ids=["alone", "with OpenLineage"])
def test_airflow(sqlite_url: str, name: str, both: bool) -> None:
    with gathered(sqlite_url) as store:
        if both:
            for body in bodies(name):
                store.put(*told([body]))
        put_all(store, batches(name))
        runs = store.rows()
        (run,) = truth(name)
        ((key, execution),) = runs.items()
        assert key == ("default", run["dag_id"], run["run_id"])
        assert execution["status"] == status_of_word(run["state"])
        queued, started, ended = (to_micros(moment(run[key])) for key in ("queued_at", "start", "end"))
        assert execution["times"][1:] == (started, ended)
        assert abs(execution["times"][0] - queued) < 1_000_000
        check_tasks(execution["stages"], run["tasks"])
        # Told twice or once, an end is counted once.
        assert store.store.counter("pipeline_executions_total", run["dag_id"]) == {"succeeded": 1}


def check_tasks(stages: Any, tasks: list[dict[str, Any]]) -> None:
    by_task: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(tasks, key=lambda one: one["try_number"]):
        by_task.setdefault(one["task_id"], []).append(one)
    assert set(stages) == {((task,), None) for task in by_task}
    for task, attempts in by_task.items():
        found = stages[(task,), None][2]
        assert [(number, str(status)) for number, status, _ in found] == [
            (one["try_number"], status_of_word(one["state"])) for one in attempts
        ]
        for (_, _, duration), one in zip(found, attempts, strict=True):
            assert duration == pytest.approx(one["duration"], abs=0.3)


def test_prefect(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("prefect-otel"))
        runs = list(store.rows().values())
        assert Counter(run["status"] for run in runs) == {"succeeded": 5, "failed": 1, "running": 1}
        tasks = Counter(path[0] for run in runs for path, _ in run["stages"])
        assert tasks == {
            "extract": 7, "clean": 3, "load": 4, "work": 3, "flaky": 1, "boom": 1,
        }  # fmt: skip
        (flaky,) = [stage for run in runs for (path, _), stage in run["stages"].items() if path == ("flaky",)]
        assert tries(flaky) == ["failed", "succeeded"]
        # The flow that was tried again ends behind its span: silence says so.
        store.store.pass_time(700)
        assert Counter(run["status"] for run in store.rows().values()) == {"succeeded": 6, "failed": 1}


def test_prefects_runs_tries_and_times_are_its_own(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("prefect-retries_nested"))
        rows = {run: row for (_, _, run), row in store.rows().items()}
        for run in truth("prefect-retries_nested"):
            found = rows[run["id"]]
            if run["run_count"] == 1:
                assert str(found["status"]) == WORDS[run["state"]]
                for mine, prefects in zip(
                    found["times"][1:], (run["start_time"], run["end_time"]), strict=True
                ):
                    assert mine == pytest.approx(to_micros(moment(prefects)), abs=800_000)
            tasks = {path[-1] + "-" + str(index): stage for (path, index), stage in found["stages"].items()}
            # A task that ran into its time-out never ends its span, one that was never ready has none.
            told_of = [task for task in run["tasks"] if task["state"] not in ("TimedOut", "NotReady")]
            assert set(tasks) == {f"{task['name']}-{task['id'][-8:]}" for task in told_of}
            for task in told_of:
                begun = [
                    pair for pair in pairwise(task["states"]) if pair[0]["name"] in ("Running", "Retrying")
                ]
                tries_ = tasks[f"{task['name']}-{task['id'][-8:]}"][2]
                assert [str(status) for _, status, _ in tries_] == [
                    WORDS.get(ended["name"], "failed") for _, ended in begun
                ]
                for (_, _, duration), (first, ended) in zip(tries_, begun, strict=True):
                    wanted = moment(ended["timestamp"]) - moment(first["timestamp"])
                    assert duration == pytest.approx(wanted.total_seconds(), abs=0.1)


def test_prefects_tasks_within_tasks_are_below_them(sqlite_url: str) -> None:
    runs = shown(sqlite_url, "prefect-retries_nested").values()
    paths = Counter(path for run in runs for path, _ in run["stages"] if "inner" in path)
    assert paths == {("outer", "inner"): 2}


def test_dagster(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("dagster-otel"))
        runs = {pipeline: run for (_, pipeline, _), run in store.rows().items()}
        assert {run["status"] for run in runs.values()} == {"running"}
        assert statuses(runs["mapped"]["stages"]) == dict.fromkeys(
            ("split", "work[part_0]", "work[part_1]", "work[part_2]", "merge"), "succeeded"
        )
        assert tries(runs["etl_retry"]["stages"][("flaky",), None]) == ["failed", "succeeded"]
        assert statuses(runs["etl_fail"]["stages"]) == {"extract": "succeeded", "boom": "failed"}


def test_silence_of_dagster_proves_a_failure_but_no_success(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("dagster-otel"))
        store.store.pass_time(700)
        ends = {pipeline: run["status"] for (_, pipeline, _), run in store.rows().items()}
        assert ends == {
            "etl": "running",
            "etl_retry": "running",
            "etl_fail": "failed",
            "mapped": "running",
            "nested": "running",
        }
        assert store.store.counter("pipeline_executions_total", "etl_fail") == {"failed": 1}
        assert store.store.counter("pipeline_executions_total", "etl") == {}


def test_celery(sqlite_url: str) -> None:
    runs = shown(sqlite_url, "celery-otel")
    ends = Counter((pipeline, run["status"]) for (_, pipeline, _), run in runs.items())
    assert ends == {
        ("tasks.extract", "succeeded"): 1,
        ("tasks.extract", "failed"): 1,
        ("tasks.transform", "succeeded"): 3,
        ("celery.chord_unlock", "succeeded"): 1,
        ("tasks.flaky", "succeeded"): 1,
    }
    chains = {
        run["status"]: statuses(run["stages"])
        for (_, pipeline, _), run in runs.items()
        if pipeline == "tasks.extract"
    }
    assert chains == {
        "succeeded": dict.fromkeys(("tasks.extract", "tasks.transform", "tasks.load"), "succeeded"),
        "failed": {"tasks.extract": "succeeded", "tasks.boom": "failed"},
    }
    (flaky,) = [run for (_, pipeline, _), run in runs.items() if pipeline == "tasks.flaky"]
    assert tries(flaky["stages"][("tasks.flaky",), None]) == ["failed", "succeeded"]


def test_celery_tasks_end_as_the_results_backend_says(sqlite_url: str) -> None:
    """Chains, groups, chords, callbacks, retries, a time limit, tasks that are rejected, ignored, revoked."""
    words = {"SUCCESS": "succeeded", "FAILURE": "failed", "STARTED": "skipped", "REVOKED": "queued"}
    tasks = truth("celery-live")
    runs = {run: found for (_, _, run), found in shown(sqlite_url, "celery-live").items()}
    # The backend keeps only the start of an ignored task; no span tells of one that was revoked before it ran.
    wanted = Counter(
        (task["name"], words[task["status"]]) for task in tasks if task["status"] != "REVOKED"
    ) + Counter((task["name"], "failed") for task in tasks for _ in range(task["retries"]))
    found = Counter(
        (path[-1], status)
        for run in runs.values()
        for (path, _), stage in run["stages"].items()
        for status in tries(stage)
    )
    assert found == wanted
    alone = [task for task in tasks if task["task_id"] in runs and len(runs[task["task_id"]]["stages"]) < 2]
    assert len(alone) == 20
    for task in alone:
        ended = "succeeded" if task["name"] == "tasks.ignored" else words[task["status"]]
        assert runs[task["task_id"]]["status"] == ended


def test_metaflow(sqlite_url: str) -> None:
    good, bad = sorted(shown(sqlite_url, "metaflow-otel").values(), key=lambda run: run["times"][1])
    names = ("start", "work[0]", "work[1]", "work[2]", "join", "end")
    assert (good["status"], statuses(good["stages"])) == ("succeeded", dict.fromkeys(names, "succeeded"))
    assert tries(good["stages"][("work",), "1"]) == ["failed", "succeeded"]
    assert bad["status"] == "failed"
    assert statuses(bad["stages"]) == dict.fromkeys(names, "succeeded") | {"end": "failed"}


def test_metaflows_runs_and_tasks_end_as_its_own_records_say(sqlite_url: str) -> None:
    runs = {run: row for (_, _, run), row in shown(sqlite_url, "metaflow-otel_branches").items()}
    for name, wanted in truth("metaflow-otel_branches").items():
        flow, run = name.split("/")
        found = runs[run]
        assert found["status"] == ("succeeded" if wanted["successful"] else "failed")
        if flow == "NestedFlow":
            continue  # instances of a foreach within a foreach share numbers
        stages = statuses(found["stages"])
        assert stages == {
            task["task"].partition("/")[0] + ("" if task["index"] is None else f"[{task['index']}]"): (
                "succeeded" if task["ok"] else "failed"
            )
            for task in wanted["tasks"]
        }
        for task in wanted["tasks"]:
            index = None if task["index"] is None else str(task["index"])
            attempts = found["stages"][(task["task"].partition("/")[0],), index][2]
            assert len(attempts) == task["attempt"] + 1


def test_metaflows_edges_are_the_tasks_that_a_task_took_over_from(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("metaflow-otel_branches"))
        store.store.pass_time(30)
        told_ends = [
            msgspec.json.decode(row.body, type=StageFinished)
            for row in store.store.rows(schema.events, schema.events.c.type == StageFinished.type)
        ]
    edges = {(end.stage, one) for end in told_ends for one in end.depends_on or ()}
    assert edges >= {
        ("work", "start"),
        ("join", "work"),
        ("end", "join"),
        ("left", "start"),
        ("right", "start"),
        ("inner", "outer"),
        ("join_inner", "inner"),
        ("join_outer", "join_inner"),
    }
    assert not [edge for edge in edges if edge[1].startswith("_") or edge[0] == "start"]


# Language models -----------------------------------------------------------------------------------------------

TOKENS = [
    ("answer", "chat", 18, 10),
    ("answer", "chat", 22, 10),
    ("classify", "chat", 18, 1),
    ("classify", "chat", 23, 1),
    ("retrieve", "chat", 5, 12),
    ("retrieve", "chat", 10, 12),
    ("retrieve", "embeddings", 9, None),
    ("retrieve", "embeddings", 9, None),
]


@pytest.mark.parametrize(
    ("name", "pipeline", "cached"),
    [
        ("genai-v2_stages", "support-bot", None),
        ("genai-openinf_stages", "support-bot", 21),
        ("genai-traceloop_workflow", "support_qa", 21),
    ],
)
def test_calls_of_language_models_in_three_dialects(
    sqlite_url: str, name: str, pipeline: str, cached: int | None
) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches(name))
        runs = store.rows()
        assert {key[1] for key in runs} == {pipeline}
        for run in runs.values():
            assert run["status"] == "succeeded"
            assert statuses(run["stages"]) == dict.fromkeys(("classify", "retrieve", "answer"), "succeeded")
        calls = store.calls()
    assert (
        sorted(
            ((c.stage, c.operation, c.input_tokens, c.output_tokens) for c in calls),
            key=lambda call: (call[:2], call[2]),
        )
        == TOKENS
    )
    assert {call.provider for call in calls} == {"openai"}
    assert {(call.request_model, call.response_model) for call in calls} <= {
        ("fake-gpt", "fake-gpt-2026-10-01"),
        ("fake-embed", "fake-embed"),
        ("fake-embed", None),
    }
    assert {call.execution for call in calls} == {key[2] for key in runs}
    assert sum(call.cached_tokens or 0 for call in calls) == (cached or 0)
    assert all(call.prompt is None and call.response is None for call in calls)


def told_of(store: Gathered) -> list[tuple[Any, ...]]:
    return sorted(
        (
            c.request_model,
            c.input_tokens or 0,
            c.output_tokens or 0,
            c.cached_tokens or 0,
            c.error is not None,
        )
        for c in store.calls()
    )


def test_sums_that_an_agent_repeats_are_not_added(sqlite_url: str) -> None:
    """pydantic-ai: two calls and a tool, one that fails, one that is refused for its rate first, a stream."""
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-pydantic_agent"))
        assert told_of(store) == [
            ("gpt-429", 106, 20, 64, False),
            ("gpt-500", 0, 0, 0, True),
            ("gpt-fake", 106, 20, 64, False),
            ("gpt-fake", 109, 20, 64, False),
            ("gpt-fake", 115, 20, 64, False),
        ]
        runs = list(store.rows().values())
        assert Counter(run["status"] for run in runs) == {"succeeded": 3, "failed": 1}
        assert [statuses(run["stages"]) for run in runs if run["stages"]] == [
            {"execute_tool lookup_order": "succeeded"}
        ]


def test_chains_and_an_agent_of_langchain(sqlite_url: str) -> None:
    """A chain, a streamed one, one that fails, one refused for its rate first, one whose parser fails, an agent."""
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-openinf_langgraph"))
        assert told_of(store) == [
            ("gpt-429", 111, 20, 64, False),
            ("gpt-500", 0, 0, 0, True),
            ("gpt-fake", 105, 20, 64, False),
            ("gpt-fake", 106, 20, 64, False),
            *[("gpt-fake", 111, 20, 64, False)] * 3,
        ]
        assert {call.response_model for call in store.calls()} == {
            "gpt-429-2026-10-01",
            "gpt-500",
            "gpt-fake",
            "gpt-fake-2026-10-01",
        }
        runs = list(store.rows().values())
        assert Counter(run["status"] for run in runs) == {"succeeded": 4, "failed": 2}
        (agent,) = [statuses(run["stages"]) for run in runs if (("tools",), None) in run["stages"]]
        assert agent["tools/lookup_order"] == "succeeded"
        (parser,) = [error for run in runs for error in run["errors"] if error[0] == "JsonOutputParser"]
        assert "Invalid json output: [prompt removed]" in parser[3]


@pytest.mark.parametrize("name", ["genai-pydantic_agent", "genai-openinf_langgraph"])
def test_of_what_agents_say_nothing_is_kept(sqlite_url: str, name: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches(name))
        kept = repr([store.store.rows(table) for table in schema.metadata.sorted_tables])
    assert "lookup_order" in kept
    for said in ("SECRET", "LEAK", "refund", "kettle"):
        assert said not in kept


def test_calls_that_the_client_tells_as_well_count_once(sqlite_url: str) -> None:
    """anthropic's client makes spans by itself: below those of OpenInference, beside that of a stream."""
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-openinf_anthropic"))
        failed = [("claude-sonnet-5", 0, 0, 0, True)] * 2
        assert told_of(store) == failed + [("claude-sonnet-5", 36, 7, 16, False)] * 4
        assert len(first_tokens(store)) == 2
        (run,) = store.rows().values()
        assert statuses(run["stages"]) == {"ask": "succeeded"}


def test_calls_of_traceloop_count_once_in_the_workflow_that_encloses_them(sqlite_url: str) -> None:
    """traceloop's spans stand beside those of anthropic's client; langchain's chains call themselves workflows."""
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-traceloop_twice"))
        assert [(key[1], run["status"]) for key, run in store.rows().items()] == [("wf", "succeeded")]
        calls = Counter((call.stage, call.error is not None) for call in store.calls())
        (run,) = store.rows().values()
    assert calls == {
        ("RunnableSequence", False): 2,
        ("RunnableSequence", True): 1,
        ("claude", False): 4,
        ("claude", True): 2,
    }
    assert {"chain", "chain/RunnableSequence", "claude"} <= set(statuses(run["stages"]))


def test_calls_of_chains_whose_clients_stand_beside_them_count_once(sqlite_url: str) -> None:
    """Four questions and a failure to each of two models, by LangChain and by the clients that it calls."""
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-openinf_langchain_client"))
        assert Counter((call.provider, call.error is not None) for call in store.calls()) == {
            ("anthropic", False): 4,
            ("anthropic", True): 1,
            ("openai", False): 4,
            ("openai", True): 1,
        }
        assert sum(call.input_tokens or 0 for call in store.calls()) == 34 * 2 + 33 * 2 + 26 + 25 * 2


def test_a_call_takes_tokens_from_the_call_within_it(sqlite_url: str) -> None:
    """LlamaIndex's `predict` tells none, its `chat` within does; dspy's LM tells none, litellm within does."""
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-openinf_llamaindex"))
        assert [call for call in told_of(store) if call[0] != "unknown"] == [
            ("gpt-4o-mini", 0, 0, 0, False),
            ("gpt-4o-mini", 0, 0, 0, True),
            ("gpt-4o-mini", 110, 11, 16, False),
        ]
        put_all(store, batches("genai-openinf_dspy"))
        assert ("gpt-4o-mini", 119, 11, 16, False) in told_of(store)
        assert sum(call.input_tokens or 0 for call in store.calls()) == 110 + 119


def test_a_stream_that_logfire_tells_by_two_spans_is_one_call(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-logfire_streams"))
        calls = store.calls()
        (run,) = store.rows().values()
        assert statuses(run["stages"]) == {"openai": "succeeded", "anthropic": "succeeded"}
    assert Counter((call.stage, call.error is not None) for call in calls) == {
        ("openai", False): 7,
        ("openai", True): 4,
        ("anthropic", False): 4,
        ("anthropic", True): 2,
    }
    assert sum(call.input_tokens or 0 for call in calls) == 29 * 3 + 24 + 26 * 2 + 36 * 4
    assert sum(call.cached_tokens or 0 for call in calls) == 16 * 9
    assert sum(call.reasoning_tokens or 0 for call in calls) == 4 * 5
    assert all((call.duration_seconds or 0) > 0.01 for call in calls)


def test_calls_of_langfuse(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-langfuse_observed"))
        calls = {
            (c.stage, c.provider, c.request_model, c.operation, c.input_tokens, c.output_tokens, c.cached_tokens,
             c.reasoning_tokens, c.cost_usd, c.error is not None)
            for c in store.calls()
        }  # fmt: skip
        assert len(first_tokens(store)) == 1
        (run,) = store.rows().values()
    assert calls == {
        ("classify", "openai", "gpt-5-mini-2026-08-07", "chat", 29, 11, 16, 4, None, False),
        ("answer", "openai", "gpt-5-mini-2026-08-07", "chat", 29, 11, 16, 4, None, False),
        ("answer", "openai", "gpt-5-mini-2026-08-07", "chat", 23, 11, 16, 4, None, False),
        ("answer", "openai", "gpt-5-mini", "chat", None, None, None, None, None, True),
        ("answer", "openai", "text-embedding-3-small", "embeddings", 22, None, None, None, None, False),
        (None, "unknown", "my-model", "chat", 14, 5, 3, None, 0.003, False),
    }
    assert statuses(run["stages"]) == dict.fromkeys(("classify", "answer", "mytool"), "succeeded")


@pytest.mark.parametrize(
    "name",
    [
        "genai-langfuse_observed",
        "genai-logfire_streams",
        "genai-openinf_anthropic",
        "genai-openinf_dspy",
        "genai-openinf_langchain_client",
        "genai-openinf_llamaindex",
        "genai-traceloop_twice",
    ],
)
def test_of_what_is_said_in_these_dialects_nothing_is_kept(sqlite_url: str, name: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches(name))
        kept = repr([store.store.rows(table) for table in schema.metadata.sorted_tables])
    assert "CACHED REASON" not in kept
    assert "France is Paris" not in kept


def test_a_call_that_fails_tells_its_error(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches("genai-v2_error"))
        failed = [call for call in store.calls() if call.error is not None]
        assert [run["status"] for run in store.rows().values()] == ["failed", "failed"]
    assert [(c.stage, c.request_model, c.error and c.error.type) for c in failed] == [
        ("answer", "fake-500", "openai.InternalServerError")
    ] * 2


def first_tokens(store: Gathered) -> list[float]:
    return [
        call.time_to_first_token_seconds
        for call in store.calls()
        if call.time_to_first_token_seconds is not None
    ]


@pytest.mark.parametrize("name", ["genai-openinf_stages", "genai-traceloop_workflow"])
def test_a_streamed_answer_tells_when_it_began(sqlite_url: str, name: str) -> None:
    with gathered(sqlite_url) as store:
        put_all(store, batches(name))
        assert len(first_tokens(store)) == 2
        assert all(0 < seconds < 0.45 for seconds in first_tokens(store))
