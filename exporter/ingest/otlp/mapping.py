"""A mapping file (`--otlp-mapping FILE`): how spans of one's own programs become executions and stages.

Its JSON Schema is `docs/schemas/otlp-mapping.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from exporter.domain.events import Items
from exporter.domain.spans import Place, Reading, Span
from exporter.ingest import yaml_files
from exporter.ingest.otlp import generic, parts

Key = Annotated[str, Meta(min_length=1, max_length=256)]
Match = Annotated[dict[Key, Annotated[str, Meta(max_length=1024)]], Meta(min_length=1, max_length=32)]
Template = Annotated[str, Meta(min_length=1, max_length=1024)]

_FIELD = re.compile(r"\{([^{}]*)\}")
_STRAY = re.compile(r"[{}]")


class StageRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Spans that are stages, and how to read them. `items_in`, `items_out` name attributes with numbers."""

    match: Match | None = None
    name: Template = "{span.name}"
    index: Template | None = None
    attempt: Template | None = None
    kind: Template | None = None
    items_in: Key | None = None
    items_out: Key | None = None


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to read the spans that match. `run`: which of them are executions; without it those without a parent.

    `repeats`: whether spans of one name side by side are attempts of one stage, or instances of it.
    """

    match: Match
    pipeline: Template = "{service.name}"
    execution: Template | None = None
    kind: Template | None = None
    labels: Annotated[dict[Key, Template], Meta(max_length=32)] = {}
    run: Match | None = None
    stages: Annotated[list[StageRule], Meta(max_length=256)] | None = None
    ignore: Annotated[list[Match], Meta(max_length=256)] = []
    repeats: Literal["attempts", "instances"] = "attempts"


class Mapping(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping file: the first rule that matches a span reads it."""

    pipelines: Annotated[list[Rule], Meta(min_length=1, max_length=1000)]

    def rule_of(self, span: Span) -> Rule | None:
        """The rule that reads a span."""
        return next((rule for rule in self.pipelines if matches(rule.match, span)), None)

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that the rules ask for."""
        return frozenset(name for rule in self.pipelines for name in _asked_for(rule))


def read(path: str) -> Mapping:
    """The mapping file. Raises yaml_files.BadFile, which names line and key."""
    mapping = yaml_files.load(path, Mapping)
    for number, rule in enumerate(mapping.pipelines):
        for place, template in _templates(rule):
            if (problem := _problem(template)) is not None:
                raise yaml_files.at(path, f"/pipelines/{number}/{place}", problem)
    return mapping


def _problem(template: str) -> str | None:
    if _STRAY.search(_FIELD.sub("", template)):
        return "expected each { to be closed by a }, with the name of an attribute between"
    if "" in (name.strip() for name in _FIELD.findall(template)):
        return "expected the name of an attribute between { and }"
    return None


def _asked_for(rule: Rule) -> Iterator[str]:
    stages = rule.stages or []
    for match in (rule.match, rule.run, *rule.ignore, *(stage.match for stage in stages)):
        yield from match or ()
    for stage in stages:
        yield from (name for name in (stage.items_in, stage.items_out) if name is not None)
    for _, template in _templates(rule):
        yield from (name.strip() for name in _FIELD.findall(template))


def _templates(rule: Rule) -> Iterator[tuple[str, str]]:
    """The templates of a rule, with the pointers to them."""
    told: list[tuple[str, str | None]] = [
        (key, getattr(rule, key)) for key in ("pipeline", "execution", "kind")
    ]
    told += [(f"labels/{key.replace('/', '~1')}", value) for key, value in rule.labels.items()]
    for position, stage in enumerate(rule.stages or ()):
        told += [
            (f"stages/{position}/{key}", getattr(stage, key)) for key in ("name", "index", "attempt", "kind")
        ]
    return ((pointer, template) for pointer, template in told if template is not None)


def value(span: Span, key: str) -> Any:
    """What a key of a match or a template stands for."""
    match key:
        case "span.name":
            return span.name
        case "span.kind":
            return span.kind
        case "scope.name":
            return span.scope or None
        case "trace.id":
            return span.trace
        case _:
            return span.get(key)


def matches(match: Match, span: Span) -> bool:
    """Whether all that a match asks for is so; `*` and `?` stand for anything."""
    for key, pattern in match.items():
        told = value(span, key)
        if told is None:
            return False
        shown = str(told).lower() if isinstance(told, bool) else str(told)
        if not fnmatchcase(shown, pattern):
            return False
    return True


def filled(template: str | None, span: Span) -> str | None:
    """A template with its attributes put in; None if one of them is missing."""
    if template is None:
        return None
    found: list[str] = []
    for key in _FIELD.findall(template):
        told = parts.text(value(span, key.strip()))
        if told is None:
            return None
        found.append(told)
    pieces = iter(found)
    return _FIELD.sub(lambda _: next(pieces), template)


def read_span(rule: Rule, span: Span, parent: Place | None, *, orphan: bool) -> Reading | None:
    """What a rule makes of a span; of a stage nothing before its parent is known."""
    is_run = matches(rule.run, span) if rule.run is not None else not span.parent
    place = _of_run(rule, span)
    if is_run:
        told = parts.labels((key, filled(template, span)) for key, template in rule.labels.items())
        moments = parts.execution(
            span,
            place,
            kind=parts.word(filled(rule.kind, span)),
            labels=told,
            parameters=generic.parameters(span),
        )
        return Reading(place, moments, whole=True)
    if parent is None:
        if not span.parent and rule.execution is not None and filled(rule.execution, span) is None:
            # Runs are told by name, and this encloses them: a scheduler, a shell, a request.
            return Reading(replace(place, execution=None), [], whole=True)
        if not orphan:
            return None
        parent = place
    if parent.call or parent.execution is None or any(matches(one, span) for one in rule.ignore):
        return generic.inside(parent)
    stage = _stage_rule(rule, span)
    return generic.inside(parent) if stage is None else _stage(rule, stage, span, parent)


def _of_run(rule: Rule, span: Span) -> Place:
    return Place(
        dialect="mapping",
        source=parts.SOURCE,
        namespace=parts.NAMESPACE,
        environment=span.environment,
        pipeline=parts.name(filled(rule.pipeline, span)) or parts.service(span),
        execution=parts.name(filled(rule.execution, span), 1024) or span.trace,
    )


def _stage_rule(rule: Rule, span: Span) -> StageRule | None:
    if rule.stages is None:
        return StageRule()
    return next((one for one in rule.stages if one.match is None or matches(one.match, span)), None)


def _stage(rule: Rule, stage: StageRule, span: Span, parent: Place) -> Reading:
    attempt = parts.whole(filled(stage.attempt, span)) or None
    index = parts.name(filled(stage.index, span))
    if index is None and rule.repeats == "instances":
        index = span.id
    path = parts.below(parent, parts.name(filled(stage.name, span)) or span.name)
    if path == parent.path:
        return generic.inside(parent)
    place = Place(
        dialect="mapping",
        source=parent.source,
        namespace=parent.namespace,
        environment=parent.environment,
        pipeline=parent.pipeline,
        execution=parent.execution,
        path=path,
        index=index,
    )
    taken = None if stage.items_in is None else parts.whole(value(span, stage.items_in))
    given = None if stage.items_out is None else parts.whole(value(span, stage.items_out))
    moment = parts.stage(
        span,
        place,
        attempt=attempt if attempt is None or attempt <= 1_000_000 else None,
        attempt_id=span.id,
        kind=parts.word(filled(stage.kind, span)),
        items=None if taken is None and given is None else Items(taken, given),
    )
    return Reading(place, [moment])


def schema() -> dict[str, Any]:
    """JSON Schema of a mapping file."""
    found = msgspec.json.schema(Mapping)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mapping file of pipeline-exporter for OTLP spans",
        **found,
    }
