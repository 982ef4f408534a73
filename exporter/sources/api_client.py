"""One JSON API: questions with what stands in them filled in, ETags, patience, bounds."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from exporter import __version__
from exporter.sources.batch import Away, Broken, Missing
from exporter.sources.paths import Record, first, placeholders

TIME_OUT = (5.0, 20.0)
"""Seconds to connect, and to wait for an answer."""

MOST_BYTES = 16 * 1024 * 1024
"""Size of one answer."""

MOST_KEPT = 2000
"""Answers kept with their ETag."""


class Unfilled(Exception):
    """A question has a place for which an item has nothing; the message is that place."""


@dataclass(frozen=True, slots=True)
class Question:
    """A path that is asked for, or, with a body, one that is posted to."""

    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def key(self) -> str:
        """The same for the same question."""
        return json.dumps([self.path, self.parameters, self.body], sort_keys=True)


class ApiClient:
    """Asks one API. Sends ETags back, keeps to Retry-After, follows no redirects."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"pipeline-exporter/{__version__}"
        self._session.headers["Accept"] = "application/json"
        if token is not None:
            scheme = "" if " " in token else "Bearer "
            self._session.headers["Authorization"] = scheme + token
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
                body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
                etag = answer.headers.get("ETag", "")
        except requests.RequestException as error:
            raise Away(f"{urlsplit(self._url).netloc} does not answer: {type(error).__name__}") from error
        document = _decoded(body, question.path)
        if etag:
            self._kept[key] = (etag, document)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return document

    def _sent(self, question: Question, headers: dict[str, str]) -> requests.Response:
        try:
            return self._sent_once(question, headers)
        except requests.Timeout:
            raise
        except requests.ConnectionError:
            # Servers close connections that wait for the next round, at times just as it begins.
            return self._sent_once(question, headers)

    def _sent_once(self, question: Question, headers: dict[str, str]) -> requests.Response:
        return self._session.request(
            "GET" if question.body is None else "POST",
            self._url + question.path,
            params=question.parameters,
            json=question.body,
            headers=headers,
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


def _decoded(body: bytes, path: str) -> Any:
    if len(body) > MOST_BYTES:
        raise Away(f"{path}: the answer has more than {MOST_BYTES} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Away(f"{path}: the answer is not JSON") from error


def _check(answer: requests.Response, path: str) -> None:
    if answer.status_code in (429, 503):
        raise Away(f"{path}: HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After")))
    if answer.status_code == 404:
        raise Missing(f"{path}: HTTP 404")
    if answer.status_code in (401, 403):
        raise Away(f"{path}: HTTP {answer.status_code}")
    if answer.status_code != 200:
        raise Broken(f"{path}: HTTP {answer.status_code}")


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
