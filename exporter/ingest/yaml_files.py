"""Files that people write in YAML, checked against a type; what is wrong is told with its line and key."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from exporter.ingest.refusal import field_error

T = TypeVar("T")


class BadFile(ValueError):
    """A file that cannot be used; the message names the file, the line and the key."""


def load(path: str, type_: type[T]) -> T:
    """The file as a value of the type. Raises BadFile."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadFile(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: expected text in UTF-8") from error
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        _check_keys(path, root)
        told = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise BadFile(f"{path}: {line}not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadFile(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return msgspec.convert(told, type_)
    except msgspec.ValidationError as error:
        wrong = field_error(error)
        raise at(path, wrong.pointer, wrong.message) from error


def at(path: str, pointer: str, message: str) -> BadFile:
    """What is wrong with a value of a file that could be read, with its line."""
    root = yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)
    return BadFile(f"{path}: line {_line(root, pointer)}: {pointer or 'the whole file'}: {message}")


def _line(node: yaml.Node | None, pointer: str) -> int:
    """Line of the value that a pointer leads to, or of the nearest around it that there is."""
    line = 1 if node is None else node.start_mark.line + 1
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == name:
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
            found = node.value[int(name)]
            line = found.start_mark.line + 1
        if found is None:
            return line
        node = found
    return line


def _check_keys(path: str, node: yaml.Node | None, depth: int = 0) -> None:
    """A key that stands twice would hide what was written first."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(path, item, depth + 1)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if isinstance(key.value, str) and key.value in seen:
            raise BadFile(f"{path}: line {key.start_mark.line + 1}: {key.value}: stands twice")
        if isinstance(key.value, str):
            seen.add(key.value)
        _check_keys(path, value, depth + 1)
