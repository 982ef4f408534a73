"""The CRC-32 of texts put together, from the CRC-32 of each: zlib's crc32_combine, which Python lacks.

The idea: a CRC is the remainder of a polynomial over GF(2), the text's bits being its coefficients, and
to put n bytes behind a text is to multiply its polynomial by x^(8n). To multiply polynomials is what the
multiplication of integers does, but for the carries. So here a polynomial has each coefficient in a byte
of its own, all in one big integer: no sum of up to 33 products overflows a byte, Python multiplies them
all at once, and the lowest bit of each byte is the coefficient, since GF(2) only knows odd and even.

(gzip numbers the bits of a CRC backwards: the highest of the 32 is the coefficient of x^0. Its
complements before and after cancel out.)
"""

from __future__ import annotations

from functools import lru_cache

_BITS = 32
_LANE = 8
_HALF = _BITS * _LANE


def _ones(count: int) -> int:
    return int.from_bytes(b"\x01" * count, "big")


_LOW = _ones(_BITS)
_ALL = _ones(2 * _BITS)
_POLYNOMIAL = 0x104C11DB7
_QUOTIENT = 0x104D101DF
"""x^64 divided by the polynomial, without the rest."""


def _lanes(digits: str) -> int:
    """Binary digits, each in a byte of its own: the codes of "0" and "1" end in the bits 0 and 1."""
    return int.from_bytes(digits.encode(), "big") & _ones(len(digits))


_MODULUS = _lanes(f"{_POLYNOMIAL:b}")
_FACTOR = _lanes(f"{_QUOTIENT:b}")
_ONE = 1


def spread(crc: int) -> int:
    """A CRC-32 as zlib gives it, as a polynomial."""
    return _lanes(f"{crc:032b}"[::-1])


def packed(polynomial: int) -> int:
    """The CRC-32 as gzip wants it."""
    digits = (polynomial + _LOW * ord("0")).to_bytes(_BITS, "big")
    return int(digits[::-1], 2)


def multiply(one: int, other: int) -> int:
    """Product of two polynomials, modulo that of the CRC.

    What is to be taken off is the modulus times the quotient, which is found by multiplication, too
    (Barrett's reduction; in GF(2) it is exact).
    """
    product = one * other & _ALL
    quotient = ((product >> _HALF) * _FACTOR & _ALL) >> _HALF
    return (product ^ quotient * _MODULUS) & _LOW


def shift(length: int) -> int:
    """What the CRC of a text is multiplied by when `length` bytes follow: x^(8 · length)."""
    product = _ONE
    for digit in (length & 0xFF, length & 0xFF00, length & 0xFF0000, length & ~0xFFFFFF):
        if digit:
            product = multiply(product, _power(digit))
    return product


@lru_cache(maxsize=2048)
def _power(length: int) -> int:
    if length == 1:
        return 1 << 8 * _LANE
    half = _power(length // 2)
    return multiply(multiply(half, half), _power(1) if length % 2 else _ONE)
