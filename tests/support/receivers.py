"""What Alertmanager's messages reach in tests: an HTTP server and a mail server that keep what arrives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.program import free_port

Json = dict[str, Any]


# What Slack and PagerDuty say when they are content: Alertmanager looks at it.
ANSWERS = {
    "/slack": (200, "text/plain; charset=utf-8", b"ok"),
    "/pagerduty": (202, "application/json", b'{"status": "success"}'),
}


@dataclass(frozen=True)
class Request:
    """A request that arrived."""

    path: str
    token: str | None
    body: Json


class WebRecorder:
    """Stands in for Slack, Microsoft Teams, PagerDuty and webhooks, each at a path of its own."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(self._requests.append))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @staticmethod
    def _handler(keep: Callable[[Request], None]) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                keep(Request(self.path, self.headers["authorization"], json.loads(body)))
                status, media_type, answer = ANSWERS.get(self.path, (200, "text/plain", b""))
                self.send_response(status)
                self.send_header("content-type", media_type)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Not to the output of the tests."""

        return Handler

    def at(self, path: str) -> list[Json]:
        """The bodies that arrived at a path, oldest first."""
        return [request.body for request in self.requests(path)]

    def requests(self, path: str) -> list[Request]:
        """What arrived at a path, oldest first."""
        return [request for request in list(self._requests) if request.path == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Mailbox:
    """A mail server that takes all mail and keeps it."""

    def __init__(self) -> None:
        self._mails: list[EmailMessage] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Called for each mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        self._mails.append(message_from_bytes(content, policy=policy.default))
        return "250 kept"

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails that arrived, oldest first."""
        return list(self._mails)

    def close(self) -> None:
        self._controller.stop()
