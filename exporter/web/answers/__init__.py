"""What the API answers: frozen dataclasses in the shape of the JSON, and how they are made from rows.

Times are RFC 3339 text in UTC with microseconds, durations seconds, and what is unknown is null.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response

_encode = msgspec.json.Encoder().encode


def answer(body: Any) -> Response:
    """The body as JSON. Encoded here, since FastAPI would check and copy all of it once more."""
    return Response(_encode(body), media_type="application/json")


def seconds(micros: int | None) -> float | None:
    """Seconds of a stored duration."""
    return None if micros is None else micros / 1_000_000
