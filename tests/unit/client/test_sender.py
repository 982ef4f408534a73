"""What the sender makes of answers; the server is a script."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from exporter.client import record
from exporter.client.delivery import Delivery
from exporter.client.settings import ClientSettings
from tests.support.paths import REPOSITORY

Batch = list[dict[str, Any]]
Script = Callable[[Batch], tuple[int, dict[str, str], Any]]


class Server:
    """Answers batches as a script says, and keeps what it took."""

    def __init__(self) -> None:
        self.taken: Batch = []
        self.asked = 0
        self.tokens: list[str | None] = []
        self.script: Script = lambda _: (202, {}, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body in one piece: sent apart, the body waits 40 ms for the headers to be acknowledged.
            wbufsize = -1

            def do_POST(self) -> None:
                batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked += 1
                outer.tokens.append(self.headers["Authorization"])
                status, headers, body = outer.script(batch)
                if status == 202:
                    outer.taken += batch
                content = json.dumps(body).encode()
                self.send_response(status)
                kind = "application/problem+json" if body else "text/html"
                every = {"Content-Type": kind, **headers, "Content-Length": str(len(content))}
                for name, value in every.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its base
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.taken]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _nothing_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.client.complaints._SAID", set())


def told(delivery: Delivery, names: Sequence[str]) -> None:
    for name in names:
        delivery.tell(record.WARNING, 1_767_268_800 * 10**9, json.dumps({"message": name}))


def once(status: int, headers: dict[str, str] | None = None, body: Any = None) -> Script:
    """Refuse the first batch."""
    answers = iter([(status, headers or {}, body or {})])
    return lambda _: next(answers, (202, {}, {}))


def pointing(batch: Batch) -> tuple[int, dict[str, str], Any]:
    """As the exporter refuses: each event that says "bad"."""
    wrong = [number for number, event in enumerate(batch) if event["data"]["message"] == "bad"]
    errors = [{"pointer": f"/{number}/data/message", "message": "too bad"} for number in wrong]
    return (422, {}, {"detail": "no event was taken", "errors": errors}) if wrong else (202, {}, {})


def test_only_what_the_answer_points_at_is_dropped(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = pointing
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    told(delivery, ["good", "bad", "good", "bad", "good"])
    assert delivery.flush(10)
    assert server.ids == ["1", "3", "5"]
    # The sender may have begun before all was told: positions in the batch differ.
    assert len(re.findall(r"refused a pipeline.warning.raised: /\d/data/message: too bad", caplog.text)) == 2
    delivery.close()
    assert list(tmp_path.glob("*/*")) == []


def test_a_server_that_comes_and_goes_does_not_fill_the_log(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    for number in range(5):
        server.script = once(503, {})
        told(delivery, [f"event {number}"])
        assert delivery.flush(20)
    assert server.ids == ["1", "2", "3", "4", "5"]
    assert caplog.text.count("answers 503") == 1
    delivery.close()


def test_a_thousand_refusals_do_not_fill_the_log(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = pointing
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    told(delivery, ["bad"] * 1000 + ["good"])
    assert delivery.flush(30)
    assert server.ids == ["1001"]
    refusals = [each.getMessage() for each in caplog.records if "refused" in each.getMessage()]
    assert 10 <= len(refusals) <= 11  # one more, should a minute have gone by
    delivery.close()


def test_a_refusal_without_pointers_is_narrowed_down_by_halves(server: Server, tmp_path: Path) -> None:
    server.script = lambda batch: (
        (400, {}, {"title": "Bad Request"})
        if any(event["data"]["message"] == "bad" for event in batch)
        else (202, {}, {})
    )
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    told(delivery, ["good"] * 5 + ["bad"] + ["good"] * 5)
    assert delivery.flush(10)
    assert sorted(map(int, server.ids)) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    delivery.close()


@pytest.mark.parametrize("status", [503, 500, 429, 401, 404])
def test_what_was_not_taken_is_sent_again(server: Server, tmp_path: Path, status: int) -> None:
    server.script = once(status, {"Retry-After": "1"})
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    told(delivery, ["one", "two"])
    assert delivery.flush(10)
    assert server.ids == ["1", "2"]
    assert server.asked >= 2
    delivery.close()


def test_a_400_of_something_else_in_the_servers_place_drops_nothing(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = once(400, {})
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    told(delivery, ["one", "two"])
    assert delivery.flush(10)
    assert server.ids == ["1", "2"]
    assert "does not take events: 400; they are kept" in caplog.text
    delivery.close()


def test_a_batch_that_a_proxy_finds_too_large_goes_in_halves(server: Server, tmp_path: Path) -> None:
    server.script = lambda batch: (413, {}, {}) if len(batch) > 3 else (202, {}, {})
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    told(delivery, ["one"] * 10)
    assert delivery.flush(10)
    assert sorted(map(int, server.ids)) == list(range(1, 11))
    delivery.close()


def test_a_program_that_closes_all_descriptors_loses_nothing_and_none_of_its_own_files(
    server: Server, tmp_path: Path
) -> None:
    """As those do that become daemons. In a process of its own, as pytest has descriptors, too."""
    (tmp_path / "mine").write_bytes(b"x" * 1_000_000)
    program = f"""
import os
from exporter.client import pipeline, flush
with pipeline("daemon") as execution:
    with execution.stage("before"): pass
    assert flush(20)
    os.closerange(3, 200)
    mine = [os.open({str(tmp_path / "mine")!r}, os.O_RDWR) for _ in range(20)]
    with execution.stage("after"): pass
    assert flush(20)
    assert all(os.fstat(each).st_size == 1_000_000 for each in mine)
print("mine", {{os.fstat(each).st_size for each in mine}})
"""
    variables = {
        "PYTHONPATH": str(REPOSITORY),
        "PIPELINE_EXPORTER_URL": server.url,
        "PIPELINE_EXPORTER_SPOOL": str(tmp_path / "spool"),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("mine {1000000}\n", 0), done.stderr
    assert (tmp_path / "mine").stat().st_size == 1_000_000
    types = [event["type"].removeprefix("pipeline.") for event in server.taken]
    assert sorted(types) == sorted(
        ["execution.started", "execution.finished", *["stage.started", "stage.finished"] * 2]
    )


def test_a_token_is_read_anew_from_its_file(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path / "spool", token_file=file))
    told(delivery, ["one"])
    assert delivery.flush(10)
    file.write_text("second\n")
    told(delivery, ["two"])
    assert delivery.flush(10)
    assert server.tokens == ["Bearer first", "Bearer second"]
    delivery.close()


def test_a_large_number_of_events_goes_in_batches(server: Server, tmp_path: Path) -> None:
    sizes: list[int] = []

    def noted(batch: Batch) -> tuple[int, dict[str, str], Any]:
        sizes.append(len(batch))
        return 202, {}, {}

    server.script = noted
    delivery = Delivery(ClientSettings(url=server.url, spool=tmp_path))
    told(delivery, ["x" * 1000] * 5000)
    assert delivery.flush(30)
    assert server.ids == [str(number) for number in range(1, 5001)]
    assert max(sizes) <= 500
    assert len(sizes) < 50
    delivery.close()


def test_closing_waits_for_no_server_that_is_away_and_keeps_what_waits(tmp_path: Path) -> None:
    delivery = Delivery(ClientSettings(url="http://127.0.0.1:1", spool=tmp_path))
    told(delivery, ["one"])
    delivery.close(60)
    assert len(list(tmp_path.glob("*/*.events"))) == 1
