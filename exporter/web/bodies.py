"""Request bodies: read and unpacked within bounds, however large, slow or tightly packed they are."""

from __future__ import annotations

import asyncio
import zlib

from starlette.requests import Request
from starlette.types import Receive

from exporter.ingest.refusal import Refused
from exporter.store.writer import Overloaded

MOST_BYTES = 16 * 1024 * 1024
"""Largest body, packed or unpacked."""

MOST_IN_FLIGHT = 128 * 1024 * 1024
"""Bytes of all bodies that are being read or wait for their commit."""

SLOWEST = 30.0
"""Seconds that a body may take to arrive."""

_PIECE = 256 * 1024


class Bodies:
    """Reads bodies, and keeps count of what they hold together."""

    def __init__(self) -> None:
        self._in_flight = 0

    async def read(self, request: Request) -> bytes:
        """The body of a request, unpacked. Raises Refused or, when too much is in flight, Overloaded."""
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > MOST_BYTES:
            raise _too_large()
        try:
            async with asyncio.timeout(SLOWEST):
                packed = await self._receive(request.receive)
        except TimeoutError as error:
            raise Refused(400, f"the body did not arrive within {SLOWEST:.0f} seconds") from error
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return packed
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise Refused(
                415,
                f"content encoding {encoding[:50]!r} is not understood, expected gzip, deflate or identity",
            )
        return unpack(packed, encoding)

    async def _receive(self, receive: Receive) -> bytes:
        pieces: list[bytes] = []
        size = 0
        more = True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "the client hung up before its body had arrived")
                piece: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(piece)
                self._in_flight += len(piece)
                if size > MOST_BYTES:
                    raise _too_large()
                if self._in_flight > MOST_IN_FLIGHT:
                    raise Overloaded("too many large requests at once")
                pieces.append(piece)
        finally:
            self._in_flight -= size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unpack(packed: bytes, encoding: str) -> bytes:
    """Unpack gzip or deflate, stopping at the bound: a small body may claim to hold terabytes. Raises Refused."""
    pieces: list[bytes] = []
    size = 0
    rest = packed
    while rest:
        unpacker = zlib.decompressobj(wbits=31 if encoding != "deflate" else _deflate_bits(packed))
        try:
            while not unpacker.eof:
                piece = unpacker.decompress(rest, _PIECE)
                rest = unpacker.unconsumed_tail
                size += len(piece)
                if size > MOST_BYTES:
                    raise _too_large()
                pieces.append(piece)
                if not rest and not piece and not unpacker.eof:
                    raise Refused(400, f"the {encoding} body ends too early")
        except zlib.error as error:
            raise Refused(400, f"the body is not {encoding}: {error}") from error
        rest = unpacker.unused_data.lstrip(b"\x00")
    return b"".join(pieces)


def _deflate_bits(packed: bytes) -> int:
    """HTTP's deflate is zlib's format, yet many clients send it without zlib's header."""
    headed = len(packed) >= 2 and packed[0] & 0x0F == 8 and (packed[0] << 8 | packed[1]) % 31 == 0
    return 15 if headed else -15


def _too_large() -> Refused:
    return Refused(413, f"a body takes at most {MOST_BYTES} bytes")
