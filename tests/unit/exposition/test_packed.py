"""Compressed pieces, put together without being unpacked."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.packed import Packed

texts = st.lists(
    st.one_of(st.binary(), st.text().map(str.encode), st.integers(1, 70_000).map(bytes)), max_size=6
)


@given(texts)
def test_joined_pieces_are_the_joined_text(parts: list[bytes]) -> None:
    joined = Packed.joined(map(Packed.of, parts))
    whole = Packed.of(b"".join(parts))
    assert (joined.text(), joined.length, joined.crc) == (whole.text(), whole.length, whole.crc)


@given(texts, st.binary())
def test_gzip_is_one_member_with_tail_and_checksum(parts: list[bytes], tail: bytes) -> None:
    compressed = Packed.joined(map(Packed.of, parts)).gzip(tail)
    assert gzip.decompress(compressed) == b"".join(parts) + tail
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert member.decompress(compressed) == b"".join(parts) + tail
    assert (member.eof, member.unused_data) == (True, b"")
