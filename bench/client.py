"""Clients that cost little themselves."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import urlsplit

from bench.servers import ACCEPT

SCRAPE = {"Accept": ACCEPT, "Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the seconds from the connection to its last byte."""

    seconds: float
    body: bytes


def connect(url: str) -> http.client.HTTPConnection:
    """A connection to a server."""
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Body of an answer. Raises ValueError unless it is a success."""
    connection.request(method, path, body, dict(headers or {}))
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise ValueError(f"{method} {path}: {answer.status} {content[:300]!r}")
    return content


def get(url: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A GET over a connection of its own."""
    started = perf_counter()
    connection = connect(url)
    try:
        body = ask(connection, "GET", path, headers=headers)
        return Answer(perf_counter() - started, body)
    finally:
        connection.close()


def scrape(url: str) -> Answer:
    """A scrape as Prometheus does it: compressed."""
    return get(url, "/metrics", SCRAPE)


def lines(answer: Answer) -> str:
    """The text of a scrape."""
    return gzip.decompress(answer.body).decode()


def number_of_samples(text: str) -> int:
    """Lines that are samples."""
    return sum(not line.startswith("#") for line in text.splitlines())
