"""Reads a folder of JSON files: those that are new or changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from exporter.sources import junit
from exporter.sources.batch import ROWS, Away, Batch
from exporter.sources.cursor import Memory, Position
from exporter.sources.mapping import Mapping, Read
from exporter.sources.translate import Translator
from exporter.store.cursors import Overtaken

MOST_BYTES = 16 * 1024 * 1024
"""Size of one document."""

MOST_FILES = 10_000
"""Files that are remembered; of more, those that changed last."""

log = logging.getLogger(__name__)


class FolderReader:
    """Reads the files of a folder that a mapping names. A file is read again when its size or time has changed."""

    def __init__(self, source: str, environment: str, mapping: Mapping, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._reads = [(read, Translator(source, environment, mapping, read)) for read in mapping.reads]

    def close(self) -> None:
        """Nothing is kept open."""

    def batches(self, memory: Memory, read_at: datetime) -> Iterator[Batch]:
        """What is new. Raises Away."""
        if not self._folder.is_dir():
            raise Away(f"there is no folder {self._folder}")
        for read, translator in self._reads:
            position = Position.load(memory, self._source, read.name)
            try:
                yield from self._files(read, translator, position, read_at)
            except Overtaken:
                log.debug("another replica was faster", extra={"source": self._source, "read": read.name})

    def _files(
        self, read: Read, translator: Translator, position: Position, read_at: datetime
    ) -> Iterator[Batch]:
        assert read.files is not None
        files = changed_files(self._folder, read.files)
        for name in position.seen.keys() - files.keys():
            del position.seen[name]
        todo = [(name, stamp) for name, stamp in files.items() if position.seen.get(name) != [*stamp, 0]]
        for number, (name, stamp) in enumerate(todo):
            is_open = False
            for batch, still_open in self._file(read, translator, name, read_at):
                is_open = is_open or still_open
                yield Batch(read.name, batch.events, batch.rows, batch.problems, (number + 1) / len(todo))
            position.seen[name] = [*stamp, int(is_open)]
        position.save()

    def _file(
        self, read: Read, translator: Translator, name: str, read_at: datetime
    ) -> Iterator[tuple[Batch, bool]]:
        batch, is_open = Batch(read.name, [], 0), False
        try:
            for number, document in enumerate(_documents(self._folder / name, read.format)):
                told = translator.translate(document, f"{name}:{number}", read_at)
                batch.events.extend(told.events)
                batch.problems.extend(told.problems)
                is_open = is_open or told.is_open
                if number % ROWS == ROWS - 1:
                    yield Batch(read.name, batch.events, ROWS, batch.problems), is_open
                    batch = Batch(read.name, [], 0)
                else:
                    batch = Batch(read.name, batch.events, batch.rows + 1, batch.problems)
        except (OSError, ValueError, RecursionError) as error:
            batch.problems.append(f"{name}: {' '.join(str(error).split())[:200]}")
        yield batch, is_open


def changed_files(folder: Path, pattern: str) -> dict[str, list[int]]:
    """Names of files with time of change and size; those that changed last, if they are too many. Raises Away.

    A database that is written in WAL mode changes beside itself first.
    """
    found: list[tuple[int, int, str]] = []
    try:
        for path in folder.glob(pattern):
            if not path.is_file():
                continue
            told = path.stat()
            changed, size = told.st_mtime_ns, told.st_size
            beside = path.with_name(path.name + "-wal")
            if beside.exists():
                changed, size = max(changed, beside.stat().st_mtime_ns), size + beside.stat().st_size
            found.append((changed, size, str(path.relative_to(folder))))
    except OSError as error:
        raise Away(f"{folder}: {error.strerror}") from error
    found.sort()
    return {name: [changed, size] for changed, size, name in found[-MOST_FILES:]}


def _documents(path: Path, format_: str) -> Iterator[Any]:
    """The document of a file, one a line, or one a suite. Raises OSError, ValueError."""
    if format_ == "json":
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES} bytes")
        yield json.loads(path.read_text(encoding="utf-8"))
        return
    if format_ == "junit":
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES} bytes")
        yield from junit.suites(path.read_text(encoding="utf-8", errors="replace"))
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(MOST_BYTES):
            if line.strip():
                yield json.loads(line)
