"""What a run read and wrote: rows as items, outputs as artifacts, assertions as checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Raw, Struct

from exporter.domain.events import Items
from exporter.domain.text import clean_name, clean_text
from exporter.ingest.openlineage.wire import ABSENT, Facets, RunEvent, lenient, text, whole

NAME_LENGTH = 1024
URI_LENGTH = 4096

_FIGURE = re.compile(r"^[0-9]{1,15}$")


class Dataset(Struct):
    """A dataset of a run. `facets` are its own, `part` those of its part in the run."""

    namespace: str
    name: str
    facets: Facets
    part: Facets


class Output(Struct):
    """Something written: what to call it, where it is, how large it is."""

    name: str
    uri: str
    bytes: int | None


class Assertion(Struct):
    """A rule that data was held against: how many records broke it, None if nobody counted.

    `counted` is False for a check that came to no figure at all, as when it was skipped.
    """

    rule: str
    success: bool
    failures: int | None
    counted: bool
    warning: bool
    sentence: str


class _Dataset(Struct, rename="camel"):
    namespace: Any = None
    name: Any = None
    facets: Raw = ABSENT
    input_facets: Raw = ABSENT
    output_facets: Raw = ABSENT


class _Statistics(Struct, rename="camel"):
    row_count: Any = None
    size: Any = None


class _Assertion(Struct):
    assertion: Any = None
    name: Any = None
    column: Any = None
    success: Any = None
    severity: Any = None
    actual: Any = None
    expected: Any = None


class _Assertions(Struct):
    assertions: list[_Assertion] = []


def inputs(event: RunEvent) -> list[Dataset]:
    """Datasets that a run reads."""
    return list(_datasets(event.inputs))


def outputs(event: RunEvent) -> list[Dataset]:
    """Datasets that a run writes."""
    return list(_datasets(event.outputs))


def _datasets(raw: Raw) -> Iterator[Dataset]:
    for one in lenient(raw, list[Raw]) or ():
        told = lenient(one, _Dataset)
        name = None if told is None else text(told.name)
        if told is not None and name is not None:
            part = told.output_facets if told.input_facets is ABSENT else told.input_facets
            yield Dataset(text(told.namespace) or "", name, Facets(told.facets), Facets(part))


def items(read: list[Dataset], written: list[Dataset]) -> Items | None:
    """Rows in and out, as far as statistics tell."""
    rows_in = _rows(read, "inputStatistics")
    rows_out = _rows(written, "outputStatistics")
    return None if rows_in is None and rows_out is None else Items(in_=rows_in, out=rows_out)


def _rows(datasets: list[Dataset], facet: str) -> int | None:
    counts = [
        count
        for dataset in datasets
        if (told := dataset.part.read(facet, _Statistics)) is not None
        and (count := whole(told.row_count)) is not None
    ]
    return whole(sum(counts)) if counts else None


def written(datasets: list[Dataset]) -> list[Output]:
    """What a run leaves behind."""
    found = []
    for dataset in datasets:
        told = dataset.part.read("outputStatistics", _Statistics)
        uri = f"{dataset.namespace.rstrip('/')}/{dataset.name}" if dataset.namespace else dataset.name
        found.append(
            Output(
                clean_name(dataset.name, NAME_LENGTH),
                clean_name(uri, URI_LENGTH),
                None if told is None else whole(told.size),
            )
        )
    return found


def assertions(datasets: list[Dataset]) -> list[Assertion]:
    """Rules that data was held against. Clients repeat them in two places; the run's own part comes first."""
    found: dict[str, Assertion] = {}
    for dataset in datasets:
        facet = dataset.part.read("dataQualityAssertions", _Assertions) or dataset.facets.read(
            "dataQualityAssertions", _Assertions
        )
        for told in () if facet is None else facet.assertions:
            one = _assertion(told, dataset.name)
            if one is not None:
                found.setdefault(one.rule, one)
    return list(found.values())


def _assertion(told: _Assertion, dataset: str) -> Assertion | None:
    kind, column = text(told.assertion), text(told.column)
    # Clients that send no name of its own call a rule what dbt would: by kind, table and column.
    rule = text(told.name) or "_".join(part for part in (kind, dataset.rpartition(".")[2], column) if part)
    if kind is None or not isinstance(told.success, bool):
        return None
    actual, expected = text(told.actual), text(told.expected)
    failures = 0 if told.success else None
    if not told.success and expected in (None, "0") and actual is not None and _FIGURE.match(actual):
        failures = int(actual)
    return Assertion(
        rule=clean_name(rule),
        success=told.success,
        failures=failures,
        counted=actual is not None,
        warning=text(told.severity) == "warn",
        sentence=clean_text(f"{rule}: expected {expected or 'no failures'}, got {actual or 'some'}"),
    )
