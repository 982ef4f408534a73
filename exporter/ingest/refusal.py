"""Why a request was not taken, in the words of the protocol-free part of an error answer (RFC 9457)."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct


class FieldError(Struct, frozen=True):
    """What is wrong with one field. `pointer` is an RFC 6901 JSON pointer, "" for the whole body."""

    pointer: str
    message: str


class Refused(Exception):
    """A payload that cannot be taken, however often it is sent.

    `status`: 400 unreadable, 413 too large, 415 wrong content type, 422 understood but wrong.
    """

    def __init__(self, status: int, detail: str, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []


def pointer(*steps: str | int) -> str:
    """RFC 6901 pointer to where the steps lead: `pointer("a", 0, "b/c")` is `/a/0/b~1c`."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


# msgspec ends its messages with " - at `$.stages[2].name`", or, for the key of an object, with
# " - at `key` in `$.labels`".
_PLACE = re.compile(r"^(?P<message>.*) - at (?:`key` in )?`\$(?P<path>[^`]*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")


def field_error(error: msgspec.ValidationError, *, below: str = "") -> FieldError:
    """What msgspec found wrong, and where: `below` is the pointer of the value that was decoded.

    msgspec does not tell which entry of an object with free keys it means.
    The pointer then ends at the object.
    """
    found = _PLACE.match(str(error))
    if found is None:
        return FieldError(below, str(error))
    steps: list[str | int] = []
    for step in _STEP.finditer(found["path"]):
        if step[1] is not None:
            steps.append(step[1])
        elif step[2] is not None:
            steps.append(int(step[2]))
        else:
            break
    return FieldError(below + pointer(*steps), found["message"])
