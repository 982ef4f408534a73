"""Polls a JSON API: lists, page by page, and the documents of each of their items."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from exporter.sources.api_access import Access
from exporter.sources.api_client import ApiClient, Busy, Question, Unfilled, body_for, path_for
from exporter.sources.api_pages import Newest, Pages
from exporter.sources.api_since import Since
from exporter.sources.batch import Away, Batch, Broken, Missing
from exporter.sources.cursor import Memory, Position
from exporter.sources.fields import is_about
from exporter.sources.growth import Growth
from exporter.sources.mapping import Document, Mapping, Read
from exporter.sources.paths import Record, entries, first
from exporter.sources.translate import Told, Total, Translator
from exporter.store.cursors import Overtaken

MOST_ENDED = 20_000
"""Items that had ended and whose documents are not asked for again until they change."""

MOST_UNCHANGING = 5000
"""Documents kept because they never change."""

MOST_NUMBERS = 16
"""Numbered documents of one entry."""

MOST_SHOWN = 20
"""Names of fields in a message."""

log = logging.getLogger(__name__)


class ApiReader:
    """Reads what a mapping names from one API."""

    def __init__(
        self,
        source: str,
        environment: str,
        mapping: Mapping,
        url: str,
        token: str | None = None,
    ) -> None:
        self._source = source
        self._reads = [(read, Translator(source, environment, mapping, read)) for read in mapping.reads]
        self._client = ApiClient(Access(url, token, mapping.login))
        self._last: dict[str, datetime] = {}
        self._ended: OrderedDict[bytes, None] = OrderedDict()
        self._unchanging: OrderedDict[str, Any] = OrderedDict()

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def batches(self, memory: Memory, read_at: datetime) -> Iterator[Batch]:
        """What is told now. Raises Away."""
        for read, translator in self._reads:
            last = self._last.get(read.name)
            if last is not None and read_at - last < timedelta(seconds=read.every_seconds):
                continue
            try:
                yield from self._read(read, translator, memory, read_at)
            except Missing:
                if not read.optional:
                    raise
            except Overtaken:
                log.debug("another replica was faster", extra={"source": self._source, "read": read.name})
            self._last[read.name] = read_at

    def _read(self, read: Read, translator: Translator, memory: Memory, read_at: datetime) -> Iterator[Batch]:
        growth = Growth.load(translator, memory)
        if (late := growth.unsent()) is not None:
            yield late
        pages = self._pages(read, translator, memory, read_at)
        for items in pages:
            batch = Batch(read.name, [], len(items), done=pages.done)
            totals: list[Total] = []
            ended: list[bytes] = []
            for item in items:
                key = _content(read, item)
                if key in self._ended:
                    continue
                told = self._told(read, translator, item, read_at)
                batch.take(told)
                totals.extend(told.totals)
                if self._is_over(read, told):
                    ended.append(key)
            batch.events.extend(growth.claim(totals))
            yield batch
            growth.sent()
            pages.durable()
            self._ended.update(dict.fromkeys(ended))
            while len(self._ended) > MOST_ENDED:
                self._ended.popitem(last=False)
        pages.read_through()

    def _pages(self, read: Read, translator: Translator, memory: Memory, read_at: datetime) -> Pages:
        if read.newest_by is None and read.since is None:
            return Pages(self._client, read)
        position = Position.load(memory, self._source, read.name)
        if read.since is not None:
            return Pages(self._client, read, since=Since(read, position, read_at))
        return Pages(self._client, read, newest=Newest(read, translator.zone, position))

    def _told(self, read: Read, translator: Translator, item: Any, read_at: datetime) -> Told:
        if read.detail is None and not read.documents:
            return translator.translate(item, "", read_at)
        missed: list[str] = []
        try:
            whole = self._with_documents(read, item, missed)
        except Unfilled as missing:
            reason = f"an item has nothing at {str(missing)!r} to fill {read.detail} with"
            return Told(problems=[f"{read.name}: {reason}, it {_looks(item)}: see items"])
        except (Broken, Missing) as error:
            return Told(problems=[f"{read.name}: {error}"])
        told = translator.translate(whole, "", read_at)
        told.problems.extend(missed)
        return told

    @staticmethod
    def _is_over(read: Read, told: Told) -> bool:
        """Whether an item that stays as it is has nothing more to tell. Its documents may be costly to ask for."""
        has_documents = read.detail is not None or read.documents is not None
        return has_documents and read.rows != "now" and not (told.is_open or told.problems)

    def _with_documents(self, read: Read, item: Any, missed: list[str]) -> Any:
        """An item with all that is asked for besides; what could do without is `missed`. Raises Away, Unfilled."""
        whole = item
        if read.detail is not None:
            document = self._client.ask(Question(path_for(read.detail, Record(item, item))))
            whole = {"listed": item, **(document if isinstance(document, dict) else {"document": document})}
        if not read.documents or not isinstance(whole, dict):
            return whole
        whole = dict(whole)
        for name, document in read.documents.items():
            try:
                found = self._document(document, Record(whole, whole))
            except Busy:
                raise
            except Away as error:
                if not document.optional:
                    raise
                missed.append(f"{read.name}: {name}: {error}")
                continue
            if found is not None:
                whole[name] = found
        return whole

    def _document(self, document: Document, item: Record) -> Any:
        """A document of an item, or a list of those of the entries of a list in it; None if the item has none."""
        if not is_about(document, item):
            return None
        if document.each is None:
            return self._answer(document, item)
        return [
            {"entry": one.value, "above": one.above, "answer": self._answer(document, one)}
            for key, entry, above in entries(item, document.each)
            for one in _numbered(document, Record(entry, item.value, key, above=above))
        ]

    def _answer(self, document: Document, item: Record) -> Any:
        path = document.get or document.post
        assert path is not None
        try:
            body = None if document.post is None else body_for(document.body or {}, item)
            question = Question(path_for(path, item), body=body)
        except Unfilled:
            return None
        key = question.key
        if key in self._unchanging:
            self._unchanging.move_to_end(key)
            return self._unchanging[key]
        try:
            answer = self._client.ask(question)
        except Missing:
            return None  # a value that is needed of it is missed, and named, where it is needed
        if document.unchanging:
            self._unchanging[key] = answer
            while len(self._unchanging) > MOST_UNCHANGING:
                self._unchanging.popitem(last=False)
        return answer


def _looks(item: Any) -> str:
    """What an item is like, for messages."""
    if isinstance(item, dict):
        names = [name for name in item if name != "@url"]
        return f"has {', '.join(names[:MOST_SHOWN]) or 'nothing'}"
    return "is a list" if isinstance(item, list) else "is no object"


def _numbered(document: Document, entry: Record) -> Iterator[Record]:
    """The entry, or one for each number that is asked for; of many the last."""
    if document.below is None:
        yield entry
        return
    end = first(entry, document.below)
    if isinstance(end, int):
        for number in range(max(0, end - MOST_NUMBERS), end):
            yield replace(entry, number=number)


def _content(read: Read, item: Any) -> bytes:
    """The same for the same content."""
    return blake2b(json.dumps([read.name, item], sort_keys=True).encode(), digest_size=16).digest()
