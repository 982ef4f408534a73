"""Text that is kept compressed, in pieces that can be put together without being unpacked."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from exporter.exposition.crc import multiply, packed, shift, spread

LEVEL = 1
"""Of zlib. Pieces are short, so that a higher one takes up to four times as long and saves a tenth."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""No name, no time, no system (RFC 1952)."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Pieces of a raw deflate stream that lean on none before them and end at a byte.

    `length`: of the text, in bytes. `crc`, `behind`: its CRC-32 and the `shift` of its length, as polynomials.
    """

    pieces: tuple[bytes, ...]
    length: int
    crc: int
    behind: int

    @classmethod
    def of(cls, text: bytes) -> Packed:
        """Pack a text."""
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return cls((data,), len(text), spread(zlib.crc32(text)), shift(len(text)))

    @classmethod
    def joined(cls, parts: Iterable[Packed]) -> Packed:
        """Texts one behind the other."""
        pieces: list[bytes] = []
        length = crc = 0
        for part in parts:
            pieces += part.pieces
            length += part.length
            crc = multiply(crc, part.behind) ^ part.crc
        return cls(tuple(pieces), length, crc, shift(length))

    def text(self) -> bytes:
        """Unpack it."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(b"".join(self.pieces), self.length)

    def gzip(self, tail: bytes) -> bytes:
        """It and a text behind it as one member of a gzip file, which is what browsers and curl read."""
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        crc = multiply(self.crc, shift(len(tail))) ^ spread(zlib.crc32(tail))
        end = struct.pack("<LL", packed(crc), (self.length + len(tail)) & 0xFFFFFFFF)
        return b"".join((_GZIP_HEADER, *self.pieces, deflate.compress(tail), deflate.flush(), end))
