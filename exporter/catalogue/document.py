"""The generated parts of README.md and docs: `python -m exporter.catalogue.document` writes them anew.

A part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`. What is around it is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from exporter.catalogue import CATALOGUE, Kind, Metric, Scope, markdown
from exporter.catalogue.markdown import table
from exporter.catalogue.meanings import MEANINGS
from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.status import _STATUS_OF_WORD, FINAL, Status
from exporter.settings import SETTINGS, Setting

DOCUMENTS = ("README.md", "docs/metrics.md", "docs/events.md")
"""Files that have generated parts."""


def refreshed(text: str) -> str:
    """A document with its generated parts as they are now. Raises KeyError for a part that nothing generates."""
    return markdown.refreshed(text, PARTS)


def main(root: Path) -> None:
    """Write the generated parts of all documents below a folder."""
    for name in DOCUMENTS:
        path = root / name
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")


# Metrics

_SCOPES: Mapping[Scope, tuple[str, str]] = {
    Scope.PIPELINE: ("Pipelines and their executions", "One set for each pipeline."),
    Scope.EXECUTION: (
        "Executions under way",
        "One for each active execution; gone when it has ended.",
    ),
    Scope.ERROR: ("Errors", "One for each kind of error of a pipeline's stage."),
    Scope.STAGE: ("Stages", "One set for each stage of a pipeline, its mapped instances together."),
    Scope.EDGE: ("Edges between stages", "One for each edge of a pipeline's graph."),
    Scope.STREAM: ("Streams", "One set for each input or output of a pipeline."),
    Scope.CHECK: ("Data quality", "One set for each place where records are checked."),
    Scope.RULE: ("Data quality rules", "One for each rule of such a place."),
    Scope.MODEL: (
        "Language models",
        "One set for each model that a stage calls. Names and buckets of `gen_ai_…` are OpenTelemetry's.",
    ),
    Scope.EXPORTER: (
        "The exporter itself",
        "What each means in operation: [operations](operations.md#its-own-metrics).",
    ),
}
_COMMON = ("pipeline", "environment")


def metrics() -> str:
    """Every metric of the catalogue, by what it is measured on."""
    parts = [_metrics_of(scope) for scope in _SCOPES]
    assert set(_SCOPES) == set(Scope)
    return "\n".join(parts) + "\n" + _buckets()


def _metrics_of(scope: Scope) -> str:
    title, about = _SCOPES[scope]
    found = [metric for metric in CATALOGUE if metric.scope is scope]
    labels = "" if scope is Scope.EXPORTER else " Labels besides `pipeline` and `environment`:"
    rows = [
        (f"`{metric.name}`", metric.kind.value, _labels(metric), metric.unit, _prose(metric.help))
        for metric in found
    ]
    return f"### {title}\n\n{about}{labels}\n\n{table(('metric', 'type', 'labels', 'unit', 'meaning'), rows)}"


def _labels(metric: Metric) -> str:
    shown = []
    for name in metric.labels:
        if name in _COMMON:
            continue
        values = " ".join(metric.seeds) if name == metric.part else ""
        shown.append(f"`{name}`" + (f" ({values})" if values else ""))
    return ", ".join(shown)


def _prose(text: str) -> str:
    """Help texts are sentences of plain text; what looks like markup in them is not meant as such."""
    return text.replace("__other__", "`__other__`").replace("|", r"\|")


def _buckets() -> str:
    sets: dict[tuple[float, ...], list[str]] = {}
    for metric in CATALOGUE:
        if metric.kind is Kind.HISTOGRAM:
            sets.setdefault(metric.buckets, []).append(f"`{metric.name}`")
    rows = [(", ".join(names), " ".join(f"{bound:g}" if bound < 1e6 else f"{bound:.0f}" for bound in bounds))
            for bounds, names in sets.items()]  # fmt: skip
    about = "Upper bounds; `+Inf` comes on top. Quantiles are interpolated between bounds."
    return f"### Buckets\n\n{about}\n\n{table(('histograms', 'buckets'), rows)}"


# Events

_FAMILIES: Mapping[type[e.Payload], str] = {
    e.Payload: "Every event",
    e.ExecutionPayload: "Every event of an execution",
    e.ExecutionState: "Every state of an execution",
    e.StagePayload: "Every event of a stage",
    e.StageState: "Every state of a stage",
}
_OBJECTS: Mapping[type[msgspec.Struct], str] = {
    e.Schedule: "schedule",
    e.StageDeclaration: "stage",
    e.Parent: "parent",
    e.Items: "items",
    ErrorDetail: "error",
}


def events() -> str:
    """Every type of event with its fields; those that several types share stand first, once."""
    parts = ["### Fields that types share\n"]
    parts += [f"**{title}**\n\n{_fields(family)}" for family, title in _FAMILIES.items()]
    for payload in e.PAYLOADS:
        shared = [_FAMILIES[base] for base in reversed(payload.__mro__) if base in _FAMILIES]
        also = "[Fields](#fields-that-types-share) of " + ", of ".join(
            title[0].lower() + title[1:] for title in shared
        )
        own = _fields(payload)
        text = f"### {payload.type}\n\n{_about(payload)}\n\n{also}"
        parts.append(f"{text}, and:\n\n{own}" if own else f"{text}.\n")
    parts.append("### Objects inside\n")
    parts += [f"**{title}**: {_about(struct)}\n\n{_fields(struct)}" for struct, title in _OBJECTS.items()]
    return "\n".join(parts)


def _about(struct: type[msgspec.Struct]) -> str:
    """The docstring's sentences about the thing as a whole; those about single fields are in the table."""
    paragraphs = (struct.__doc__ or "").split("\n\n")
    kept = [" ".join(text.split()) for text in paragraphs if not text.lstrip().startswith("`")]
    return re.sub(r" `\w+`: .*", "", " ".join(kept))


def _fields(struct: type[msgspec.Struct]) -> str:
    bases = [
        base for base in struct.__mro__[1:] if issubclass(base, msgspec.Struct) and base is not msgspec.Struct
    ]
    inherited = {name for base in bases for name in base.__struct_fields__}
    own = [field for field in _type_of(struct).fields if field.name not in inherited]
    meanings = MEANINGS.get(struct, {})
    rows = [
        (f"`{field.encode_name}`", type_text(field.type), _default(field), meanings[field.encode_name])
        for field in own
    ]
    assert len(rows) == len(meanings), f"{struct.__name__}: a meaning without a field"
    return table(("field", "type", "default", "meaning"), rows) if rows else ""


def _type_of(struct: type[msgspec.Struct]) -> inspect.StructType:
    found = inspect.type_info(struct)
    assert isinstance(found, inspect.StructType)
    return found


def _default(field: inspect.Field) -> str:
    if field.required:
        return "**needed**"
    if field.default_factory is not msgspec.NODEFAULT:
        return "`[]`"
    return "" if field.default is None else _code(msgspec.json.encode(field.default).decode())


def type_text(type_: Any) -> str:
    """A type and its limits in words."""
    if isinstance(type_, inspect.UnionType):
        words = [type_text(each) for each in type_.types if not isinstance(each, inspect.NoneType)]
        return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    if isinstance(type_, inspect.Metadata):
        return type_text(type_.type)
    return _WORDS[type(type_)](type_)


def _text(type_: inspect.StrType) -> str:
    if type_.pattern:
        return " or ".join(f"`{word}`" for word in type_.pattern.strip("^$()").split("|"))
    if type_.max_length is None:
        return "text"
    return f"text of {type_.min_length or 0} to {type_.max_length} characters"


def _number(word: str) -> Callable[[Any], str]:
    def say(type_: Any) -> str:
        least = "" if type_.ge is None else f" from {type_.ge:g}"
        above = "" if type_.gt is None else f" above {type_.gt:g}"
        most = "" if type_.le is None else f" to {_short(type_.le)}"
        return f"{word}{least}{above}{most}"

    return say


def _short(number: float) -> str:
    if number == 2**53:
        return "2^53"
    return f"{number:g}" if number >= 1e7 else f"{number:.0f}"


def _list(type_: inspect.ListType) -> str:
    most = f"up to {type_.max_length} of: " if type_.max_length else "list of: "
    return most + type_text(type_.item_type)


def _mapping(type_: inspect.DictType) -> str:
    if isinstance(type_.value_type, inspect.AnyType):
        return "object"
    most = f"up to {type_.max_length} entries, " if type_.max_length else ""
    return f"object: {most}{type_text(type_.key_type)} → {type_text(type_.value_type)}"


_WORDS: Mapping[type, Callable[[Any], str]] = {
    inspect.StrType: _text,
    inspect.IntType: _number("whole number"),
    inspect.FloatType: _number("number"),
    inspect.BoolType: lambda _: "true or false",
    inspect.DateTimeType: lambda _: "time",
    inspect.ListType: _list,
    inspect.DictType: _mapping,
    inspect.StructType: lambda type_: f"[{_OBJECTS[type_.cls]}](#objects-inside)",
}


def status_words() -> str:
    """Statuses, and the words that stand for each."""
    rows = []
    for status in Status:
        words = [word for word, meant in _STATUS_OF_WORD.items() if meant is status and word != status]
        rows.append(
            (f"`{status}`", ", ".join(f"`{word}`" for word in words), "yes" if status in FINAL else "")
        )
    return table(("status", "other words for it", "an end"), rows)


# Settings


def settings() -> str:
    """Every setting of the server."""
    return table(
        ("option", "variable", "default", "meaning"),
        [
            (f"`--{each.name}`", f"`{each.variable}`", _code(default_text(each)), _prose(each.help))
            for each in SETTINGS
        ],
    )


def default_text(setting: Setting) -> str:
    """A default as it would be written on the command line."""
    default = setting.default
    if default is None:
        words = (word for word in ("none", "auto", "") if _stands_for_nothing(setting, word))
        return next(words, "")
    if isinstance(default, tuple):
        return ":".join(str(part) for part in default)
    if isinstance(default, timedelta):
        return f"{default.days}d" if default.days else f"{default.seconds}s"
    return str(default)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _stands_for_nothing(setting: Setting, word: str) -> bool:
    try:
        return setting.parse(word) is None
    except ValueError:
        return False


PARTS: Mapping[str, Callable[[], str]] = {
    "metrics": metrics,
    "events": events,
    "settings": settings,
    "status-words": status_words,
}

if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
