"""A server that takes events, or answers as a test tells it to."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event as Signal
from threading import Thread


@dataclass(frozen=True)
class Answer:
    """What to answer. `hang_up`: take the batch, and end the connection without a word."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None
    hang_up: bool = False


@dataclass
class Recorder:
    """What arrived: the headers and events of each request. `decide` answers the n-th one."""

    url: str
    decide: Callable[[int, list[dict[str, object]]], Answer]
    headers: list[dict[str, str]] = field(default_factory=list)
    batches: list[list[dict[str, object]]] = field(default_factory=list)
    enough: Signal = field(default_factory=Signal)
    enough_at: int = 40

    @property
    def ids(self) -> list[list[object]]:
        """Ids of the events of each request."""
        return [[event["id"] for event in batch] for batch in self.batches]

    def take(self, headers: dict[str, str], body: bytes) -> Answer:
        """Record a request."""
        batch = json.loads(gzip.decompress(body))
        self.headers.append(headers)
        self.batches.append(batch)
        if sum(map(len, self.batches)) >= self.enough_at:
            self.enough.set()
        return self.decide(len(self.batches), batch)


def accept(number: int, batch: list[dict[str, object]]) -> Answer:
    """Take everything."""
    del number
    return Answer(body={"accepted": len(batch), "duplicates": 0})


def refuse(status: int, detail: str) -> Callable[[int, list[dict[str, object]]], Answer]:
    """Refuse everything."""

    def decide(number: int, batch: list[dict[str, object]]) -> Answer:
        del number, batch
        return Answer(status, body={"title": "Refused", "detail": detail})

    return decide


@contextmanager
def recorder(decide: Callable[[int, list[dict[str, object]]], Answer] = accept) -> Iterator[Recorder]:
    """A server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one piece: sent apart, the body waits 40 ms for the headers to be acknowledged.
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = recorded.take({"path": self.path, **dict(self.headers)}, body)
            if answer.hang_up:
                self.close_connection = True
                return
            told = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(told))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorded = Recorder(f"http://127.0.0.1:{server.server_port}", decide)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield recorded
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
