"""The facets of OpenLineage's own specification that are read, whatever integration sent them."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Labels
from exporter.domain.text import clean_name, clean_text
from exporter.ingest.openlineage.wire import (
    ABSENT,
    RUN_ID_LENGTH,
    Facets,
    RunEvent,
    free_form,
    lenient,
    text,
    word,
)

MOST_LABELS = 64

_CLIENTS_OWN = "OPENLINEAGE_CLIENT"
"""Source of the tag with which every client names its version."""


class JobType(Struct):
    """What kind of job, and which integration speaks, in upper case; empty if nobody tells."""

    integration: str = ""
    kind: str = ""


class Ancestor(Struct):
    """A run that another belongs to: its parent, or the root of all."""

    run_id: str
    namespace: str
    name: str

    @property
    def pipeline(self) -> str:
        """The job's name as the name of a pipeline."""
        return clean_name(self.name)


class Ancestry(Struct):
    """The parent facet. Without a root of its own, the parent is the highest run known."""

    parent: Ancestor
    root: Ancestor | None


class _JobTypeFacet(Struct, rename={"job_type": "jobType"}):
    integration: Any = None
    job_type: Any = None


class _RunFacet(Struct, rename="camel"):
    run_id: Any = None


class _Job(Struct):
    namespace: Any = None
    name: Any = None


class _AncestorFacet(Struct):
    run: Raw = ABSENT
    job: Raw = ABSENT
    root: Raw = ABSENT


class _ErrorFacet(Struct, rename="camel"):
    message: Any = None
    stack_trace: Any = None
    programming_language: Any = None


class _Owner(Struct):
    name: Any = None


class _Ownership(Struct):
    owners: list[_Owner] = []


class _Documentation(Struct):
    description: Any = None


class _Tag(Struct):
    key: Any = None
    value: Any = None
    source: Any = None


class _Tags(Struct):
    tags: list[_Tag] = []


class _Parameter(Struct):
    key: Any = None
    name: Any = None
    value: Any = None


class _Parameters(Struct):
    parameters: list[_Parameter] = []


def job_type(event: RunEvent) -> JobType:
    """What the job is and who tells of it; old integrations are known by their producer only."""
    facet = event.job.read("jobType", _JobTypeFacet) or _JobTypeFacet()
    integration = (text(facet.integration) or "").strip().upper()
    if not integration:
        for known in ("airflow", "dbt", "dagster", "spark", "flink"):
            if f"/integration/{known}" in event.producer or f"/{known}/tree/" in event.producer:
                integration = known.upper()
    return JobType(integration, (text(facet.job_type) or "").strip().upper())


def ancestry(event: RunEvent) -> Ancestry | None:
    """Whose child a run is; None for one that stands alone or claims to be its own parent."""
    facet = event.run.read("parent", _AncestorFacet) or event.run.read("parentRun", _AncestorFacet)
    parent = None if facet is None else _ancestor(facet)
    if facet is None or parent is None or parent.run_id == event.run_id:
        return None
    root = lenient(facet.root, _AncestorFacet)
    return Ancestry(parent, None if root is None else _ancestor(root))


def _ancestor(facet: _AncestorFacet) -> Ancestor | None:
    run = lenient(facet.run, _RunFacet)
    job = lenient(facet.job, _Job)
    run_id = None if run is None else text(run.run_id)
    name = None if job is None else text(job.name)
    if run_id is None or name is None or job is None:
        return None
    return Ancestor(clean_name(run_id, RUN_ID_LENGTH), clean_name(text(job.namespace) or "default"), name)


def error(event: RunEvent) -> ErrorDetail | None:
    """What went wrong, if the run tells."""
    facet = event.run.read("errorMessage", _ErrorFacet)
    if facet is None:
        return None
    stack = text(facet.stack_trace)
    message = text(facet.message) or (stack or "").strip().rpartition("\n")[2]
    if not message:
        return None
    language = word(facet.programming_language)
    return ErrorDetail(
        message=message,
        stacktrace=stack,
        context=None if language is None else {"language": language},
    ).cleaned()


def owner(facets: Facets) -> str | None:
    """Who owns a job; several owners as one text."""
    facet = facets.read("ownership", _Ownership)
    names = [] if facet is None else [name for name in (text(one.name) for one in facet.owners) if name]
    return clean_name(", ".join(names)) if names else None


def description(facets: Facets) -> str | None:
    """What a job is for, in its author's words."""
    facet = facets.read("documentation", _Documentation)
    told = None if facet is None else text(facet.description)
    return None if told is None else clean_text(told)


def labels(facets: Facets) -> Labels | None:
    """Tags as labels, without the client's own."""
    facet = facets.read("tags", _Tags)
    if facet is None:
        return None
    told: Labels = {}
    for tag in facet.tags[:MOST_LABELS]:
        key = word(tag.key)
        if key is not None and tag.source != _CLIENTS_OWN:
            told[key] = tag.value if isinstance(tag.value, bool) else _label(tag.value)
    return told or None


def _label(value: object) -> str | None:
    told = text(value)
    return None if told is None else clean_name(told, 1024)


def parameters(facets: Facets) -> dict[str, Any] | None:
    """What a run was started with."""
    facet = facets.read("executionParameters", _Parameters)
    if facet is None:
        return None
    told = {
        clean_name(key): free_form(one.value)
        for one in facet.parameters
        if (key := text(one.name) or text(one.key)) is not None
    }
    return told or None
