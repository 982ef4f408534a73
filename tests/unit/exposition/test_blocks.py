"""Lines of a family, in blocks that are changed one at a time."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.blocks import BLOCK, Family

ABOUT = b"# HELP x X.\n"
lines = st.one_of(
    st.just(b""), st.binary(min_size=1, max_size=20), st.integers(1, 3 * BLOCK).map(lambda size: b"x" * size)
)
changes = st.dictionaries(st.integers(0, 60), lines, max_size=30)


def expected(known: dict[int, bytes]) -> bytes:
    return ABOUT + b"".join(known[owner] for owner in sorted(known))


@given(st.lists(changes, max_size=8))
def test_lines_stand_in_the_order_of_their_owners(steps: list[dict[int, bytes]]) -> None:
    family = Family(ABOUT)
    known: dict[int, bytes] = {}
    for step in steps:
        before = dict(known)
        known.update(step)
        shown = {owner: mine for owner, mine in known.items() if mine}
        assert family.put(step) == (shown != {owner: mine for owner, mine in before.items() if mine})
        assert family.packed().text() == expected(known)


@given(st.lists(changes, max_size=8))
def test_a_block_is_longer_than_its_limit_for_one_owner_only(steps: list[dict[int, bytes]]) -> None:
    family = Family(ABOUT)
    for step in steps:
        family.put(step)
    assert all(len(block.owners) == 1 or block.packed.length <= BLOCK for block in family.blocks)


def test_only_blocks_of_changed_owners_are_packed_anew() -> None:
    family = Family(ABOUT)
    family.put(dict.fromkeys(range(100), b"a" * (BLOCK // 3)))
    before = family.blocks[:]
    family.put(dict.fromkeys(range(100), b"a" * (BLOCK // 3)) | {50: b"b" * (BLOCK // 3)})
    changed = [block for block in family.blocks if not any(block is kept for kept in before)]
    assert [50 in block.owners for block in changed] == [True]
