"""Lines of one family, kept compressed, in blocks that are changed one at a time.

A family's lines have to stand together, so a pipeline that changed changes a few lines in each of many
families. Each family is therefore cut into blocks of some pipelines' lines, about as long as is worth
compressing at once. A block is compressed by itself and ends at a byte (Z_SYNC_FLUSH), so that blocks can
be put one behind the other into one gzip stream, and those that did not change are used as they are. The
text itself is not kept: a block whose pipelines changed is unpacked, given the new lines, and packed
again.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.exposition.crc import shift, spread

BLOCK = 6144
"""Longest text of a block in bytes, unless one pipeline alone has more."""

LEVEL = 6

HEADER = -1
"""Stands for the lines about the family itself where pipelines' ids stand: before all of them."""


def deflated(text: bytes) -> bytes:
    """A piece of a raw deflate stream, to be followed by others."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)


def inflated(pieces: bytes) -> bytes:
    """Text of pieces put together."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(pieces)


@dataclass(frozen=True, slots=True)
class Block:
    """Packed lines of some pipelines. `crc` and `behind` are as `crc.combined` takes them.

    `digests`: of each pipeline's lines, in their order, to know a change by. `sizes`: their bytes.
    """

    digests: dict[int, int]
    sizes: tuple[int, ...]
    length: int
    packed: bytes
    crc: int
    behind: int

    @classmethod
    def of(cls, lines: Mapping[int, bytes]) -> Block:
        """Pack lines of pipelines."""
        text = b"".join(lines.values())
        return cls(
            {owner: hash(mine) for owner, mine in lines.items()},
            tuple(len(mine) for mine in lines.values()),
            len(text),
            deflated(text),
            spread(zlib.crc32(text)),
            shift(len(text)),
        )

    @property
    def first(self) -> int:
        """The first pipeline in it."""
        return next(iter(self.digests))

    def lines(self) -> dict[int, bytes]:
        """Unpack the lines of each pipeline."""
        text = inflated(self.packed)
        found = {}
        start = 0
        for owner, size in zip(self.digests, self.sizes, strict=True):
            found[owner] = text[start : start + size]
            start += size
        return found

    def changes(self, lines: Mapping[int, bytes]) -> bool:
        """Whether any of these lines are others than those in the block."""
        return any(
            self.digests.get(owner) != hash(mine) if mine else owner in self.digests
            for owner, mine in lines.items()
        )


class Family:
    """All lines of one family: first those about it, then those of each pipeline, by id."""

    def __init__(self, header: bytes) -> None:
        self.blocks = [Block.of({HEADER: header})]

    def put(self, lines: Mapping[int, bytes]) -> bool:
        """Take the lines of some pipelines, by id; True if that changed anything."""
        firsts = [block.first for block in self.blocks]
        touched: dict[int, dict[int, bytes]] = {}
        for owner, mine in lines.items():
            touched.setdefault(bisect_right(firsts, owner) - 1, {})[owner] = mine
        changed = False
        for position in sorted(touched, reverse=True):
            block = self.blocks[position]
            if block.changes(touched[position]):
                self.blocks[position : position + 1] = _cut(block.lines() | touched[position])
                changed = True
        return changed

    def text(self) -> bytes:
        """All lines."""
        return inflated(b"".join(block.packed for block in self.blocks))


def _cut(lines: Mapping[int, bytes]) -> Iterator[Block]:
    """Blocks of lines: as few as may be."""
    taken: dict[int, bytes] = {}
    size = 0
    for owner in sorted(lines):
        mine = lines[owner]
        if taken and mine and size + len(mine) > BLOCK:
            yield Block.of(taken)
            taken, size = {}, 0
        if mine:
            taken[owner] = mine
            size += len(mine)
    if taken:
        yield Block.of(taken)


def packed_size(blocks: Iterable[Block]) -> int:
    """Bytes that blocks take."""
    return sum(len(block.packed) for block in blocks)
