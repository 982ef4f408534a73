"""Positions of sources: kept over restarts, and moved by one replica at a time."""

from __future__ import annotations

import pytest

from exporter.store.cursors import Cursors, Overtaken
from tests.support.stored import Stored


def test_a_position_is_kept_for_each_source_and_read(database_url: str) -> None:
    store = Stored(database_url)
    cursors = Cursors(store.engine)
    assert cursors.load("a", "runs") == (0, None)
    version = cursors.save("a", "runs", 0, b"1")
    cursors.save("a", "runs", version, b"2")
    cursors.save("b", "runs", 0, b"3")
    assert Cursors(store.engine).load("a", "runs") == (2, b"2")
    assert cursors.load("b", "runs") == (1, b"3")
    assert cursors.load("b", "jobs") == (0, None)
    store.engine.dispose()


def test_of_two_replicas_one_moves_a_position(database_url: str) -> None:
    store = Stored(database_url)
    ours, theirs = Cursors(store.engine), Cursors(store.engine)
    ours.save("a", "runs", 0, b"ours")
    with pytest.raises(Overtaken):
        theirs.save("a", "runs", 0, b"theirs")
    theirs.save("a", "runs", 1, b"theirs")
    with pytest.raises(Overtaken):
        ours.save("a", "runs", 1, b"ours")
    assert ours.load("a", "runs") == (2, b"theirs")
    store.engine.dispose()
