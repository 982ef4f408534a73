"""One source: its mapping, its reader, and one round of reading."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from exporter.addresses import without_secrets
from exporter.configuration_file import beside, database_beside
from exporter.domain.events import Event, PipelineDeclared
from exporter.source_settings import SourceSetting
from exporter.sources import mapping_file
from exporter.sources.api_reader import ApiReader
from exporter.sources.batch import Reader
from exporter.sources.database import BadUrl, Database
from exporter.sources.folder_reader import FolderReader
from exporter.sources.mapping import Mapping
from exporter.sources.mapping_file import BadMapping, MappingFile
from exporter.sources.sql_reader import SqlReader

REMEMBERED = 50_000
"""Identities of events sent last: a row read again is not sent again."""


class BadSource(ValueError):
    """A source that cannot be read as it is told; the message is one line that names it."""


class Source:
    """A source, ready to be read."""

    def __init__(self, setting: SourceSetting, mapping: Mapping, reader: Reader) -> None:
        self.name = setting.name
        self.every = setting.every.total_seconds()
        self.mapping = mapping
        self.reader = reader
        self._sent: OrderedDict[bytes, None] = OrderedDict()
        self._declared: dict[tuple[str, str], bytes] = {}

    def fresh(self, events: Iterable[Event]) -> list[Event]:
        """Those that were not sent lately, each once."""
        found = {event.identity: event for event in events if event.identity not in self._sent}
        return [event for event in found.values() if not self._is_declared(event)]

    def _is_declared(self, event: Event) -> bool:
        """Whether a pipeline was declared in these very words last time."""
        payload = event.payload
        if not isinstance(payload, PipelineDeclared):
            return False
        return self._declared.get((payload.environment, payload.pipeline)) == event.body

    def sent(self, events: Iterable[Event]) -> None:
        """They are durable."""
        for event in events:
            self._sent[event.identity] = None
            if isinstance(event.payload, PipelineDeclared):
                self._declared[event.payload.environment, event.payload.pipeline] = event.body
        while len(self._sent) > REMEMBERED:
            # The first of a plain dict is found slowly once many before it are gone.
            self._sent.popitem(last=False)


def opened(setting: SourceSetting) -> Source:
    """The source of a setting; does not connect yet. Raises BadSource."""
    place = f"source {setting.name}"
    try:
        file = (
            mapping_file.preset(setting.preset)
            if setting.preset
            else mapping_file.load(beside(setting.mapping or "", setting.file))
        )
        instead = {"timezone": setting.timezone, "namespace": setting.namespace}
        told = {key: value for key, value in instead.items() if value is not None}
        file = replace(file, mapping=msgspec.structs.replace(file.mapping, **told))
        return Source(setting, file.mapping, reader_of(setting, file))
    except (BadMapping, BadUrl) as error:
        raise BadSource(f"{place}: {error}") from error


def reader_of(setting: SourceSetting, file: MappingFile) -> Reader:
    """What reads a source. Raises BadUrl."""
    mapping = file.mapping
    secret = _secret(beside(setting.secret_file, setting.file)) if setting.secret_file else None
    if mapping.reads_from == "api":
        return ApiReader(setting.name, setting.environment, mapping, setting.url, secret)
    if mapping.reads_from == "folder":
        folder = setting.url.removeprefix("file://")
        if "://" in folder:
            raise BadUrl(f"url: expected a folder, got {without_secrets(setting.url)!r}")
        return FolderReader(setting.name, setting.environment, mapping, Path(beside(folder, setting.file)))
    try:
        database = Database(database_beside(setting.url, setting.file), secret, mapping.search_path or ())
    except BadUrl as error:
        raise BadUrl(f"url: {error}") from error
    return SqlReader(setting.name, setting.environment, file, database)


def _secret(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadUrl(f"secret_file: {file} cannot be read") from error
