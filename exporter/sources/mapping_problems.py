"""What is wrong with a mapping that its types cannot tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from exporter.domain.status import status_of_word
from exporter.sources.expressions import paths_in
from exporter.sources.mapping import EVENTS, Document, Emit, Expression, GraphMap, Mapping, Read, Value
from exporter.sources.paths import BadPath, placeholders, steps_of

KINDS = (
    "execution",
    "stage",
    "settled",
    "pipeline",
    "stream",
    "llm",
    "artifact",
    "warning",
    "log",
    "resources",
    "records",
)
_FORMATS = {
    "database": ("json",),
    "api": ("json", "prometheus"),
    "folder": ("json", "jsonl", "cloudevents", "openlineage", "junit", "dbt", "prometheus"),
}
_ORIGINS = ("path", "constant", "format", "first", "join", "latest", "earliest", "nth", "newest")


class Problem(Exception):
    """What is wrong, and the JSON pointer to where."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


def problems_of(mapping: Mapping) -> Iterator[Problem]:
    """What the types cannot tell."""
    try:
        ZoneInfo(mapping.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem("/timezone", f"no such time zone: {mapping.timezone!r}")
    if mapping.login is not None:
        yield from _path_problems(mapping.login.token, "/login/token")
    for word, status in (mapping.statuses or {}).items():
        if status_of_word(status) is None:
            yield Problem(f"/statuses/{word}", f"expected a status, got {status!r}")
    names: set[str] = set()
    for position, read in enumerate(mapping.reads):
        place = f"/reads/{position}"
        if read.name in names:
            yield Problem(f"{place}/name", f"{read.name!r} is the name of another read as well")
        names.add(read.name)
        yield from _read_problems(mapping, read, place)
        for number, emit in enumerate(read.emits):
            yield from _emit_problems(read, emit, f"{place}/emits/{number}")


def _read_problems(mapping: Mapping, read: Read, place: str) -> Iterator[Problem]:
    needed = {"database": ("table", "query"), "api": ("get", "post"), "folder": ("files",)}[
        mapping.reads_from
    ]
    given = [name for name in ("table", "query", "get", "post", "files") if getattr(read, name) is not None]
    if len(given) != 1 or given[0] not in needed:
        yield Problem(place, f"expected {' or '.join(needed)}, as it reads from a {mapping.reads_from}")
    if mapping.reads_from == "database" and read.rows != "now" and not read.key:
        yield Problem(f"{place}/key", "missing: the columns by which a row is found again")
    if mapping.reads_from != "database" and read.rows == "sums":
        yield Problem(f"{place}/rows", "sums are made of the rows of databases only")
    if read.query is not None and not re.match(r"\s*(select|with)\b", read.query, re.IGNORECASE):
        yield Problem(f"{place}/query", "expected a SELECT")
    if read.query is not None and read.query.rstrip().endswith(";"):
        yield Problem(f"{place}/query", "expected no semicolon at its end")
    if read.files is not None and (not PurePath(read.files).parts or PurePath(read.files).is_absolute()):
        yield Problem(f"{place}/files", "expected a pattern of names below the folder, such as '**/*.json'")
    if read.database is not None and (read.rows != "events" or len(read.key or ()) != 1):
        yield Problem(f"{place}/database", "of several files only events with one key can be read")
    yield from _format_problems(mapping, read, place)
    yield from _api_problems(read, place)
    if read.pages is not None and (read.pages.next is None) == (read.pages.step is None):
        yield Problem(f"{place}/pages", "expected either next or step")
    if read.pages is not None:
        yield from _path_problems(read.pages.total, f"{place}/pages/total")


def _api_problems(read: Read, place: str) -> Iterator[Problem]:
    if read.body is not None and read.post is None:
        yield Problem(f"{place}/body", "only what is posted has a body")
    if read.newest_by is not None:
        yield from _path_problems(read.newest_by, f"{place}/newest_by")
        if read.pages is None:
            yield Problem(f"{place}/newest_by", "expected pages as well: it says where they end")
    if read.since is not None and (read.get is None or (read.pages is not None and read.pages.step is None)):
        yield Problem(f"{place}/since", "expected a list to get, with pages that are counted if it has any")
    if read.since is not None and read.newest_by is not None:
        yield Problem(f"{place}/since", "expected either since or newest_by")
    for name, document in (read.documents or {}).items():
        yield from _document_problems(document, f"{place}/documents/{name}")


def _document_problems(document: Document, place: str) -> Iterator[Problem]:
    if (document.get is None) == (document.post is None):
        yield Problem(place, "expected either get or post")
    if document.body is not None and document.post is None:
        yield Problem(f"{place}/body", "only what is posted has a body")
    for path in (document.each, document.below, *(document.when or ()), *(document.unless or ())):
        yield from _path_problems(path, place)
    for path in placeholders(document.get or document.post or ""):
        yield from _path_problems(path, place)


def _format_problems(mapping: Mapping, read: Read, place: str) -> Iterator[Problem]:
    """What is wrong with how a document is read."""
    if read.format not in _FORMATS[mapping.reads_from]:
        expected = " or ".join(_FORMATS[mapping.reads_from])
        yield Problem(f"{place}/format", f"expected {expected}, as it reads from a {mapping.reads_from}")
    if (read.format in EVENTS) == bool(read.emits):
        told = "expected none, as its lines are events" if read.emits else "missing: what its rows tell"
        yield Problem(f"{place}/emits", told)
    if (read.format == "prometheus") != (read.samples is not None):
        told = (
            "missing: which samples make a row" if read.samples is None else "only for the format prometheus"
        )
        yield Problem(f"{place}/samples", told)
    for kind in () if read.samples is None else ("times", "fields"):
        for field, pattern in getattr(read.samples, kind).items():
            yield from _pattern_problems(pattern, f"{place}/samples/{kind}/{field}")


def _emit_problems(read: Read, emit: Emit, place: str) -> Iterator[Problem]:
    kinds = [kind for kind in KINDS if getattr(emit, kind) is not None]
    if len(kinds) != 1:
        yield Problem(place, f"expected exactly one of {', '.join(KINDS)}")
        return
    if read.rows == "sums" and kinds != ["stream"]:
        yield Problem(place, "sums are told of streams only")
    if emit.stream is not None and emit.stream.so_far is not None and read.get is None and read.post is None:
        yield Problem(f"{place}/stream/so_far", "totals so far are read from APIs only")
    for path in (emit.each, *(emit.when or ()), *(emit.unless or ()), *(emit.has or ())):
        yield from _path_problems(path, place)
    yield from _value_problems(getattr(emit, kinds[0]), f"{place}/{kinds[0]}")
    quiet = None if emit.execution is None else emit.execution.quiet
    if quiet is not None and status_of_word(quiet.status) is None:
        yield Problem(f"{place}/execution/quiet/status", f"expected a status, got {quiet.status!r}")


def _value_problems(told: Any, place: str) -> Iterator[Problem]:
    """Problems of all values inside a struct, list or dictionary."""
    if isinstance(told, str | Expression):
        yield from _expression_problems(told, place)
    elif isinstance(told, msgspec.Struct):
        if isinstance(told, GraphMap):
            yield from _graph_problems(told, place)
        for name in told.__struct_fields__:
            if name not in ("seconds", "status") or hasattr(told, "pipeline"):
                yield from _value_problems(getattr(told, name), f"{place}/{name}")
    elif isinstance(told, list):
        for position, value in enumerate(told):
            yield from _value_problems(value, f"{place}/{position}")
    elif isinstance(told, dict):
        for key, value in told.items():
            yield from _value_problems(value, f"{place}/{key}")


def _graph_problems(told: GraphMap, place: str) -> Iterator[Problem]:
    if told.depends_on is not None and told.leads_to is not None:
        yield Problem(place, "expected either depends_on or leads_to")


def _expression_problems(value: Value, place: str) -> Iterator[Problem]:
    if isinstance(value, str):
        yield from _path_problems(value, place)
        return
    origins = [name for name in _ORIGINS if getattr(value, name) is not None]
    if len(origins) != 1:
        yield Problem(place, f"expected exactly one of {', '.join(_ORIGINS)}")
        return
    for key, path in paths_in(value):
        yield from _path_problems(path, f"{place}{key}")
    if value.lookup is not None:
        for name in ("list", "key", "value"):
            yield from _path_problems(getattr(value.lookup, name), f"{place}/lookup/{name}")
    for name in ("first", "join"):
        for position, inner in enumerate(getattr(value, name) or ()):
            yield from _expression_problems(inner, f"{place}/{name}/{position}")
    if value.match is not None:
        yield from _pattern_problems(value.match, f"{place}/match", groups=1)


def _pattern_problems(pattern: str, place: str, groups: int | None = None) -> Iterator[Problem]:
    try:
        found = re.compile(pattern).groups
    except re.error as error:
        yield Problem(place, f"not a regular expression: {error}")
        return
    if groups is not None and found != groups:
        yield Problem(place, "expected one group in parentheses")


def _path_problems(path: str | None, place: str) -> Iterator[Problem]:
    if path is None:
        return
    try:
        steps_of(path)
    except BadPath as error:
        yield Problem(place, str(error))
