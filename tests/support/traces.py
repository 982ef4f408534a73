"""Traces read as Grafana's Jaeger datasource reads them, and what must hold of each."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

INT64 = 2**63 - 1
KINDS = {"string": str, "bool": bool, "int64": int, "float64": float}


class KeyValue(Struct, forbid_unknown_fields=True):
    key: str
    type: str
    value: str | bool | int | float


class Log(Struct, forbid_unknown_fields=True):
    timestamp: int
    fields: list[KeyValue]


class Reference(Struct, forbid_unknown_fields=True):
    refType: str  # noqa: N815 - Jaeger's name
    traceID: str  # noqa: N815 - Jaeger's name
    spanID: str  # noqa: N815 - Jaeger's name


class Span(Struct, forbid_unknown_fields=True):
    traceID: str  # noqa: N815 - Jaeger's name
    spanID: str  # noqa: N815 - Jaeger's name
    processID: str  # noqa: N815 - Jaeger's name
    operationName: str  # noqa: N815 - Jaeger's name
    startTime: int  # noqa: N815 - Jaeger's name
    duration: int
    logs: list[Log]
    references: list[Reference]
    tags: list[KeyValue]
    warnings: list[str]
    stackTraces: list[str]  # noqa: N815 - Grafana's name
    flags: int

    @property
    def told(self) -> dict[str, Any]:
        """Tags by their key."""
        return {tag.key: tag.value for tag in self.tags}

    @property
    def parent(self) -> str | None:
        """The span that it is below, as Grafana finds it."""
        return next((each.spanID for each in self.references if each.refType == "CHILD_OF"), None)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Fields of its logs."""
        return [{field.key: field.value for field in log.fields} for log in self.logs]

    @property
    def seconds(self) -> tuple[float, float]:
        """Start, since noon, and duration."""
        return (self.startTime - 1_795_348_800_000_000) / 1e6, self.duration / 1e6


class Process(Struct, forbid_unknown_fields=True):
    serviceName: str  # noqa: N815 - Jaeger's name
    tags: list[KeyValue]


class Trace(Struct, forbid_unknown_fields=True):
    traceID: str  # noqa: N815 - Jaeger's name
    spans: list[Span]
    processes: dict[str, Process]
    warnings: list[str]

    @property
    def root(self) -> Span:
        """The span of the execution."""
        (root,) = [span for span in self.spans if span.parent is None]
        return root

    def named(self, operation: str) -> list[Span]:
        """The spans of that name, in order."""
        return [span for span in self.spans if span.operationName == operation]

    def path(self, span: Span) -> list[str]:
        """Names from the execution's down to a span's."""
        by_id = {each.spanID: each for each in self.spans}
        parent = span.parent
        return [*([] if parent is None else self.path(by_id[parent])), span.operationName]


def read(answer: Any) -> list[Trace]:
    """Traces of an answer, each of them valid."""
    traces = msgspec.convert(answer["data"], list[Trace])
    for trace in traces:
        check(trace)
    return traces


def check(trace: Trace) -> None:
    """A trace is one tree with unique ids, whose figures every client can hold."""
    assert trace.spans, "Grafana's backend panics at a trace without spans"
    ids = [span.spanID for span in trace.spans]
    assert len(set(ids)) == len(ids)
    assert all(len(id_) == 16 and int(id_, 16) for id_ in ids)
    assert trace.spans[0] is trace.root
    for span in trace.spans:
        assert span.traceID == trace.traceID
        assert 0 <= span.startTime <= INT64
        assert 0 <= span.duration <= INT64
        assert span.processID in trace.processes
        assert span.operationName
        for reference in span.references:
            assert reference.refType in ("CHILD_OF", "FOLLOWS_FROM")
            if reference.refType == "CHILD_OF":
                assert reference.traceID == trace.traceID
                assert reference.spanID in ids
        assert trace.path(span)[0] == trace.root.operationName
        for log in span.logs:
            assert 0 <= log.timestamp <= INT64
            check_values(log.fields)
        check_values(span.tags)
    for process in trace.processes.values():
        check_values(process.tags)


def check_values(told: list[KeyValue]) -> None:
    """Each value is of the type that is said, and each key there once."""
    assert len({each.key for each in told}) == len(told)
    for each in told:
        assert type(each.value) is KINDS[each.type] or (each.type == "float64" and type(each.value) is int)
