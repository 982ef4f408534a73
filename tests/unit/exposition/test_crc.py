"""Checksums of texts put together."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.crc import multiply, packed, shift, spread

crcs = st.integers(0, 2**32 - 1)


@given(crcs)
def test_a_crc_comes_back_from_its_polynomial(crc: int) -> None:
    assert packed(spread(crc)) == crc


@given(st.binary(), st.binary())
def test_the_crc_of_two_texts_follows_from_theirs(first: bytes, second: bytes) -> None:
    both = multiply(spread(zlib.crc32(first)), shift(len(second))) ^ spread(zlib.crc32(second))
    assert packed(both) == zlib.crc32(first + second)


@given(crcs, st.integers(0, 2**40), st.integers(0, 2**40))
def test_shifts_add_up(crc: int, one: int, other: int) -> None:
    assert multiply(multiply(spread(crc), shift(one)), shift(other)) == multiply(
        spread(crc), shift(one + other)
    )


def test_a_shift_is_what_zeros_behind_a_text_do() -> None:
    length = 3_000_017
    zeros = bytes(length)
    both = multiply(spread(zlib.crc32(b"text")), shift(length)) ^ spread(zlib.crc32(zeros))
    assert packed(both) == zlib.crc32(b"text" + zeros)
