"""Reads a database: what is new, what had not ended, what adds up, and what is so now."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from exporter.sources.batch import Away, Batch, Changed, Missing
from exporter.sources.columns import Columns
from exporter.sources.cursor import Memory, Position
from exporter.sources.database import Database
from exporter.sources.listing import listed
from exporter.sources.mapping_file import MappingFile
from exporter.sources.sql_pages import MOST_BYTES, Pages
from exporter.sources.sql_turn import Progress, Turn, is_later
from exporter.sources.sums import settled, summed
from exporter.sources.translate import Translator
from exporter.store.cursors import Overtaken

MOST_NOW = 10_000
"""Rows of a read that is read whole."""

ANEW_EVERY = timedelta(minutes=5)
"""Time between two looks at whether the owner began anew."""

log = logging.getLogger(__name__)


class SqlReader:
    """Reads all that a mapping names in one database."""

    def __init__(self, source: str, environment: str, file: MappingFile, database: Database) -> None:
        self._source = source
        self._database = database
        self._reads = [
            (
                read,
                Pages(database, read, Columns(read, f"/reads/{position}", file.told)),
                Translator(source, environment, file.mapping, read),
            )
            for position, read in enumerate(file.mapping.reads)
        ]
        self._last: dict[str, datetime] = {}
        self._looked: dict[str, datetime] = {}

    def close(self) -> None:
        """Close connections."""
        self._database.close()

    def batches(self, memory: Memory, read_at: datetime) -> Iterator[Batch]:
        """What is new. Raises Away."""
        for read, pages, translator in self._reads:
            last = self._last.get(read.name)
            if last is not None and read_at - last < timedelta(seconds=read.every_seconds):
                continue
            position = Position.load(memory, self._source, read.name)
            try:
                yield from self._one(Turn(read, pages, translator, position, read_at))
            except Missing:
                with suppress(Missing):
                    pages.look()
                if not read.optional:
                    raise
            except Changed:
                log.debug("the owner wrote meanwhile", extra={"source": self._source, "read": read.name})
                continue
            except Overtaken:
                log.debug("another replica was faster", extra={"source": self._source, "read": read.name})
            self._last[read.name] = read_at

    def _one(self, turn: Turn) -> Iterator[Batch]:
        if turn.read.database is not None and self._database.file is not None:
            yield from _files(turn, self._database)
        elif turn.read.rows == "now":
            yield _whole(turn)
        elif turn.read.rows == "sums":
            yield from _sums(turn)
            self._look_for_anew(turn)
        else:
            if turn.read.rows == "states":
                yield from _again(turn)
            taken = turn.position.after
            yield from _rows(turn)
            if turn.position.after == taken:
                self._look_for_anew(turn)

    def _look_for_anew(self, turn: Turn) -> None:
        """If the last row taken is beyond all that there are, the owner began anew, and so does the reading.

        Not where rows are added up: owners delete what they have dealt with, and nothing may be counted twice.
        """
        read, position = turn.read, turn.position
        if position.after is None:
            return
        if turn.read_at - self._looked.get(read.name, turn.read_at - ANEW_EVERY) < ANEW_EVERY:
            return
        self._looked[read.name] = turn.read_at
        greatest = turn.pages.greatest()
        if greatest is None or not is_later(position.after[:1], (greatest,)):
            return
        about = {"source": position.source, "read": read.name}
        if read.rows == "sums":
            log.warning(
                "rows begin below those that were added up; a new name would read them all", extra=about
            )
            return
        log.warning("the source began anew, and is read from its beginning", extra=about)
        position.after, position.until, position.filled, position.open = None, None, None, {}
        position.save()


def _whole(turn: Turn) -> Batch:
    page = turn.pages.everything(MOST_NOW + 1)
    batch = Batch(turn.read.name, [], len(page.rows))
    if page.is_cut:
        batch.problems.append(f"{turn.read.name}: more than {MOST_BYTES} bytes, the rest is not read")
    elif len(page.rows) > MOST_NOW:
        batch.problems.append(f"{turn.read.name}: more than {MOST_NOW} rows, the rest is not read")
    for row in page.rows[:MOST_NOW]:
        told = turn.translator.translate(row, "", turn.read_at)
        batch.take(told)
    return batch


def _again(turn: Turn) -> Iterator[Batch]:
    """Rows that had not ended. One that is no longer there is given up."""
    position = turn.position
    for keys, rows in turn.pages.again(list(position.open)):
        for key in keys:
            position.open.pop(key, None)
        yield turn.take(rows)
    position.save()


def _rows(turn: Turn) -> Iterator[Batch]:
    """Rows behind the last one taken, and a little before it."""
    position = turn.position
    if turn.read.changed is not None and position.after is None:
        yield from _fill(turn)
        return
    place = None if position.after is None else turn.pages.back(position.after)
    progress = Progress(turn.pages, turn.pages.order)
    while (page := turn.pages.after(place)).rows:
        yield turn.take(page.rows, progress.at(page))
        place = turn.pages.place(page.rows[-1])
        if position.after is None or is_later(place, position.after):
            position.after = place
        position.save()
        if page.is_last:
            return


def _fill(turn: Turn) -> Iterator[Batch]:
    """All rows that are there at first, by key: a page of them by change could cost the owner a look at each row."""
    position = turn.position
    if position.until is None:
        latest = turn.pages.greatest()
        if latest is None:
            return
        position.until = (latest,)
    progress = Progress(turn.pages, turn.pages.key)
    while (page := turn.pages.by_key(position.filled)).rows:
        yield turn.take(page.rows, progress.at(page))
        position.filled = turn.pages.key_of(page.rows[-1])
        if page.is_last:
            break
        position.save()
    position.after, position.until, position.filled = position.until, None, None
    position.save()


def _sums(turn: Turn) -> Iterator[Batch]:
    """Stretches of rows behind the last one, each claimed before it is told."""
    position = turn.position
    progress = Progress(turn.pages, turn.pages.order)
    while True:
        page = turn.pages.after(position.after, upto=position.claimed)
        rows = page.rows
        if position.claimed is None:
            rows = settled(turn, rows)
            if not rows:
                return
            position.claimed = turn.pages.place(rows[-1])
            position.save()
        batch = summed(turn, rows)
        yield replace(batch, done=progress.at(page))
        position.after, position.claimed = position.claimed, None
        position.save()


def _files(turn: Turn, beside: Database) -> Iterator[Batch]:
    """Rows of the databases beside the one of the URL: of each that changed, those behind the last one taken."""
    assert turn.read.database is not None
    assert beside.file is not None
    folder, position = beside.file.parent, turn.position
    found = listed(folder, turn.read.database)
    if found.unreadable:
        yield Batch(turn.read.name, [], 0, found.unreadable)
    files = found.files
    for name in position.seen.keys() - files.keys():
        del position.seen[name]
    todo = [name for name, stamp in files.items() if position.seen.get(name, [])[:2] != stamp]
    unread: Away | None = None
    for number, name in enumerate(todo):
        try:
            after = yield from _file(turn, folder / name, name, (number + 1) / len(todo))
        except (Changed, Missing) as error:
            # Its owner is just making it, or writing: it will be looked at again.
            unread = error
            continue
        position.seen[name] = [*files[name], after]
        if number % 100 == 99:
            position.save()
    position.save()
    if unread is not None and not position.seen:
        raise unread


def _file(turn: Turn, file: Path, name: str, done: float) -> Generator[Batch, None, Any]:
    """Rows of one database behind the last one taken; returns the last one now."""
    database = Database(f"sqlite:///{file}")
    one = Turn(
        turn.read,
        Pages(database, turn.read, turn.pages.columns),
        turn.translator,
        turn.position,
        turn.read_at,
        f"{name} ",
    )
    *_, after = turn.position.seen.get(name, [0])
    try:
        while (page := one.pages.after((after,))).rows:
            yield one.take(page.rows, done)
            after = one.pages.place(page.rows[-1])[0]
            if page.is_last:
                break
    finally:
        database.close()
    return after
