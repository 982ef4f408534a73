"""The graph of a pipeline's stages, out of a list that a system tells."""

from __future__ import annotations

from typing import Any

from exporter.domain.text import clean_name
from exporter.sources.mapping import GraphMap
from exporter.sources.paths import Record, walk
from exporter.sources.record_values import Values

MOST_STAGES = 10_000
MOST_BEFORE = 1000


def graph(values: Values, mapped: GraphMap, record: Record) -> list[dict[str, Any]] | None:
    """Each stage with those that it waits for; None if the list is not there."""
    stages: dict[str, dict[str, Any]] = {}
    behind: dict[str, list[str]] = {}
    for key, entry in list(walk(record, mapped.each))[:MOST_STAGES]:
        told = Record(entry, record.root, key)
        name = clean_name(values.needed_of(mapped, "stage", told))
        stages[name] = {"name": name, "depends_on": _names(values, mapped.depends_on, told)}
        kind = values.value_of(mapped.kind, told)
        if kind is not None:
            stages[name]["kind"] = clean_name(str(kind), 128)
        behind[name] = _names(values, mapped.leads_to, told)
    for name, following in behind.items():
        for one in following:
            if one in stages and name not in stages[one]["depends_on"]:
                stages[one]["depends_on"].append(name)
    for stage in stages.values():
        stage["depends_on"] = stage["depends_on"][:MOST_BEFORE]
    return list(stages.values()) or None


def _names(values: Values, mapped: Any, record: Record) -> list[str]:
    found = values.value_of(mapped, record)
    if found is None:
        return []
    return [clean_name(str(one)) for one in (found if isinstance(found, list) else [found])]
