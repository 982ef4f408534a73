"""Chunks of samples as Prometheus keeps them on its disk (XOR encoding), for data that would take a day to collect.

A sample that is like the one before costs two bits, so runs of them are written at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache

import google_crc32c

SAMPLES = 120
"""Samples of one chunk, as Prometheus cuts them."""

Change = tuple[int, float]
"""Since when, in milliseconds, a series has had a value."""

_XOR = b"\x01"
_as_float = struct.Struct(">d").pack
_as_bits = struct.Struct(">Q").unpack


@cache
def uvarint(number: int) -> bytes:
    """An unsigned number, seven bits a byte."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


@cache
def varint(number: int) -> bytes:
    """A signed number, the same way."""
    return uvarint(number << 1 if number >= 0 else ~(number << 1))


def checksum(data: bytes) -> bytes:
    """CRC-32C, which Python's own library lacks."""
    return struct.pack(">I", google_crc32c.value(data))


def chunk(start: int, interval: int, samples: int, value: float, changes: Iterable[Change]) -> bytes:
    """A chunk as it stands in a segment: length, encoding, data and checksum.

    `value` is that of the first sample, at `start`; `changes` come after it.
    """
    places = ((-(-(time - start) // interval), after) for time, after in changes)
    data = struct.pack(">H", samples) + varint(start) + _as_float(value)
    if samples > 1:
        data += uvarint(interval) + _packed(samples, value, places)
    coded = _XOR + data
    return uvarint(len(data)) + coded + checksum(coded)


def _packed(samples: int, value: float, changes: Iterable[tuple[int, float]]) -> bytes:
    """All samples but the first: a bit for the distance in time, but for the second one; what differs of the value."""
    bits = length = 0
    (last,) = _as_bits(_as_float(value))
    window = None
    done = 1
    for at, after in changes:
        if at < done:
            raise ValueError("two changes between two samples")
        (new,) = _as_bits(_as_float(after))
        if new == last:
            continue
        same = 2 * (at - done) + 1 - (done == 1)  # those before, and the distance of this one
        code, width, window = _difference(new ^ last, window)
        bits = bits << same + width | code
        length += same + width
        last = new
        done = at + 1
    rest = 2 * (samples - done) - (done == 1)
    missing = -(length + rest) % 8
    return (bits << rest + missing).to_bytes((length + rest + missing) // 8, "big")


def _difference(delta: int, window: tuple[int, int] | None) -> tuple[int, int, tuple[int, int]]:
    """Bits of a changed value and their number, and between which zeros the next may be written."""
    leading = min(64 - delta.bit_length(), 31)
    trailing = (delta & -delta).bit_length() - 1
    if window is not None and leading >= window[0] and trailing >= window[1]:
        width = 64 - window[0] - window[1]
        return 0b10 << width | delta >> window[1], width + 2, window
    width = 64 - leading - trailing
    head = (0b11 << 5 | leading) << 6 | width & 63
    return head << width | delta >> trailing, width + 13, (leading, trailing)
