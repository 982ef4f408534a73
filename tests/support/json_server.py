"""A JSON API on a free loopback port that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class JsonServer:
    """`answers`: by path with query, a body, a status with headers and perhaps a body, or what makes one of these of
    the authorization (of the body, if it is posted). Counts what was asked and unchanged.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    """All that was posted, in order; `posted` has the last by path."""
    unchanged: int = 0
    hang_up: int = 0
    """How often a connection is closed without an answer."""
    authorization: str | None = None
    posted: dict[str, Any] = field(default_factory=dict)
    url: str = ""


@contextmanager
def json_server(answers: Mapping[str, Any]) -> Iterator[JsonServer]:
    """Serves until the test ends."""
    told = JsonServer(dict(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one piece: sent apart, the body waits 40 ms for the headers to be acknowledged.
        wbufsize = -1

        def do_GET(self) -> None:
            if told.hang_up:
                told.hang_up -= 1
                self.close_connection = True
                return
            told.authorization = self.headers.get("Authorization")
            answer = told.answers.get(self.path, (404, {}))
            self._answer(answer(told.authorization) if callable(answer) else answer)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            told.posted[self.path] = body
            told.bodies.append((self.path, body))
            answer = told.answers.get(self.path, (404, {}))
            self._answer(answer(body) if callable(answer) else answer)

        def _answer(self, answer: Any) -> None:
            told.asked.append(self.path)
            status, headers, *bodies = answer if isinstance(answer, tuple) else (200, {}, answer)
            body = self._body(bodies[0]) if bodies else b""
            etag = f'"{sha256(body).hexdigest()[:16]}"'
            if status == 200 and self.headers.get("If-None-Match") == etag:
                told.unchanged += 1
                status, body = 304, b""
            self.send_response_only(status)
            for name, value in ({"ETag": etag, "Date": self.date_time_string()} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @staticmethod
        def _body(answer: Any) -> bytes:
            return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
