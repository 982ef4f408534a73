"""One JSON API: questions with what stands in them filled in, ETags, patience, bounds."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from exporter import __version__
from exporter.sources import samples
from exporter.sources.api_access import Access
from exporter.sources.batch import Away, Broken, Missing
from exporter.sources.mapping import Samples
from exporter.sources.paths import Record, first, placeholders

TIME_OUT = (5.0, 20.0)
"""Seconds to connect, and to wait for an answer."""

MOST_BYTES = 16 * 1024 * 1024
"""Size of one answer."""

MOST_KEPT = 2000
"""Answers kept with their ETag."""


class Busy(Away):
    """The API asks for patience."""


class Unfilled(Exception):
    """A question has a place for which an item has nothing; the message is that place."""


@dataclass(frozen=True, slots=True)
class Question:
    """A path that is asked for, or, with a body, one that is posted to.

    The answer is JSON, or, with `samples`, rows that they make of Prometheus' text.
    """

    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    body: Any = None
    samples: Samples | None = None

    @property
    def key(self) -> str:
        """The same for the same question."""
        return json.dumps([self.path, self.parameters, self.body, repr(self.samples)], sort_keys=True)


class ApiClient:
    """Asks one API. Sends ETags back, keeps to Retry-After, follows no redirects."""

    def __init__(self, access: Access) -> None:
        self.url = access.url
        self.clock = datetime.now(UTC)
        self._access = access
        self._session = requests.Session()
        self._session.auth = access
        self._session.headers["User-Agent"] = f"pipeline-exporter/{__version__}"
        self._session.headers["Accept"] = "application/json"
        self._kept: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def ask(self, question: Question) -> Any:
        """The document that answers. Raises Away."""
        key = question.key
        etag, known = self._kept.get(key, ("", None))
        try:
            with self._sent(question, {"If-None-Match": etag} if etag else {}) as answer:
                if answer.status_code == 304 and etag:
                    return known
                _check(answer, question.path)
                self.clock = _date(answer) or datetime.now(UTC)
                body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
                etag = answer.headers.get("ETag", "")
        except requests.RequestException as error:
            raise Away(f"{urlsplit(self.url).netloc} does not answer: {type(error).__name__}") from error
        document = _decoded(body, question)
        if etag:
            self._kept[key] = (etag, document)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return document

    @contextmanager
    def _sent(self, question: Question, headers: dict[str, str]) -> Iterator[requests.Response]:
        self._log_in()
        with self._asked(question, headers) as answer:
            if answer.status_code != HTTPStatus.UNAUTHORIZED or not self._access.forget():
                yield answer
                return
        self._log_in()
        with self._asked(question, headers) as answer:
            yield answer

    def _log_in(self) -> None:
        login = self._access.login
        if login is None or not self._access.must_log_in:
            return
        question = Question(login.post, body=self._access.credentials)
        with self._asked(question, {}) as answer:
            if answer.status_code != HTTPStatus.CREATED:
                _check(answer, login.post)
            told = _decoded(answer.raw.read(MOST_BYTES + 1, decode_content=True), question)
        token = first(Record(told, told), login.token)
        if not isinstance(token, str) or not token.isprintable():
            raise Away(f"{login.post}: there is no token at {login.token!r}")
        self._access.admit(token)

    def _asked(self, question: Question, headers: dict[str, str]) -> requests.Response:
        try:
            return self._asked_once(question, headers)
        except requests.Timeout:
            raise
        except requests.ConnectionError:
            # Servers close connections that wait for the next round, at times just as it begins.
            return self._asked_once(question, headers)

    def _asked_once(self, question: Question, headers: dict[str, str]) -> requests.Response:
        return self._session.request(
            "GET" if question.body is None else "POST",
            self.url + question.path,
            params=question.parameters,
            json=question.body,
            headers=headers if question.samples is None else {**headers, "Accept": "text/plain"},
            timeout=TIME_OUT,
            allow_redirects=False,
            stream=True,
        )


def path_for(template: str, item: Record) -> str:
    """A path with an item's values in its braces, none of which leads to another path. Raises Unfilled."""
    for name in placeholders(template):
        template = template.replace("{" + name + "}", quote(str(_value(item, name)), safe=""))
    return template


def body_for(template: Any, item: Record) -> Any:
    """A body with an item's values in its braces; one that stands alone keeps its type. Raises Unfilled."""
    if isinstance(template, dict):
        return {key: body_for(inner, item) for key, inner in template.items()}
    if isinstance(template, list):
        return [body_for(inner, item) for inner in template]
    if not isinstance(template, str):
        return template
    names = placeholders(template)
    if len(names) == 1 and template == "{" + names[0] + "}":
        return _value(item, names[0])
    for name in names:
        template = template.replace("{" + name + "}", str(_value(item, name)))
    return template


def _value(item: Record, path: str) -> Any:
    found = first(item, path)
    if found is None:
        raise Unfilled(path)
    return found


def _decoded(body: bytes, question: Question) -> Any:
    if len(body) > MOST_BYTES:
        raise Away(f"{question.path}: the answer has more than {MOST_BYTES} bytes")
    try:
        if question.samples is not None:
            return list(samples.rows(body.decode("utf-8", "replace"), question.samples))
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        expected = "JSON" if question.samples is None else f"as Prometheus reads it: {error}"
        raise Away(f"{question.path}: the answer is not {expected}") from error


def _check(answer: requests.Response, path: str) -> None:
    if answer.status_code in (429, 503):
        raise Busy(f"{path}: HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After")))
    if answer.status_code == 404:
        raise Missing(f"{path}: HTTP 404")
    if answer.status_code in (401, 403):
        raise Away(f"{path}: HTTP {answer.status_code}")
    if answer.status_code != 200:
        raise Broken(f"{path}: HTTP {answer.status_code}")


def _date(answer: requests.Response) -> datetime | None:
    """The server's clock."""
    try:
        found = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


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
