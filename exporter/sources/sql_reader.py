"""Reads a database: what is new, what had not ended, what adds up, and what is so now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from exporter.domain.events import StreamMeasured
from exporter.sources.batch import ROWS, Away, Batch, Missing
from exporter.sources.cursor import Memory, Place, Position
from exporter.sources.database import Database
from exporter.sources.folder_reader import changed_files
from exporter.sources.mapping import Mapping, Read
from exporter.sources.paths import BadPath
from exporter.sources.sql_pages import Pages, Row
from exporter.sources.translate import Translator
from exporter.sources.values import BadValue, moment
from exporter.store.cursors import Overtaken

MOST_NOW = 10_000
"""Rows of a read that is read whole."""

ANEW_EVERY = timedelta(minutes=5)
"""Time between two looks at whether the owner began anew."""

log = logging.getLogger(__name__)


class SqlReader:
    """Reads all that a mapping names in one database."""

    def __init__(self, source: str, environment: str, mapping: Mapping, database: Database) -> None:
        self._source = source
        self._database = database
        self._reads = [
            (read, Pages(database, read), Translator(source, environment, mapping, read))
            for read in mapping.reads
        ]
        self._last: dict[str, datetime] = {}
        self._looked: dict[str, datetime] = {}

    def close(self) -> None:
        """Close connections."""
        self._database.close()

    def batches(self, memory: Memory, read_at: datetime) -> Iterator[Batch]:
        """What is new. Raises Away, Overtaken."""
        for read, pages, translator in self._reads:
            last = self._last.get(read.name)
            if last is not None and read_at - last < timedelta(seconds=read.every_seconds):
                continue
            position = Position.load(memory, self._source, read.name)
            try:
                if read.database is not None and self._database.file is not None:
                    yield from self._files(read, translator, position, read_at)
                    self._last[read.name] = read_at
                    continue
                match read.rows:
                    case "now":
                        yield from self._now(read, pages, translator, read_at)
                    case "sums":
                        yield from self._sums(read, pages, translator, position, read_at)
                    case _:
                        yield from self._rows(read, pages, translator, position, read_at)
            except Missing:
                if not read.optional:
                    raise
            except Overtaken:
                log.debug("another replica was faster", extra={"source": self._source, "read": read.name})
            self._last[read.name] = read_at

    def _files(
        self, read: Read, translator: Translator, position: Position, read_at: datetime
    ) -> Iterator[Batch]:
        """Rows of the databases beside the one of the URL: of each that changed, those behind the last one taken."""
        assert read.database is not None and self._database.file is not None
        files = changed_files(self._database.file.parent, read.database)
        for name in position.seen.keys() - files.keys():
            del position.seen[name]
        todo = [name for name, stamp in files.items() if position.seen.get(name, [])[:2] != stamp]
        for number, name in enumerate(todo):
            database = Database(f"sqlite:///{self._database.file.parent / name}")
            pages = Pages(database, read)
            *_, after = position.seen.get(name, [0])
            while rows := pages.after((after,)):
                batch = Batch(read.name, [], len(rows), done=(number + 1) / len(todo))
                for row in rows:
                    _take(batch, translator, pages, row, None, read_at, name)
                yield batch
                after = pages.place(rows[-1])[0]
                if len(rows) < ROWS:
                    break
            database.close()
            position.seen[name] = [*files[name], after]
        position.save()

    def _now(self, read: Read, pages: Pages, translator: Translator, read_at: datetime) -> Iterator[Batch]:
        rows = pages.everything(MOST_NOW + 1)
        batch = Batch(read.name, [], len(rows))
        if len(rows) > MOST_NOW:
            batch.problems.append(f"{read.name}: more than {MOST_NOW} rows, the rest is not read")
        for row in rows[:MOST_NOW]:
            told = translator.translate(row, "", read_at)
            batch.events.extend(told.events)
            batch.problems.extend(told.problems)
        yield batch

    def _rows(
        self, read: Read, pages: Pages, translator: Translator, position: Position, read_at: datetime
    ) -> Iterator[Batch]:
        keeps_open = read.rows == "states"
        if keeps_open:
            yield from self._again(read, pages, translator, position, read_at)
        place = None if position.after is None else pages.back(position.after)
        ends: tuple[Any, Any] | None = None
        fresh = False
        while rows := pages.after(place):
            batch = Batch(read.name, [], len(rows), done=None if ends is None else _done(ends, rows, pages))
            for row in rows:
                _take(batch, translator, pages, row, position if keeps_open else None, read_at)
            yield batch
            place = pages.place(rows[-1])
            if position.after is None or _is_later(place, position.after):
                position.after, fresh = place, True
            position.save()
            if len(rows) < ROWS:
                break
            ends = ends or pages.ends()
        if not fresh and position.after is not None:
            self._look_for_anew(read, pages, position, read_at)

    def _again(
        self, read: Read, pages: Pages, translator: Translator, position: Position, read_at: datetime
    ) -> Iterator[Batch]:
        """Rows that had not ended. One that is no longer there is given up."""
        for rows in pages.again(list(position.open)):
            batch = Batch(read.name, [], len(rows))
            for row in rows:
                _take(batch, translator, pages, row, position, read_at)
            yield batch
        position.save()

    def _sums(
        self, read: Read, pages: Pages, translator: Translator, position: Position, read_at: datetime
    ) -> Iterator[Batch]:
        horizon = read_at - timedelta(seconds=read.settle_seconds)
        ends: tuple[Any, Any] | None = None
        while True:
            rows = pages.after(position.after, upto=position.claimed)
            full = len(rows) == ROWS
            if position.claimed is None:
                rows = _settled(rows, read, translator, horizon)
                if not rows:
                    break
                position.claimed = pages.place(rows[-1])
                position.save()
            batch = _summed(read, translator, pages, rows, position, read_at)
            yield Batch(
                read.name,
                batch.events,
                batch.rows,
                batch.problems,
                None if ends is None else _done(ends, rows, pages),
            )
            position.after, position.claimed = position.claimed, None
            position.save()
            if not full:
                continue
            ends = ends or pages.ends()
        if position.after is not None:
            self._look_for_anew(read, pages, position, read_at)

    def _look_for_anew(self, read: Read, pages: Pages, position: Position, read_at: datetime) -> None:
        """If the last row taken is beyond all that there are, the owner began anew, and so does the reading.

        Not where rows are added up: owners delete what they have dealt with, and nothing may be counted twice.
        """
        if read_at - self._looked.get(read.name, read_at - ANEW_EVERY) < ANEW_EVERY:
            return
        self._looked[read.name] = read_at
        assert position.after is not None
        greatest = pages.greatest()
        if greatest is None or not _is_later(position.after[:1], (greatest,)):
            return
        about = {"source": position.source, "read": read.name}
        if read.rows == "sums":
            log.warning(
                "rows begin below those that were added up; a new name would read them all", extra=about
            )
            return
        log.warning("the source began anew, and is read from its beginning", extra=about)
        position.after, position.open = None, {}
        position.save()


def _take(
    batch: Batch,
    translator: Translator,
    pages: Pages,
    row: Row,
    position: Position | None,
    read_at: datetime,
    file: str = "",
) -> None:
    key = pages.key_of(row)
    told = translator.translate(row, f"{file}{key!r}", read_at)
    batch.events.extend(told.events)
    batch.problems.extend(told.problems)
    if position is None:
        return
    position.open.pop(key, None)
    if told.is_open:
        position.open[key] = None


def _settled(rows: list[Row], read: Read, translator: Translator, horizon: datetime) -> list[Row]:
    """Rows up to the first that is too young: others may still be committed before it."""
    if not read.settle_seconds:
        return rows
    stream = next(emit.stream for emit in read.emits if emit.stream is not None)
    if stream.time is None:
        return rows
    for number, row in enumerate(rows):
        emit = read.emits[0]
        for record in translator.records(emit, row):
            try:
                if moment(translator.value_of(stream.time, record), UTC) > horizon:
                    return rows[:number]
            except BadValue:
                continue
    return rows


def _summed(
    read: Read, translator: Translator, pages: Pages, rows: list[Row], position: Position, read_at: datetime
) -> Batch:
    """What a stretch of rows adds up to: an event for each stream, named by the stretch."""
    batch = Batch(read.name, [], len(rows))
    sums: dict[tuple[str, ...], tuple[dict[str, Any], datetime]] = {}
    for row in rows:
        for emit in read.emits:
            if emit.stream is None:
                continue
            for record in translator.records(emit, row):
                try:
                    payload, time = translator.measurement(emit.stream, record)
                except (BadValue, BadPath, msgspec.ValidationError) as error:
                    batch.problems.append(f"{read.name} {pages.key_of(row)!r}: stream: {error}")
                    continue
                _add(sums, payload, time or read_at)
    stretch = (repr(position.after), repr(position.claimed))
    for key, (fields, time) in sums.items():
        payload = msgspec.convert(fields, StreamMeasured)
        batch.events.append(translator.sum_event(payload, time, *stretch, *key))
    return batch


_ADDED = ("dead_letters", "commits", "files", "bytes")
_OF_ONE = ("pipeline", "environment", "stream", "direction", "stage", "execution")


def _add(
    sums: dict[tuple[str, ...], tuple[dict[str, Any], datetime]], payload: StreamMeasured, time: datetime
) -> None:
    key = tuple(str(getattr(payload, name) or "") for name in _OF_ONE)
    one = msgspec.to_builtins(payload, builtin_types=(datetime,))
    if key not in sums:
        sums[key] = (one, time)
        return
    fields, latest = sums[key]
    for name in _ADDED:
        if name in one:
            fields[name] = fields.get(name, 0) + one[name]
    for operation, count in one.get("events", {}).items():
        events = fields.setdefault("events", {})
        events[operation] = events.get(operation, 0) + count
    if "latency_seconds" in one:
        fields["latency_seconds"] = fields.get("latency_seconds", []) + one["latency_seconds"]
    if time >= latest:
        fields |= {n: one[n] for n in ("watermark", "buffer_depth", "target_rate", "phase") if n in one}
    sums[key] = (fields, max(time, latest))


def _is_later(place: Place, other: Place) -> bool:
    try:
        return place > other
    except TypeError as error:
        raise Away(f"the key changed its type: {other!r} was read before, now {place!r}") from error


def _done(ends: tuple[Any, Any], rows: list[Row], pages: Pages) -> float | None:
    """How far between the least and the greatest; unknown for what is neither number nor time."""
    values = [_number(value) for value in (*ends, pages.place(rows[-1])[0])]
    if any(value is None for value in values):
        return None
    least, greatest, now = (value or 0.0 for value in values)
    return 1.0 if greatest <= least else min(1.0, max(0.0, (now - least) / (greatest - least)))


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return moment(value, UTC).timestamp()
    except BadValue:
        return None
