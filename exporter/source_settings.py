"""The `sources:` of the configuration file: which systems the server reads by itself, and how often."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

KEYS = ("name", "preset", "mapping", "url", "environment", "every", "secret_file", "timezone", "namespace")
EVERY = timedelta(seconds=15)
"""Time between two reads of a source that tells none."""

NAMESPACE = re.compile(r"[a-z0-9_.-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class BadSource(ValueError):
    """A source that cannot be used; the message is one line that names its key."""


@dataclass(frozen=True, slots=True)
class SourceSetting:
    """One source as it stands in the configuration file.

    `preset` or `mapping` (a file) says what its rows mean. `secret_file` holds the password of a database, or the
    bearer token of an API. `timezone` is that of times that tell none, instead of the mapping's. `namespace` joins its
    executions with what other ways in tell of them, instead of the mapping's. `file` is the configuration file, in
    whose folder relative paths begin; None: where the program was started.
    """

    name: str
    url: str
    preset: str | None = None
    mapping: str | None = None
    environment: str = "default"
    every: timedelta = EVERY
    secret_file: str | None = None
    timezone: str | None = None
    namespace: str | None = None
    file: str | None = None


def sources_of(
    told: Any, duration: Callable[[str], timedelta], file: str | None = None
) -> tuple[SourceSetting, ...]:
    """The sources of a list as YAML gives it. Raises BadSource naming the place."""
    if told is None:
        return ()
    if not isinstance(told, list):
        raise BadSource("sources: expected a list")
    found: dict[str, SourceSetting] = {}
    for position, one in enumerate(told):
        source = _source(one, f"sources[{position}]", duration, file)
        if source.name in found:
            raise BadSource(
                f"sources[{position}].name: {source.name!r} is the name of another source as well"
            )
        found[source.name] = source
    return tuple(found.values())


def _source(told: Any, place: str, duration: Callable[[str], timedelta], file: str | None) -> SourceSetting:
    if not isinstance(told, Mapping):
        raise BadSource(f"{place}: expected a mapping with {', '.join(KEYS[:4])}")
    texts = _texts(told, place)
    for key in ("name", "url"):
        if key not in texts:
            raise BadSource(f"{place}.{key}: missing")
    if not _NAME.fullmatch(texts["name"]):
        raise BadSource(f"{place}.name: expected up to 64 letters, digits, '-', '_' and '.'")
    if ("preset" in texts) == ("mapping" in texts):
        raise BadSource(f"{place}: expected either preset or mapping")
    if not texts.get("environment", "default").isprintable() or len(texts.get("environment", "")) > 256:
        raise BadSource(f"{place}.environment: expected up to 256 printable characters")
    if not NAMESPACE.fullmatch(texts.get("namespace", "any")):
        raise BadSource(f"{place}.namespace: expected up to 64 small letters, digits, '-', '_' and '.'")
    _check_zone(texts.get("timezone"), place)
    try:
        every = duration(texts.pop("every")) if "every" in texts else EVERY
    except ValueError as error:
        raise BadSource(f"{place}.every: {error}") from error
    if every < timedelta(seconds=1):
        raise BadSource(f"{place}.every: expected at least 1s")
    return SourceSetting(every=every, file=file, **texts)


def _check_zone(zone: str | None, place: str) -> None:
    try:
        ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSource(f"{place}.timezone: no such time zone: {zone!r}") from error


def _texts(told: Mapping[str, Any], place: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for key, value in told.items():
        if key not in KEYS:
            raise BadSource(f"{place}.{key}: unknown key, expected one of {', '.join(KEYS)}")
        if not isinstance(value, str | int | float) or isinstance(value, bool) or not str(value).strip():
            raise BadSource(f"{place}.{key}: expected text")
        texts[key] = str(value).strip()
    return texts
