"""Reads what is new in files of lines: JSON, one record a line, or events as clients send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from exporter.domain.events import Event
from exporter.ingest import cloudevents, openlineage
from exporter.ingest.refusal import Refused
from exporter.sources import lines
from exporter.sources.batch import ROWS, Batch
from exporter.sources.cursor import Position
from exporter.sources.lines import BEGIN, Line, Place
from exporter.sources.translate import Told, Translator

MOST_BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of lines that are translated together."""

FOLLOWED = timedelta(hours=1)
"""How long a file that was moved out of the pattern is looked at: its writer may not know yet."""

FILES = 100
"""Files, however short, after which the position is kept."""


@dataclass(slots=True)
class _Round:
    """One look at the files. `at`: from where each is read; `todo`: those with something new."""

    folder: Path
    files: dict[str, list[int]]
    read_at: datetime
    at: dict[str, Place] = field(default_factory=dict)

    @property
    def todo(self) -> dict[str, list[int]]:
        return {name: stamp for name, stamp in self.files.items() if name in self.at}


class LineReader:
    """One read of a folder whose files are of lines."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._read = translator.read

    def batches(
        self, folder: Path, files: dict[str, list[int]], position: Position, read_at: datetime
    ) -> Iterator[Batch]:
        """What is new in the files, by their names with time of change and size."""
        look = _Round(folder, files, read_at)
        problems = list(_find(look, position))
        if problems:
            yield Batch(self._read.name, [], 0, problems)
        total = sum(max(0, size - look.at[name].offset) for name, (_, size) in look.todo.items())
        read, unsaved = 0, 0
        for name, stamp in look.todo.items():
            began = look.at[name].offset
            for batch, place in self._file(folder / name, name, look.at[name], read_at):
                done = min(1.0, (read + place.offset - began) / total) if total else None
                yield replace(batch, done=done)
                look.at[name] = place
                position.seen[name] = [0, 0, place.offset, place.mark]
                unsaved += batch.rows
                if unsaved >= ROWS:
                    position.save()
                    unsaved = 0
            read += look.at[name].offset - began
            position.seen[name] = [*stamp, look.at[name].offset, look.at[name].mark]
            unsaved += ROWS // FILES
        position.save()

    def _file(self, path: Path, name: str, place: Place, read_at: datetime) -> Iterator[tuple[Batch, Place]]:
        """What the lines behind a place tell, and the place behind them."""
        batch, size, end = Batch(self._read.name, [], 0), 0, place.offset
        count = 0
        try:
            first = lines.name_of(path)
            for line in lines.lines_of(path, place):
                told = self._line(line, name, first, read_at)
                batch.take(told)
                count, size, end = count + 1, size + line.end - line.begin, line.end
                if count >= ROWS or size >= MOST_BATCH_BYTES:
                    yield replace(batch, rows=count), lines.place_at(path, end)
                    batch, size, count = Batch(self._read.name, [], 0), 0, 0
            place = lines.place_at(path, end)
        except lines.UNREADABLE as error:
            # What was read of it is told; the rest is tried again when it changes.
            batch.problems.append(f"{name}: {' '.join(str(error).split())[:200]}")
        if count or batch.problems:
            yield replace(batch, rows=count), place

    def _line(self, line: Line, name: str, first: str, read_at: datetime) -> Told:
        place = f"{name} at byte {line.begin}"
        if line.text is None:
            return Told(problems=[f"{place}: a line of more than {lines.MOST_BYTES} bytes"])
        try:
            if self._read.format == "jsonl":
                document = json.loads(line.text.decode("utf-8", "replace"))
                if not isinstance(document, dict):
                    return Told(problems=[f"{place}: expected an object"])
                return self._translator.translate(document, f"{first}:{line.begin}", read_at, shown=place)
            return Told(events=self._events(line.text, read_at))
        except Refused as refused:
            return Told(problems=[f"{place}: {refused.detail}"])
        except (ValueError, RecursionError) as error:
            return Told(problems=[f"{place}: not JSON: {error}"])

    def _events(self, text: bytes, read_at: datetime) -> list[Event]:
        """Events of a line that is one as clients send it. Raises Refused."""
        environment = self._translator.environment
        if self._read.format == "openlineage":
            return openlineage.translate(text, received=read_at, environment=environment)
        found = cloudevents.decode("application/json", {}, text, received=read_at)
        return [_in_environment(event, environment) for event in found]


def _in_environment(event: Event, environment: str) -> Event:
    """An event that names no environment is of its source's."""
    if event.payload.environment != "default" or environment == "default":
        return event
    payload = msgspec.structs.replace(event.payload, environment=environment)
    return Event(event.identity, event.time, event.source, event.namespace, payload)


def _find(look: _Round, position: Position) -> Iterator[str]:
    """Find out from where each file is read: those read before may have been added to, moved, or begun anew."""
    _follow(look, position)
    for name, seen in list(position.seen.items()):
        if look.files.get(name) == seen[:2]:
            continue
        path, place = look.folder / name, Place(*seen[2:])
        try:
            if name in look.files and lines.is_continued(path, place):
                look.at.setdefault(name, place)
                continue
            there = lines.moved(path, place)
        except FileNotFoundError:
            continue  # it is being moved: the next look finds it
        except lines.UNREADABLE as error:
            yield f"{name}: {' '.join(str(error).split())[:200]}"
            continue
        del position.seen[name]
        if there is not None:
            look.files.setdefault(str(there.relative_to(look.folder)), _stamp(there))
            look.at[str(there.relative_to(look.folder))] = place
    for name in look.files:
        if name not in position.seen:
            look.at.setdefault(name, BEGIN)


def _follow(look: _Round, position: Position) -> None:
    """Files that were moved out of the pattern are looked at for a while."""
    oldest = int((look.read_at - FOLLOWED).timestamp() * 1e9)
    for name in position.seen.keys() - look.files.keys():
        path = look.folder / name
        try:
            if not path.is_file():
                continue
            stamp = _stamp(path)
        except OSError:
            continue  # its folder may not be looked into: told where it is listed
        if stamp == position.seen[name][:2] and stamp[0] < oldest:
            del position.seen[name]
        else:
            look.files[name] = stamp


def _stamp(path: Path) -> list[int]:
    told = path.stat()
    return [told.st_mtime_ns, told.st_size]
