"""Reads a folder of files: those that are new or changed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from glob import escape
from pathlib import Path

from exporter.sources.batch import ROWS, Away, Batch
from exporter.sources.cursor import Memory, Position
from exporter.sources.documents import documents
from exporter.sources.line_reader import LineReader
from exporter.sources.listing import listed
from exporter.sources.mapping import LINES, Mapping
from exporter.sources.translate import Translator
from exporter.store.cursors import Overtaken

WRITING_SECONDS = 10
"""So long after its last change a document that cannot be read is taken for one that is being written."""

log = logging.getLogger(__name__)


class FolderReader:
    """Reads the files that a mapping names of a folder, or one file alone.

    A document is read again when its size or time has changed; of files of lines, what was added.
    """

    def __init__(self, source: str, environment: str, mapping: Mapping, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._reads = [(read, Translator(source, environment, mapping, read)) for read in mapping.reads]

    def close(self) -> None:
        """Nothing is kept open."""

    def batches(self, memory: Memory, read_at: datetime) -> Iterator[Batch]:
        """What is new. Raises Away."""
        is_file = self._is_file()
        folder = self._folder.parent if is_file else self._folder
        for read, translator in self._reads:
            assert read.files is not None
            found = listed(folder, escape(self._folder.name) if is_file else read.files)
            if found.unreadable:
                yield Batch(read.name, [], 0, found.unreadable)
            files, position = found.files, Position.load(memory, self._source, read.name)
            try:
                if read.format in LINES:
                    yield from LineReader(translator).batches(folder, files, position, read_at)
                else:
                    yield from _documents(folder, files, translator, position, read_at)
            except Overtaken:
                log.debug("another replica was faster", extra={"source": self._source, "read": read.name})

    def _is_file(self) -> bool:
        """Whether one file alone is to be read. Raises Away if it is neither that nor a folder."""
        try:
            if self._folder.is_file():
                return True
            if self._folder.is_dir():
                return False
        except OSError as error:
            raise Away(f"{self._folder}: {error.strerror}") from error
        raise Away(f"there is no folder or file {self._folder}")


def _documents(
    folder: Path, files: dict[str, list[int]], translator: Translator, position: Position, read_at: datetime
) -> Iterator[Batch]:
    for name in position.seen.keys() - files.keys():
        del position.seen[name]
    todo = [(name, stamp) for name, stamp in files.items() if position.seen.get(name) != [*stamp, 0]]
    for number, (name, stamp) in enumerate(todo):
        is_open = False
        try:
            for batch, still_open in _file(folder, name, translator, read_at):
                is_open = is_open or still_open
                yield replace(batch, done=(number + 1) / len(todo))
        except (OSError, ValueError, RecursionError) as error:
            if 0 <= read_at.timestamp() - stamp[0] / 1e9 < WRITING_SECONDS:
                continue
            yield Batch(translator.read.name, [], 0, [f"{name}: {' '.join(str(error).split())[:200]}"])
        position.seen[name] = [*stamp, int(is_open)]
    position.save()


def _file(folder: Path, name: str, translator: Translator, read_at: datetime) -> Iterator[tuple[Batch, bool]]:
    """What a file tells, and whether that may still change. Raises OSError, ValueError."""
    batch, is_open, rows = Batch(translator.read.name, [], 0), False, 0
    for number, document in enumerate(documents(folder / name, translator.read)):
        told = translator.translate(document, f"{name}:{number}", read_at)
        batch.take(told)
        is_open, rows = is_open or told.is_open, rows + 1
        if rows == ROWS:
            yield replace(batch, rows=rows), is_open
            batch, rows = Batch(translator.read.name, [], 0), 0
    yield replace(batch, rows=rows), is_open
