"""Files that people write in YAML, checked against a type; what is wrong is told with its line and key."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from exporter.ingest.refusal import field_error
from exporter.yaml_keys import twice

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
        wrong = twice(root)
        told = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise BadFile(f"{path}: {line}not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadFile(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if wrong is not None:
        raise BadFile(f"{path}: line {wrong.line}: {wrong}")
    try:
        return msgspec.convert(told, type_)
    except msgspec.ValidationError as error:
        mistake = field_error(error)
        raise at(path, mistake.pointer, mistake.message) from error


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
