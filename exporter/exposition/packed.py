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
    """A piece of a raw deflate stream that leans on none before it and ends at a byte.

    `length`: of the text, in bytes. `crc`, `behind`: its CRC-32 and the `shift` of its length, as polynomials.
    """

    data: bytes
    length: int
    crc: int
    behind: int

    @classmethod
    def of(cls, text: bytes) -> Packed:
        """Pack a text."""
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return cls(data, len(text), spread(zlib.crc32(text)), shift(len(text)))

    @classmethod
    def joined(cls, pieces: Iterable[Packed]) -> Packed:
        """Pieces one behind the other."""
        pieces = list(pieces)
        crc = 0
        for piece in pieces:
            crc = multiply(crc, piece.behind) ^ piece.crc
        length = sum(piece.length for piece in pieces)
        return cls(b"".join(piece.data for piece in pieces), length, crc, shift(length))

    def text(self) -> bytes:
        """Unpack it."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.data, self.length)

    def gzip(self, tail: bytes) -> bytes:
        """It and a text behind it as one member of a gzip file, which is what browsers and curl read."""
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        crc = multiply(self.crc, shift(len(tail))) ^ spread(zlib.crc32(tail))
        end = struct.pack("<LL", packed(crc), (self.length + len(tail)) & 0xFFFFFFFF)
        return b"".join((_GZIP_HEADER, self.data, deflate.compress(tail), deflate.flush(), end))
