"""Lines of one family, kept compressed, in blocks that are changed one at a time.

A family's lines have to stand together, so a pipeline that changed changes a few lines in each of many
families. Each family is therefore cut into blocks of some pipelines' lines, about as long as is worth
compressing at once; those that did not change are used as they are. The text itself is not kept: a block whose
pipelines changed is unpacked, given the new lines, and packed again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.exposition.packed import Packed

BLOCK = 4096
"""Longest text of a block in bytes, unless one pipeline alone has more."""

RUN = 8
"""Blocks of which it is remembered what they amount to together."""

HEADER = -1
"""Stands for the lines about the family itself where pipelines' ids stand: before all of them."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of some pipelines (`owners`, by id), packed; of each its bytes, and a digest to know a change by."""

    packed: Packed
    owners: tuple[int, ...]
    sizes: tuple[int, ...]
    digests: tuple[int, ...]

    def differs(self, owner: int, lines: bytes) -> bool:
        """Whether a pipeline's lines are others than these, or here though there are none."""
        place = self._place(owner)
        return self.digests[place] != ((hash(lines),) if lines else ())

    def _place(self, owner: int) -> slice:
        start = bisect_left(self.owners, owner)
        return slice(start, start + (self.owners[start : start + 1] == (owner,)))

    def replaced(self, lines: Mapping[int, bytes]) -> list[Block]:
        """The same with other lines of some pipelines, as few blocks as may be."""
        text = self.packed.text()
        owners, sizes, digests = list(self.owners), list(self.sizes), list(self.digests)
        pieces: list[bytes] = []
        for owner in sorted(lines, reverse=True):
            place, mine = self._place(owner), lines[owner]
            start = sum(self.sizes[: place.start])
            pieces += (text[start + sum(self.sizes[place]) :], mine)
            text = text[:start]
            owners[place], sizes[place], digests[place] = (
                ([owner], [len(mine)], [hash(mine)]) if mine else ([], [], [])
            )
        text = b"".join([text, *reversed(pieces)])
        return [
            Block(
                Packed.of(text[sum(sizes[:start]) : sum(sizes[:end])]),
                tuple(owners[start:end]),
                tuple(sizes[start:end]),
                tuple(digests[start:end]),
            )
            for start, end in _cuts(sizes)
        ]


def _cuts(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where blocks begin and end that are as full as may be."""
    start = length = 0
    for position, size in enumerate(sizes):
        if position > start and length + size > BLOCK:
            yield start, position
            start, length = position, 0
        length += size
    if start < len(sizes):
        yield start, len(sizes)


class Family:
    """All lines of one family: first those about it, then those of each pipeline, by id."""

    def __init__(self, header: bytes) -> None:
        self.blocks = [Block(Packed.of(header), (HEADER,), (len(header),), (hash(header),))]
        self._firsts = [HEADER]
        self._runs: dict[int, Packed] = {}
        self._all: Packed | None = None

    def put(self, lines: Mapping[int, bytes]) -> bool:
        """Take the lines of some pipelines, by id; True if that changed anything."""
        changes: dict[int, dict[int, bytes]] = {}
        for owner, mine in lines.items():
            position = bisect_right(self._firsts, owner) - 1
            if self.blocks[position].differs(owner, mine):
                changes.setdefault(position, {})[owner] = mine
        for position in sorted(changes, reverse=True):
            self._replace(position, self.blocks[position].replaced(changes[position]))
        return bool(changes)

    def _replace(self, position: int, blocks: list[Block]) -> None:
        self._all = None
        self.blocks[position : position + 1] = blocks
        self._firsts[position : position + 1] = [block.owners[0] for block in blocks]
        if len(blocks) == 1:
            self._runs.pop(position // RUN, None)
        else:
            self._runs.clear()

    def packed(self) -> Packed:
        """All lines."""
        if self._all is None:
            for run in range((len(self.blocks) - 1) // RUN + 1):
                if run not in self._runs:
                    blocks = self.blocks[run * RUN : (run + 1) * RUN]
                    self._runs[run] = Packed.joined(block.packed for block in blocks)
            self._all = Packed.joined(self._runs[run] for run in sorted(self._runs))
        return self._all
