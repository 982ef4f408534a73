"""HTTP to the server: one kept connection, one batch at a time."""

from __future__ import annotations

import gzip
import json
import os
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import socket
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from exporter.client.settings import BadClientSetting, ClientSettings

TIMEOUT = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Away(Exception):
    """No answer; says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `problem`: RFC 9457's object, if it sent one, as the exporter does with each refusal."""

    status: int
    retry_after: float | None = None
    problem: dict[str, Any] = field(default_factory=dict)

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Pointers to wrong fields, and what is wrong with them."""
        errors = self.problem.get("errors")
        if not isinstance(errors, list):
            return []
        return [(str(e.get("pointer", "")), str(e.get("message", ""))) for e in errors if isinstance(e, dict)]

    def __str__(self) -> str:
        detail = self.problem.get("detail") or self.problem.get("title") or ""
        return f"{self.status} {detail}".rstrip()


class Transport:
    """Posts batches of CloudEvents."""

    def __init__(self, settings: ClientSettings, timeout: float = TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout
        parts = urlsplit(settings.url)
        self._scheme = parts.scheme
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._path = f"{parts.path.rstrip('/')}/api/v1/events"
        self._packs = self._host not in _LOOPBACK
        self._connection: HTTPConnection | None = None
        self._socket: tuple[int, int] | None = None

    def post(self, body: bytes, timeout: float | None = None) -> Answer:
        """The server's answer to a batch. Raises Away."""
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        try:
            token = self._settings.current_token()
        except OSError as error:
            raise Away(f"PIPELINE_EXPORTER_TOKEN_FILE: {error}") from error
        except BadClientSetting as error:
            raise Away(str(error)) from error
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if self._packs and len(body) > 4096:
            body = gzip.compress(body, compresslevel=2)
            headers["Content-Encoding"] = "gzip"
        # The server may have closed a connection that was kept: once more over a new one.
        if self._connection is not None:
            try:
                return self._ask(body, headers, timeout or self._timeout)
            except (ConnectionError, HTTPException):
                self.close()
            except OSError as error:
                self.close()
                raise Away(_reason(error)) from error
        try:
            return self._ask(body, headers, timeout or self._timeout)
        except (OSError, HTTPException) as error:
            self.close()
            raise Away(_reason(error)) from error

    def _ask(self, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        if connection.sock is not None and _file(connection.sock.fileno()) != self._socket:
            # The program closed all files that it knew nothing of; the number may be another one's now.
            connection.sock.detach()
            raise ConnectionError("the connection was closed by the program")
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        else:
            connection.connect()
            opened: socket | None = connection.sock
            self._socket = None if opened is None else _file(opened.fileno())
        connection.request("POST", self._path, body, headers)
        response = connection.getresponse()
        content = response.read(1_000_000)
        is_problem = response.headers.get_content_type() == "application/problem+json"
        return Answer(response.status, _retry_after(response), _problem(content) if is_problem else {})

    def _connect(self) -> HTTPConnection:
        proxy = None if proxy_bypass(self._host) else getproxies().get(self._scheme)
        if self._host in _LOOPBACK:
            proxy = None
        host, port = self._host, self._port
        via = urlsplit(proxy) if proxy else None
        if via is not None and via.hostname:
            host, port = via.hostname, via.port or 80
        made: HTTPConnection
        if self._scheme == "https":
            made = HTTPSConnection(host, port, timeout=self._timeout, context=ssl.create_default_context())
        else:
            made = HTTPConnection(host, port, timeout=self._timeout)
        if via is not None:
            tunnel = {}
            if via.username:
                user = f"{unquote(via.username)}:{unquote(via.password or '')}"
                tunnel["Proxy-Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
            made.set_tunnel(self._host, self._port, tunnel)
        return made

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if connection.sock is not None and _file(connection.sock.fileno()) != self._socket:
                connection.sock.detach()
            connection.close()


def _file(descriptor: int) -> tuple[int, int] | None:
    """What a descriptor stands for."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _retry_after(response: HTTPResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isdecimal() else None


def _problem(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
