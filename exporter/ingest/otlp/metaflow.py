"""Metaflow's own tracing: `cli/run` for a run, `cli/step` for a task; everything else stands in the command line."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath

from exporter.domain.spans import Place, Reading, Span
from exporter.ingest.otlp import parts

SOURCE = "metaflow"
_SCOPE = "metaflow."
_INPUT = re.compile(r"(?:^|,)[^/,:!]+/([^/,]+)/")


def claims(span: Span) -> bool:
    """Whether it is a span of Metaflow's command line."""
    return span.scope.startswith(_SCOPE) and parts.text(span.attributes.get("cmd")) is not None


def read(span: Span, parent: Place | None, *, orphan: bool, child: Place | None) -> Reading | None:
    """What a command of Metaflow tells. A run learns its id from its tasks."""
    words = _words(str(span.attributes["cmd"]))
    options = _options(words)
    flow = PurePosixPath(words[0]).stem if words else parts.service(span)
    place = Place(
        dialect=SOURCE,
        source=SOURCE,
        namespace=SOURCE,
        environment=span.environment,
        pipeline=parts.name(flow) or parts.service(span),
        execution=parts.name(options.get("run-id"), 1024),
    )
    step = _step(words)
    if step is not None and place.execution is not None:
        return _task(span, place, step, options)
    if span.name not in ("cli/run", "cli/resume"):
        # Other commands of its own, such as `cli/init`.
        return Reading(parent, [], whole=True) if parent is not None else None
    known = child if child is not None and child.dialect == SOURCE else None
    if known is None and not orphan:
        return None
    place = Place(
        dialect=SOURCE,
        source=SOURCE,
        namespace=SOURCE,
        environment=span.environment,
        pipeline=place.pipeline,
        execution=span.trace if known is None else known.execution,
    )
    return Reading(place, parts.execution(span, place, kind="flow"), whole=known is not None)


def _task(span: Span, place: Place, step: str, options: dict[str, str]) -> Reading:
    tried = parts.whole(options.get("retry-count")) or 0
    allowed = parts.whole(options.get("max-user-code-retries")) or 0
    place = Place(
        dialect=SOURCE,
        source=SOURCE,
        namespace=SOURCE,
        environment=place.environment,
        pipeline=place.pipeline,
        execution=place.execution,
        path=[step],
        index=parts.name(options.get("split-index")),
    )
    retry = span.failed and tried < allowed
    depends_on = _inputs(options.get("input-paths", ""))
    moment = parts.stage(span, place, attempt=tried + 1, retry=retry, depends_on=depends_on)
    return Reading(place, [moment], whole=True)


def _inputs(paths: str) -> list[str] | None:
    """Steps that a task took over from: `run/step/task,…`, or `run/step/:task,…` where they are many."""
    steps = (match[1] for match in _INPUT.finditer(paths))
    found = list(
        dict.fromkeys(name for step in steps if (name := parts.name(step)) and step != "_parameters")
    )
    return found or None


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command[:8192])
    except ValueError:  # quotes without an end
        return command.split()


def _step(words: list[str]) -> str | None:
    """The word behind `step`, which is no option's value."""
    for position, word in enumerate(words[:-1]):
        if word == "step" and not words[position - 1].startswith("--"):
            return parts.name(words[position + 1])
    return None


def _options(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for position, word in enumerate(words):
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            following = words[position + 1] if position + 1 < len(words) else ""
            found[key] = value if equals else following
    return found
