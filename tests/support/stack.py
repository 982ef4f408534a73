"""The stack's files, taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from tests.support.paths import REPOSITORY

FILE = REPOSITORY / "docker-compose.yml"


@cache
def compose() -> dict[str, Any]:
    """docker-compose.yml as it stands, with variables unresolved."""
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content


@cache
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def one_shots() -> set[str]:
    """Services that do something and end."""
    return {name for name, service in services().items() if service["restart"] == "no"}


def lasting() -> list[str]:
    """Services that run until they are stopped."""
    return sorted(set(services()) - one_shots())


def variables(text: str) -> Iterator[tuple[str, str]]:
    """Each `${NAME:-default}` of a text and in defaults: name and default, with variables unresolved."""
    at = 0
    while (at := text.find("${", at)) >= 0:
        end, depth = at + 2, 1
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        name, _, default = text[at + 2 : end - 1].partition(":-")
        yield name, default
        at += 2


def resolved(text: str, environment: Mapping[str, str]) -> str:
    """A text with its variables replaced, as compose does: innermost first, empty counting as unset."""
    innermost = re.compile(r"\$\{(\w+)(?::-([^{}]*))?\}")
    while found := innermost.search(text):
        value = environment.get(found[1]) or found[2] or ""
        text = text[: found.start()] + value + text[found.end() :]
    return text


def mounts(service: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Source, target and options of each volume of a service, with default values."""
    for mount in service.get("volumes", ()):
        source, target, *options = resolved(mount, {}).split(":")
        yield source, target, ",".join(options)
