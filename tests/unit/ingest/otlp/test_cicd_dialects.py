"""Spans of CI/CD systems in words that are older than the convention, as the sources of what sends them say."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from exporter.domain.spans import Span
from tests.support.otlp import Gathered, gathered, span


def statuses(store: Gathered) -> dict[str, str]:
    """Status of the only run and of its stages, by path."""
    (((_, pipeline, run), row),) = store.rows().items()
    found = {f"{pipeline} {run}": str(row["status"])}
    return found | {"/".join(path): str(stage[0]) for (path, _), stage in row["stages"].items()}


def shared(one: Span, **about: Any) -> Span:
    """The same span with more on its resource."""
    return replace(
        one, resource={**one.resource, **{key.replace("__", "."): value for key, value in about.items()}}
    )


def github_receiver(conclusion: str) -> list[Span]:
    """What the Collector's receiver makes of GitHub's webhooks: jobs first, as they end before their workflow."""
    job = {"cicd__pipeline__name": "build", "cicd__pipeline__task__run__id": 77}
    status = "cicd.pipeline.run.task.status"
    step = {"cicd.pipeline.task.name": "checkout", status: "success"}
    skipped = {"cicd.pipeline.task.name": "publish", status: "failure"}
    job |= {"cicd__pipeline__run__task__status": "cancellation"}
    run = {"cicd__pipeline__name": "CI", "cicd__pipeline__run__id": 4711}
    return [
        shared(span(2, 1, "build"), **job),
        shared(span(3, 2, "queue-build"), **job),
        shared(span(4, 2, "checkout", attributes=step), **job),
        shared(span(5, 2, "publish", attributes=skipped), **job),
        shared(span(1, name="CI", kind="server"), **run, cicd__pipeline__run__status=conclusion),
    ]


def test_what_the_receiver_of_githubs_webhooks_puts_on_resources(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        for one in github_receiver("cancellation"):
            store.put(one)
        assert statuses(store) == {
            "CI 4711": "cancelled",
            "build": "cancelled",
            "build/queue-build": "succeeded",
            "build/checkout": "succeeded",
            "build/publish": "skipped",
        }


def test_a_job_of_github_whose_workflow_is_never_told_is_no_pipeline(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(*github_receiver("success")[:-1])
        store.store.pass_time(11)
        (((_, pipeline, _), row),) = store.rows().items()
        assert pipeline == "etl"
        assert (("build", "checkout"), None) in row["stages"]


def test_what_the_actions_that_export_workflows_say(sqlite_url: str) -> None:
    run = {"github.workflow": "CI", "github.run_id": 4711, "github.conclusion": "timed_out"}
    job = {"github.job.name": "build", "github.job.id": 77, "github.conclusion": "cancelled"}
    step = {"github.job.step.name": "publish", "github.job.step.conclusion": "skipped"}
    with gathered(sqlite_url) as store:
        store.put(
            span(1, name="CI", attributes=run),
            span(2, 1, "build", attributes=job),
            span(3, 2, "publish", attributes=step),
        )
        assert statuses(store) == {"CI 4711": "timed_out", "build": "cancelled", "build/publish": "skipped"}


def test_what_the_plugin_of_jenkins_says(sqlite_url: str) -> None:
    """All pipelines of a Jenkins are one service."""
    for number, (word, status) in enumerate(
        {
            "SUCCESS": "succeeded",
            "UNSTABLE": "failed",
            "ABORTED": "cancelled",
            "NOT_BUILT": "skipped",
        }.items(),
        1,
    ):
        run = {"ci.pipeline.id": "team/app", "ci.pipeline.run.number": number, "ci.pipeline.run.result": word}
        root = span(1, name="BUILD team/app", trace=number, kind="server", service="jenkins", attributes=run)
        stage = span(2, 1, "Stage: Build", trace=number, service="jenkins")
        with gathered(sqlite_url) as store:
            store.put(stage, root)
            rows = store.rows()
        assert str(rows["default", "team/app", str(number)]["status"]) == status
        assert len(rows) == number


def test_a_program_that_says_which_workflow_ran_it_is_no_run_of_that(sqlite_url: str) -> None:
    with gathered(sqlite_url) as store:
        store.put(span(1, name="tests", attributes={"github.workflow": "CI", "github.run_id": 4711}))
        assert statuses(store) == {f"etl {1:032x}": "succeeded"}
