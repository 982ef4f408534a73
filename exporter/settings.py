"""Settings of the server: one table, from which the command line, the environment and the file are read alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from exporter.addresses import without_secrets
from exporter.configuration_file import BadFile, beside, database_beside, read
from exporter.source_settings import BadSource, SourceSetting, sources_of

PREFIX = "PIPELINE_EXPORTER_"


class BadSetting(ValueError):
    """A setting that is unknown or has a bad value; the message is one line that names it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `name` as on the command line, what a value means, its default, and one line of help.

    `stands_for`: the attribute of `Settings` that it gives, if that is not named like it. A secret can be told in
    two ways, and only one of them may be used. `in_file`: what its value in the configuration file means, where that
    depends on the folder of the file.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    stands_for: str | None = None
    in_file: Callable[[str, str], str] | None = None

    @property
    def key(self) -> str:
        """Key of the file."""
        return self.name.replace("-", "_")

    @property
    def attribute(self) -> str:
        """Attribute of `Settings`."""
        return self.stands_for or self.key

    @property
    def variable(self) -> str:
        """Environment variable."""
        return PREFIX + self.key.upper()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server was told, or the defaults."""

    database: str
    database_password: str | None
    listen: tuple[str, int]
    series_limit: int
    retention: timedelta
    max_executions: int | None
    lost_after: timedelta | None
    queue_limit: int
    token: str | None
    public_url: str | None
    grafana_url: str | None
    log_format: str
    log_level: str
    otlp_mapping: str | None
    orphans_after: timedelta
    llm_prices: str | None
    llm_content: str
    llm_emails: str
    sources: tuple[SourceSetting, ...] = ()


def address(text: str) -> tuple[str, int]:
    """HOST:PORT; a bare :PORT listens on all interfaces."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("expected HOST:PORT")
    return host or "0.0.0.0", int(port)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(text: str) -> timedelta:
    """A number with a unit: 90s, 15m, 12h, 30d, 2w."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip())
    if found is None or float(found[1]) <= 0:
        raise ValueError("expected a duration such as 90s, 15m, 12h, 30d or 2w")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError as error:
        raise ValueError("expected a duration of less than a million days") from error


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.strip().isdigit() or int(text) < 1:
        raise ValueError("expected a whole number above 0")
    return int(text)


def one_of(*words: str) -> Callable[[str], str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text

    return parse


def secret(text: str) -> str:
    """A secret; an empty one would let anybody in where somebody meant to keep them out."""
    if not text.strip():
        raise ValueError("expected a token; without one, leave the setting out")
    return text.strip()


def secret_file(path: str) -> str:
    """A file that holds a secret, as container engines mount them; a line break at its end is not part of it."""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError("expected text in UTF-8") from error
    if not text:
        raise ValueError("expected a secret in the file, it is empty")
    return text


def web_address(text: str) -> str:
    """An http or https URL, without a slash at its end."""
    if not re.match(r"https?://[^/\s]+", text):
        raise ValueError("expected a URL such as http://grafana:3000")
    return text.rstrip("/")


def nothing_or(parse: Callable[[str], Any], word: str) -> Callable[[str], Any]:
    """The same, or a word that stands for nothing set."""
    return lambda text: None if text in ("", word) else parse(text)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "database",
        str,
        "sqlite:///./pipeline-exporter.db",
        "where runs and totals are kept: a SQLite file or PostgreSQL",
        in_file=database_beside,
    ),
    Setting(
        "database-password-file",
        nothing_or(secret_file, ""),
        None,
        "file with the password for PostgreSQL, instead of one in the URL",
        stands_for="database_password",
        in_file=beside,
    ),
    Setting("listen", address, ("127.0.0.1", 9877), "address to answer on"),
    Setting(
        "series-limit",
        positive,
        200_000,
        "most series that pipelines may have; what exceeds them becomes __other__",
    ),
    Setting(
        "retention", duration, timedelta(days=30), "how long ended executions are kept; totals stay for ever"
    ),
    Setting(
        "max-executions",
        nothing_or(positive, "none"),
        None,
        "most executions kept; none: as many as retention leaves",
    ),
    Setting(
        "lost-after",
        nothing_or(duration, "auto"),
        None,
        "silence after which an execution is lost; auto: by its heartbeat, else by its pipeline's habit",
    ),
    Setting(
        "queue-limit",
        positive,
        50_000,
        "events that may wait for a commit before clients are asked to come back",
    ),
    Setting("token", secret, None, "token that whoever sends events must present; none: anybody may"),
    Setting(
        "token-file",
        nothing_or(secret_file, ""),
        None,
        "file with that token, instead",
        stands_for="token",
        in_file=beside,
    ),
    Setting(
        "public-url",
        nothing_or(web_address, ""),
        None,
        "where people find this server, if not where they asked, for links to it",
    ),
    Setting("grafana-url", nothing_or(web_address, ""), None, "where Grafana is, for links to it"),
    Setting(
        "otlp-mapping",
        nothing_or(str, ""),
        None,
        "YAML file that says which spans are executions and stages; none: by convention alone",
        in_file=beside,
    ),
    Setting(
        "orphans-after",
        duration,
        timedelta(seconds=10),
        "how long a span waits for the one that encloses it before it is shown without",
    ),
    Setting(
        "llm-prices",
        nothing_or(str, ""),
        None,
        "YAML file of what language models cost, for calls that do not tell",
        in_file=beside,
    ),
    Setting(
        "llm-content",
        one_of("drop", "store"),
        "drop",
        "whether prompts and answers are kept; secrets in them never are",
    ),
    Setting(
        "llm-emails",
        one_of("keep", "remove"),
        "keep",
        "whether addresses of people are kept in what programs tell in words",
    ),
    Setting("log-format", one_of("text", "json"), "text", "how log lines are written"),
    Setting(
        "log-level", one_of("debug", "info", "warning", "error"), "info", "least severity that is logged"
    ),
)
_BY_KEY = {setting.key: setting for setting in SETTINGS}


def settings(
    arguments: Mapping[str, str | None], environment: Mapping[str, str], file: str | None = None
) -> Settings:
    """Settings from the command line, else the environment, else the file, else the defaults. Raises BadSetting."""
    told = _read(file) if file is not None else {}
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for setting in SETTINGS:
        values.setdefault(setting.attribute, setting.default)
        argument = arguments.get(setting.key)
        if argument is not None:
            text, place = argument, f"--{setting.name}"
        elif setting.variable in environment:
            text, place = environment[setting.variable], setting.variable
        elif told.get(setting.key) is not None:
            text, place = str(told[setting.key]), f"{file}: {setting.key}"
            text = text if setting.in_file is None else setting.in_file(text, str(file))
        else:
            continue
        value = _parsed(setting, text, place)
        if value is None and setting.stands_for is not None:
            continue
        if setting.attribute in places:
            raise BadSetting(f"{place}: {places[setting.attribute]} is given as well, and only one may be")
        values[setting.attribute], places[setting.attribute] = value, place
    return Settings(**values, sources=_sources(told.get("sources"), file))


def _read(file: str) -> dict[str, Any]:
    try:
        return read(file, (*_BY_KEY, "sources"))
    except BadFile as error:
        raise BadSetting(str(error)) from error


def _sources(told: Any, file: str | None) -> tuple[SourceSetting, ...]:
    try:
        return sources_of(told, duration, file)
    except BadSource as error:
        raise BadSetting(f"{file}: {error}") from error


def _parsed(setting: Setting, text: str, place: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        raise BadSetting(f"{place}: {error}, got {without_secrets(text)!r}") from error
