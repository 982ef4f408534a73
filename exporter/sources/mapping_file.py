"""Mapping files: read, checked, and what is wrong with them told with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import yaml

from exporter.ingest.refusal import field_error
from exporter.sources.mapping import Mapping
from exporter.sources.mapping_problems import Problem, problems_of
from exporter.yaml_keys import twice

_UNKNOWN = re.compile(r"unknown field `([^`]+)`")

_STEP = re.compile(r"\.([^.\[`]+)|\[[^\]]*\]")
"""A field, or an entry of a list or of an object with free keys, as msgspec writes them: `$.reads[0].labels[...]`."""


class BadMapping(ValueError):
    """A mapping that cannot be used; the message is one line with file, line and key."""


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A mapping, and how a message about what a pointer leads to begins: with file, line and key."""

    mapping: Mapping
    told: Callable[[str, str], str]


def preset_names() -> list[str]:
    """Names of the mappings that come with the exporter."""
    folder = files("exporter.sources") / "presets"
    return sorted(file.name.removesuffix(".yml") for file in folder.iterdir() if file.name.endswith(".yml"))


def preset(name: str) -> MappingFile:
    """A mapping that comes with the exporter. Raises BadMapping."""
    if name not in preset_names():
        raise BadMapping(f"preset: there is none named {name!r}, expected one of {', '.join(preset_names())}")
    text = (files("exporter.sources") / "presets" / f"{name}.yml").read_text(encoding="utf-8")
    return parse(text, f"preset {name}")


def load(path: str) -> MappingFile:
    """The mapping of a file. Raises BadMapping."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadMapping(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadMapping(f"{path}: expected text in UTF-8") from error
    return parse(text, path)


def parse(text: str, file: str) -> MappingFile:
    """The mapping that a YAML text tells; `file` names it in messages. Raises BadMapping."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        doubled = twice(tree)
        told = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadMapping(f"{file}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadMapping(f"{file}:1: not YAML: {' '.join(str(error).split())}") from error
    if doubled is not None:
        raise BadMapping(f"{file}:{doubled.line}: {doubled}")
    if tree is None:
        raise BadMapping(f"{file}:1: empty, expected a mapping")
    try:
        mapping = msgspec.convert(told, Mapping)
        for problem in problems_of(mapping):
            raise problem
    except msgspec.ValidationError as error:
        found = field_error(error)
        unknown = _UNKNOWN.search(found.message)
        if unknown is None:
            raise BadMapping(_told(file, tree, found.pointer, found.message)) from error
        message = f"unknown field, expected one of {', '.join(fields_at(str(error)))}"
        raise BadMapping(_told(file, tree, f"{found.pointer}/{unknown[1]}", message)) from error
    except Problem as problem:
        raise BadMapping(_told(file, tree, problem.pointer, str(problem))) from problem
    return MappingFile(mapping, lambda pointer, message: _told(file, tree, pointer, message))


def fields_at(message: str) -> tuple[str, ...]:
    """Fields that a mapping may have at the place that ends a message of msgspec."""
    type_: Any = Mapping
    for name in _STEP.findall(message.rpartition("`$")[2]):
        if name:
            type_ = _inner({field.name: field.type for field in msgspec.structs.fields(type_)}[name])
        else:
            type_ = _inner(get_args(type_)[-1])
    return tuple(type_.__struct_fields__)


def _inner(type_: Any) -> Any:
    """The part of a type that has fields or entries."""
    if get_origin(type_) is Annotated:
        return _inner(get_args(type_)[0])
    if get_origin(type_) not in (Union, UnionType):
        return type_
    parts = [_inner(part) for part in get_args(type_)]
    return next((part for part in parts if get_origin(part) or hasattr(part, "__struct_fields__")), parts[0])


def _told(file: str, tree: yaml.Node, pointer: str, message: str) -> str:
    key = ".".join(step for step in pointer.split("/") if step)
    return f"{file}:{_line(tree, pointer)}: {key + ': ' if key else ''}{message}"


def _line(tree: yaml.Node, pointer: str) -> int:
    """Line of the deepest node that the pointer still meets."""
    node, line = tree, tree.start_mark.line
    for step in pointer.split("/")[1:]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if str(key.value) == step:
                    node, line = value, key.start_mark.line
                    break
            else:
                break
        elif isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            node = node.value[int(step)]
            line = node.start_mark.line
        else:
            break
    return line + 1
