"""OpenTelemetry's convention for CI/CD: one span a pipeline run, one a task run below it.

Name, id and result of the run may stand on the resource only. What is older than the convention is read as well: the
Collector's receiver of GitHub's webhooks, the actions that export GitHub's workflows, the plugin of Jenkins. Sources:
https://opentelemetry.io/docs/specs/semconv/cicd/cicd-spans/,
https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/receiver/githubreceiver,
https://github.com/inception-health/otel-export-trace-action, https://github.com/jenkinsci/opentelemetry-plugin
"""

from __future__ import annotations

from exporter.domain.spans import Place, Reading, Span
from exporter.domain.status import FINAL, Status, status_of_word
from exporter.ingest.otlp import parts

DIALECT = "cicd"
_TASK = (
    "cicd.pipeline.task.name",
    "cicd.pipeline.task.run.id",
    "cicd.pipeline.task.run.result",
    "github.job.name",
    "github.job.step.name",
)
_RUN = (
    "cicd.pipeline.name",
    "cicd.pipeline.run.id",
    "cicd.pipeline.result",
    "cicd.pipeline.action.name",
    "ci.pipeline.run.result",
)
_NAME = ("cicd.pipeline.name", "ci.pipeline.id", "github.workflow")
_ID = ("cicd.pipeline.run.id", "ci.pipeline.run.number", "github.run_id")
_RESULT = ("cicd.pipeline.result", "cicd.pipeline.run.status", "ci.pipeline.run.result", "github.conclusion")
_URL = ("cicd.pipeline.run.url.full", "ci.pipeline.run.url", "github.html_url")
_TASK_NAME = ("cicd.pipeline.task.name", "github.job.step.name", "github.job.name")
_TASK_ID = ("cicd.pipeline.task.run.id", "github.job.id")
_TASK_RESULT = (
    "cicd.pipeline.task.run.result",
    "cicd.pipeline.run.task.status",
    "github.job.step.conclusion",
    "github.job.conclusion",
    "github.conclusion",
)
_WORDS = {
    "neutral": Status.SUCCEEDED,
    "unstable": Status.FAILED,
    "action_required": Status.FAILED,
    "stale": Status.FAILED,
    "startup_failure": Status.FAILED,
    "not_built": Status.SKIPPED,
}
_LABELS = (
    "vcs.ref.head.name",
    "vcs.ref.head.revision",
    "vcs.repository.url.full",
    "vcs.change.id",
    "cicd.pipeline.action.name",
    "cicd.worker.name",
)


def claims(span: Span) -> bool:
    """Whether it is the span of a pipeline run or of a task run."""
    if any(key in span.attributes for key in (*_TASK, *_RUN)) or _is_job(span):
        return True
    # Programs that a workflow runs may say of each of their spans which workflow that was.
    return not span.parent and (
        "cicd.pipeline.name" in span.resource or "github.conclusion" in span.attributes
    )


def _is_job(span: Span) -> bool:
    """Whether it is a job as GitHub's receiver tells it: on the resource alone, which its steps share."""
    about = span.resource
    return "cicd.pipeline.task.run.id" in about and about.get("cicd.pipeline.name") == span.name


def read(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What a pipeline run or a task run tells; a task run nothing before what encloses it is known."""
    if any(key in span.attributes for key in _TASK) or _is_job(span):
        return _task(span, parent, orphan=orphan)
    place = _of_run(span)
    result = _word(span, _RESULT, shared=True)
    moments = parts.execution(
        span,
        place,
        status=_status(span, result),
        source_status=result,
        kind="ci",
        labels=parts.labels((key, span.get(key)) for key in _LABELS),
        link=parts.sound_link(next((told for key in _URL if (told := span.get(key)) is not None), None)),
    )
    return Reading(place, moments, whole=True)


def _of_run(span: Span) -> Place:
    # On the resource of a job of GitHub's, the pipeline's name is the job's.
    shared = "cicd.pipeline.task.run.id" not in span.resource
    return Place(
        dialect=DIALECT,
        source=parts.SOURCE,
        namespace=parts.NAMESPACE,
        environment=span.environment,
        pipeline=_word(span, _NAME, shared=shared, limit=256) or parts.service(span),
        execution=_word(span, _ID, shared=True, limit=1024) or span.trace,
    )


def _task(span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    if parent is None or parent.execution is None:
        if not orphan and span.parent:
            return None
        parent = _of_run(span)
    stage = _word(span, _TASK_NAME, shared=False, limit=256) or span.name
    result = _word(span, _TASK_RESULT, shared=_is_job(span))
    if result == "failure" and "cicd.pipeline.run.task.status" in span.attributes and not span.failed:
        # GitHub's receiver calls a step that was skipped a failure, but not an error.
        result = "skipped"
    place = Place(
        dialect=DIALECT,
        source=parent.source,
        namespace=parent.namespace,
        environment=parent.environment,
        pipeline=parent.pipeline,
        execution=parent.execution,
        path=parts.below(parent, stage),
    )
    attempt = parts.whole(span.attributes.get("cicd.pipeline.task.run.attempt")) or None
    moment = parts.stage(
        span,
        place,
        status=_status(span, result),
        source_status=result,
        attempt=attempt if attempt is None or attempt <= 1_000_000 else None,
        attempt_id=_word(span, _TASK_ID, shared=_is_job(span)) or span.id,
        kind=parts.word(span.attributes.get("cicd.pipeline.task.type")),
    )
    return Reading(place, [moment], whole=not span.parent)


def _word(span: Span, keys: tuple[str, ...], *, shared: bool, limit: int = 128) -> str | None:
    """The first of some attributes that says something; `shared`: also of the resource."""
    told = (span.get(key) if shared else span.attributes.get(key) for key in keys)
    return next((found for one in told if (found := parts.name(one, limit)) is not None), None)


def _status(span: Span, result: str | None) -> Status:
    word = (result or "").lower()
    status = _WORDS.get(word) or status_of_word(word)
    return status if status is not None and status in FINAL else parts.outcome(span)
