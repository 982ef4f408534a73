"""Which node of a dbt project an event is about, and which others it waits for."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from exporter.domain.text import clean_name
from exporter.ingest.openlineage import datasets
from exporter.ingest.openlineage.wire import ABSENT, RunEvent, lenient, text

_ENDINGS = (".build.run", ".build.snapshot", ".build.test", ".snapshot", ".test")
"""What a job's name carries behind the node's, by the command that dbt was given."""

_RESOURCES = frozenset({"model", "seed", "snapshot", "test", "unit_test", "source", "operation", "exposure"})


class Node(Struct):
    """A node by dbt's unique id: its type, its project, its name. `project` is "" if nobody tells."""

    id: str
    resource: str
    project: str


class _Node(Struct):
    unique_id: Any = None


class _Run(Struct):
    project_name: Any = None


class _Model(Struct):
    config: Raw = ABSENT


class _Config(Struct):
    materialized: Any = None


def node(event: RunEvent, kind: str) -> Node:
    """The node that an event is about; old clients tell of it in the job's name only."""
    facet = event.job.read("dbt_node", _Node)
    told = None if facet is None else text(facet.unique_id)
    if told is None and event.name.partition(".")[0] in _RESOURCES:
        told = event.name
    if told is not None:
        resource, _, rest = told.partition(".")
        return Node(clean_name(told), resource, rest.partition(".")[0])
    project = _project(event)
    name = event.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    _, found, rest = name.partition(f".{project}.")
    resource = kind.lower() or "model"
    return Node(clean_name(f"{resource}.{project}.{rest}" if found else event.name), resource, project)


def upstream(event: RunEvent, about: Node) -> list[str] | None:
    """The nodes that write what this one reads, guessed from how dbt says each dataset was made; None if it
    does not.

    Right as long as they belong to the same project and have no alias.
    """
    project = _project(event) or about.project
    found = []
    for dataset in datasets.inputs(event):
        model = dataset.facets.read("dbt_model", _Model)
        config = None if model is None else lenient(model.config, _Config)
        made = None if config is None else text(config.materialized)
        if made is not None and project:
            resource = made if made in ("seed", "snapshot") else "model"
            found.append(clean_name(f"{resource}.{project}.{dataset.name.rpartition('.')[2]}"))
    others = [one for one in dict.fromkeys(found) if one != about.id]
    return others[:1000] or None


def _project(event: RunEvent) -> str:
    run = event.run.read("dbt_run", _Run)
    return "" if run is None else text(run.project_name) or ""
