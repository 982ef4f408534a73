"""The configuration file: its keys, as told, and what paths in it mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from exporter.yaml_keys import twice

_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)", re.DOTALL)


class BadFile(ValueError):
    """A configuration file that cannot be used; the message is one line that names it."""


def read(file: str, keys: Sequence[str]) -> dict[str, Any]:
    """What a file tells, by key. Raises BadFile."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{file}: cannot be read: {error}") from error
    try:
        doubled = twice(yaml.compose(text, yaml.SafeLoader), _spelt)
        told = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadFile(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    if doubled is not None:
        raise BadFile(f"{file}:{doubled.line}: {doubled}")
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise BadFile(f"{file}: expected a mapping of settings")
    for key in told:
        if _spelt(str(key)) not in keys:
            raise BadFile(f"{file}: {key}: unknown setting, expected one of {', '.join(keys)}")
    return {_spelt(str(key)): value for key, value in told.items()}


def beside(path: str, file: str | None) -> str:
    """A path that a configuration file tells: a relative one begins in the folder of that file.

    The folder in which a server is started is another under cron, systemd and in containers.
    """
    return path if not path or file is None else str(Path(file).absolute().parent / path)


def database_beside(url: str, file: str | None) -> str:
    """The URL of a database; the same for the file of a SQLite database."""
    found = _SQLITE_FILE.fullmatch(url)
    return url if found is None else found[1] + beside(found[2], file)


def _spelt(key: str) -> str:
    """The one spelling of a key, which may be written as on the command line."""
    return key.replace("-", "_")
