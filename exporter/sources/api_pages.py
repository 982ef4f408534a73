"""Pages of an API's list, and how far down a list whose newest items come first has been read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any

from exporter.sources.api_client import ApiClient, Question
from exporter.sources.api_since import Since
from exporter.sources.cursor import Position
from exporter.sources.mapping import Read
from exporter.sources.paths import Record, first, steps_of, walk
from exporter.sources.values import BadValue, moment

MOST_PAGES = 200
"""Pages of a list in one round."""

log = logging.getLogger(__name__)


class Newest:
    """Where reading a list ends: at items from before the newest that was read last time, less what may be late."""

    def __init__(self, read: Read, zone: tzinfo, position: Position) -> None:
        self._read = read
        self._zone = zone
        self._position = position
        told = position.after[0] if position.after else None
        self._known = told if isinstance(told, datetime) else None
        self._newest = self._known

    def new(self, items: list[Any]) -> list[Any]:
        """Those of a page that were not read before; shorter than the page once there is nothing new."""
        return [item for item in items if self._is_new(item)]

    def _is_new(self, item: Any) -> bool:
        assert self._read.newest_by is not None
        try:
            told = first(Record(item, item), self._read.newest_by)
            at = None if told is None else moment(told, self._zone)
        except BadValue:
            at = None  # told of when the item is translated
        if at is None:
            return True
        if self._newest is None or at > self._newest:
            self._newest = at
        return self._known is None or at >= self._known - timedelta(seconds=self._read.settle_seconds)

    def keep(self) -> None:
        """Everything down to what was known is durable. Raises Overtaken."""
        if self._newest is not None:
            self._position.after = (self._newest,)
            self._position.save()


class Pages:
    """Lists of items: all, down to what was read before, or what has changed since then.

    `done`: how far through the list they are, if the API tells its length.
    """

    def __init__(
        self, client: ApiClient, read: Read, newest: Newest | None = None, since: Since | None = None
    ) -> None:
        self._client = client
        self._read = read
        self._newest = newest
        self._since = since
        self.done: float | None = None

    def __iter__(self) -> Iterator[list[Any]]:
        """Pages in their order. Raises Away."""
        begin = 0 if self._since is None else self._since.page
        parameters = self._first(begin)
        for number in range(begin, begin + MOST_PAGES):
            page = self._client.ask(self._question(parameters))
            items = self._items(page)
            fresh = items if self._newest is None else self._newest.new(items)
            goes_on = len(fresh) == len(items) and self._turn(parameters, page, len(items), number + 1)
            self.done = self._done(page, number, len(items))
            if self._since is not None:
                self._since.answered(self._client.clock)
                self._since.is_whole = not goes_on
            yield [self._addressed(item) for item in fresh]
            if not goes_on:
                return
        if self._since is not None:
            return  # goes on from there next time
        log.warning("only the first pages were read", extra={"read": self._read.name, "pages": MOST_PAGES})

    def durable(self) -> None:
        """What the last page told is durable. Raises Overtaken."""
        if self._since is not None:
            self._since.durable()

    def read_through(self) -> None:
        """All pages were read, and what they told is durable. Raises Overtaken."""
        if self._newest is not None:
            self._newest.keep()

    def _first(self, page: int) -> dict[str, Any]:
        parameters: dict[str, Any] = {} if self._since is None else dict(self._since.parameters)
        pages = self._read.pages
        if page and pages is not None and pages.step is not None:
            parameters[pages.parameter] = page * pages.step
        return parameters

    def _done(self, page: Any, number: int, items: int) -> float | None:
        pages = self._read.pages
        if pages is None or pages.total is None or pages.step is None:
            return None
        total = first(Record(page, page), pages.total)
        if not isinstance(total, int) or total <= 0:
            return None
        return min(1.0, (number * pages.step + items) / total)

    def _addressed(self, item: Any) -> Any:
        return {**item, "@url": self._client.url} if isinstance(item, dict) else item

    def _question(self, parameters: dict[str, Any]) -> Question:
        if self._read.post is not None:
            return Question(self._read.post, body={**(self._read.body or {}), **parameters})
        assert self._read.get is not None
        texts = {name: str(value) for name, value in parameters.items()}
        return Question(self._read.get, texts, samples=self._read.samples)

    def _items(self, page: Any) -> list[Any]:
        if self._read.samples is not None:
            return list(page)
        if self._read.items is None:
            return [page]
        found = [value for _, value in walk(Record(page, page), self._read.items)]
        if len(found) == 1 and isinstance(found[0], list) and "*" not in steps_of(self._read.items):
            return list(found[0])
        return found

    def _turn(self, parameters: dict[str, Any], page: Any, items: int, number: int) -> bool:
        """Set the parameters to those of the next page; whether there is one."""
        pages = self._read.pages
        if pages is None:
            return False
        if pages.next is not None:
            following = first(Record(page, page), pages.next)
            if following in (None, "", False) or following == parameters.get(pages.parameter):
                return False
            parameters[pages.parameter] = following
            return True
        assert pages.step is not None
        parameters[pages.parameter] = number * pages.step
        return items >= pages.step
