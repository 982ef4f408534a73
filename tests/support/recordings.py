"""Requests of real clients as they were recorded, and what really happened meanwhile."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.paths import recordings_folder


class Request(NamedTuple):
    """A recorded request; `body` is no longer compressed."""

    path: str
    headers: dict[str, str]
    body: bytes


def recorded(name: str) -> list[Request]:
    """The requests of a recording, in order, those that the recorder refused included."""
    lines = (recordings_folder() / f"{name}.jsonl").read_text().splitlines()
    return [_request(json.loads(line)) for line in lines]


def _request(line: dict[str, Any]) -> Request:
    if "wire_b64" in line:
        body = base64.b64decode(line["wire_b64"])
        body = gzip.decompress(body) if line["headers"].get("content-encoding") == "gzip" else body
    elif "json" in line:
        body = json.dumps(line["json"]).encode()
    else:
        body = line.get("text", "").encode()
    return Request(line["path"], line["headers"], body)


def truth(name: str) -> Any:
    """What the recorded system itself says that happened."""
    return json.loads((recordings_folder() / f"{name}.truth.json").read_text())


def recordings(prefix: str, *, with_truth: bool = False) -> list[str]:
    """Names of the recordings at hand that begin so."""
    return sorted(_names(prefix, ".truth.json" if with_truth else ".jsonl"))


def _names(prefix: str, ending: str) -> Iterator[str]:
    for file in recordings_folder().glob(f"{prefix}*{ending}"):
        yield file.name.removesuffix(ending)
