"""Which executions a search for traces means: tags become filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from exporter.domain.status import FAILING, Status
from exporter.store.queries import traces
from exporter.store.queries.traces import Accepts, Search, Service
from exporter.store.records import Execution
from exporter.web.answers.execution import own_error
from exporter.web.answers.trace_spans import ROOT_OPERATION
from exporter.web.trace_query import Asked

LABEL = "label."

COLUMNS = {
    "environment": "environment",
    "deployment.environment.name": "environment",
    "external_id": "external_id",
    "cicd.pipeline.run.id": "external_id",
    "kind": "kind",
    "trigger": "trigger",
    "source": "source",
    "execution.status": "status",
}
"""Tags that are columns of executions."""

_FAILING = tuple(sorted(FAILING))
_OTHERS = tuple(sorted(set(Status) - FAILING))

Values = tuple[str, ...]


@dataclass(slots=True)
class _Filters:
    """What the tags of a search say. `stage_statuses`: None for any."""

    equal: dict[str, Values] = field(default_factory=dict)
    stage_statuses: Values | None = None
    error_types: Values = ()
    labels: dict[str, Values] = field(default_factory=dict)

    def narrow(self, column: str, wanted: Values) -> None:
        """Leave of a column's values those wanted."""
        before = self.equal.get(column)
        self.equal[column] = wanted if before is None else _both(before, wanted)


def search(connection: Connection, asked: Asked, now: int) -> list[tuple[Execution, Service]]:
    """The latest executions that a search means, each with its pipeline."""
    found: dict[str, tuple[Execution, Service]] = {}
    for stages, statuses in _operations(asked.operations):
        filters = _filters(asked.tags, of_stages=bool(stages))
        if statuses:
            filters.narrow("status", statuses)
        if filters.stage_statuses != ():
            found.update(
                (row.id, (row, service)) for row, service in _found(connection, asked, stages, filters, now)
            )
    latest = sorted(found.values(), key=lambda each: (each[0].sort_at, each[0].id), reverse=True)
    return latest[: asked.limit]


def _found(
    connection: Connection, asked: Asked, stages: Values, filters: _Filters, now: int
) -> Iterator[tuple[Execution, Service]]:
    environments = filters.equal.pop("environment", None)
    if environments == ():
        return
    known = traces.services(connection, asked.services, environments or ())
    by_id = {service.id: service for service in known}
    for group, left in _by_labels(known, filters.labels):
        is_all = not asked.services and environments is None and len(group) == len(known)
        wanted = Search(
            limit=asked.limit,
            now=now,
            services=None if is_all else tuple(group),
            equal=filters.equal,
            stages=stages,
            stage_statuses=filters.stage_statuses or (),
            since=asked.since,
            until=asked.until,
            shortest=asked.shortest,
            longest=asked.longest,
            words=_words(left, filters.error_types),
            accepts=_accepts(left, filters.error_types),
        )
        for row in traces.find(connection, wanted):
            if row.pipeline_id in by_id:
                yield row, by_id[row.pipeline_id]


def _operations(names: Values) -> list[tuple[Values, Values]]:
    """What operations stand for, one of which must hold: stages, and statuses of executions; empty for any."""
    if not names or ROOT_OPERATION in names:
        return [((), ())]
    of_root = {f"{ROOT_OPERATION} {status}": status.value for status in Status}
    statuses = tuple(of_root[name] for name in names if name in of_root)
    stages = tuple(name for name in names if name not in of_root)
    return [*([((), statuses)] if statuses else []), *([(stages, ())] if stages else [])]


def _filters(tags: Mapping[str, Values], *, of_stages: bool) -> _Filters:
    found = _Filters()
    for key, wanted in tags.items():
        if not wanted:
            continue  # any value
        if key in ("error", "status", "stage.status"):
            statuses = _of_error(wanted) if key == "error" else wanted
            if of_stages:
                before = found.stage_statuses
                found.stage_statuses = statuses if before is None else _both(before, statuses)
            else:
                found.narrow("status", statuses)
        elif key in COLUMNS:
            found.narrow(COLUMNS[key], wanted)
        elif key == "error.type":
            found.error_types = wanted
        else:
            found.labels[key.removeprefix(LABEL)] = wanted
    return found


def _of_error(wanted: Values) -> Values:
    statuses: Values = ()
    if "true" in wanted:
        statuses += _FAILING
    if "false" in wanted:
        statuses += _OTHERS
    return statuses


def _both(one: Values, other: Values) -> Values:
    return tuple(value for value in one if value in other)


# Labels


def _by_labels(
    known: Sequence[Service], labels: Mapping[str, Values]
) -> Iterator[tuple[list[Service], dict[str, Values]]]:
    """Pipelines with those of the labels that they were not declared with, which their executions must have then."""
    groups: dict[tuple[str, ...], list[Service]] = {}
    for service in known:
        declared = service.labels
        left = tuple(name for name, wanted in labels.items() if _text(declared.get(name)) not in wanted)
        groups.setdefault(left, []).append(service)
    for names, group in groups.items():
        yield group, {name: labels[name] for name in names}


def _words(labels: Mapping[str, Values], error_types: Values) -> Values:
    """Words that must occur where only one value is wanted; whether they occur as they should is looked at later."""
    words = [f"{name}={wanted[0]}" for name, wanted in labels.items() if len(wanted) == 1]
    words += error_types if len(error_types) == 1 else ()
    return tuple(word.lower() for word in words)


def _accepts(labels: Mapping[str, Values], error_types: Values) -> Accepts | None:
    checks: list[Callable[[Execution], bool]] = []
    if labels:
        checks.append(lambda row: _has_labels(row.facts.get("labels") or {}, labels))
    if error_types:
        checks.append(lambda row: (own_error(row) or {}).get("type") in error_types)
    return (lambda row: all(check(row) for check in checks)) if checks else None


def _has_labels(own: Mapping[str, Any], wanted: Mapping[str, Values]) -> bool:
    return all(_text(own.get(name)) in values for name, values in wanted.items())


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
