"""A store on each kind of database."""

from collections.abc import Iterator

import pytest

from tests.support.stored import Stored, stored


@pytest.fixture
def store(database_url: str) -> Iterator[Stored]:
    """An empty store."""
    with stored(database_url) as store:
        yield store
