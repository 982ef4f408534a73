"""Keys of a YAML file that stand twice: YAML keeps the last one, and hides what was written first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class Twice:
    """A key that stands for what another one does, and the lines of both."""

    line: int
    key: str
    first_line: int
    first_key: str

    def __str__(self) -> str:
        spelt = "" if self.key == self.first_key else f" as {self.first_key}"
        return f"{self.key}: stands twice, in line {self.first_line}{spelt} as well"


def _as_written(key: str) -> str:
    return key


def twice(node: yaml.Node | None, spelt: Callable[[str], str] = _as_written) -> Twice | None:
    """The first key that stands twice in a mapping or in one inside it.

    `spelt` gives the one spelling of keys of the outermost mapping that have several.
    """
    if isinstance(node, yaml.SequenceNode):
        return next((found for item in node.value if (found := twice(item)) is not None), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    seen: dict[str, yaml.ScalarNode] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            first = seen.setdefault(spelt(key.value), key)
            if first is not key:
                return Twice(key.start_mark.line + 1, key.value, first.start_mark.line + 1, first.value)
        inner = twice(value)
        if inner is not None:
            return inner
    return None
