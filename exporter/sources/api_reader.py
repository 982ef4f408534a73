"""Polls a JSON API: a list, page by page, and the document of each of its items."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from exporter import __version__
from exporter.sources import samples
from exporter.sources.batch import Away, Batch, Missing
from exporter.sources.cursor import Memory
from exporter.sources.mapping import Mapping, Read
from exporter.sources.paths import Record, first, placeholders, walk
from exporter.sources.translate import Told, Translator

TIME_OUT = (5.0, 20.0)
"""Seconds to connect, and to wait for an answer."""

MOST_BYTES = 16 * 1024 * 1024
"""Size of one answer."""

MOST_PAGES = 200
"""Pages of a list in one round."""

MOST_KEPT = 2000
"""Answers kept with their ETag."""

log = logging.getLogger(__name__)


class ApiReader:
    """Reads what a mapping names from one API. Sends ETags back, keeps to Retry-After, follows no redirects."""

    def __init__(
        self,
        source: str,
        environment: str,
        mapping: Mapping,
        url: str,
        token: str | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._reads = [(read, Translator(source, environment, mapping, read)) for read in mapping.reads]
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"pipeline-exporter/{__version__}"
        self._session.headers["Accept"] = "application/json"
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._kept: dict[str, tuple[str, Any]] = {}
        self._ended: dict[str, str] = {}

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def batches(self, memory: Memory, read_at: datetime) -> Iterator[Batch]:  # noqa: ARG002 - ETags are its memory
        """What is told now. Raises Away."""
        for read, translator in self._reads:
            for page in self._pages(read):
                items = _items(read, page)
                batch = Batch(read.name, [], len(items))
                for item in items:
                    told = self._told(read, translator, item, read_at)
                    batch.events.extend(told.events)
                    batch.problems.extend(told.problems)
                yield batch

    def _told(self, read: Read, translator: Translator, item: Any, read_at: datetime) -> Told:
        if read.detail is None:
            return translator.translate(item, "", read_at)
        record = Record(item, item)
        values = {path: first(record, path) for path in placeholders(read.detail)}
        if any(value is None for value in values.values()):
            return Told(problems=[f"{read.name}: an item has nothing to fill {read.detail} with"])
        path = read.detail
        for name, value in values.items():
            path = path.replace("{" + name + "}", quote(str(value), safe=""))
        if self._ended.get(path) == repr(item):
            return Told()
        try:
            document = self._get(path, {}, read)
        except Missing as error:
            return Told(problems=[f"{read.name}: {error}"])
        told = translator.translate({"listed": item, **_object(document)}, "", read_at)
        if not told.is_open and not told.problems:
            self._ended[path] = repr(item)
            while len(self._ended) > MOST_KEPT * 10:
                self._ended.pop(next(iter(self._ended)))
        return told

    def _pages(self, read: Read) -> Iterator[Any]:
        assert read.get is not None
        parameters: dict[str, str] = {}
        for number in range(MOST_PAGES):
            page = self._get(read.get, parameters, read)
            yield page
            if read.pages is None:
                return
            if read.pages.next is not None:
                following = first(Record(page, page), read.pages.next)
                if following in (None, "", False) or str(following) == parameters.get(read.pages.parameter):
                    return
                parameters[read.pages.parameter] = str(following)
            else:
                assert read.pages.step is not None
                items = list(walk(Record(page, page), read.items or "."))
                if len(items) < read.pages.step:
                    return
                parameters[read.pages.parameter] = str((number + 1) * read.pages.step)
        log.warning("only the first pages were read", extra={"read": read.name, "pages": MOST_PAGES})

    def _get(self, path: str, parameters: dict[str, str], read: Read) -> Any:
        """The document at a path. Raises Away."""
        url = self._url + path
        key = f"{url}?{sorted(parameters.items())}"
        etag, known = self._kept.get(key, ("", None))
        headers = {"If-None-Match": etag} if etag else {}
        if read.samples is not None:
            headers["Accept"] = "text/plain"
        try:
            with self._session.get(
                url, params=parameters, headers=headers, timeout=TIME_OUT, allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code == 304 and etag:
                    return known
                _check(answer, path)
                body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
                etag = answer.headers.get("ETag", "")
        except requests.RequestException as error:
            raise Away(f"{urlsplit(url).netloc} does not answer: {type(error).__name__}") from error
        if len(body) > MOST_BYTES:
            raise Away(f"{path}: the answer has more than {MOST_BYTES} bytes")
        document = _document(body, path, read)
        if etag:
            self._kept[key] = (etag, document)
            while len(self._kept) > MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return document


def _document(body: bytes, path: str, read: Read) -> Any:
    """What an answer holds. Raises Away."""
    try:
        if read.samples is not None:
            return list(samples.rows(body.decode("utf-8", "replace"), read.samples))
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        expected = "JSON" if read.samples is None else f"as Prometheus reads it: {error}"
        raise Away(f"{path}: the answer is not {expected}") from error


def _items(read: Read, page: Any) -> list[Any]:
    if read.samples is not None:
        return list(page)
    return [page] if read.items is None else [value for _, value in walk(Record(page, page), read.items)]


def _check(answer: requests.Response, path: str) -> None:
    if answer.status_code in (429, 503):
        raise Away(f"{path}: HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After")))
    if answer.status_code == 404:
        raise Missing(f"{path}: HTTP 404")
    if answer.status_code != 200:
        raise Away(f"{path}: HTTP {answer.status_code}")


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return min(3600.0, float(retry_after))
    try:
        return max(0.0, min(3600.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()))
    except (TypeError, ValueError):
        return None


def _object(document: Any) -> dict[str, Any]:
    return document if isinstance(document, dict) else {"document": document}
