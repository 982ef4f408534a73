"""A store that is exposed, on each kind of database."""

from collections.abc import Iterator

import pytest

from tests.support.exposed import Exposed
from tests.support.stored import stored


@pytest.fixture
def exposed(database_url: str) -> Iterator[Exposed]:
    """An empty store and its exposition."""
    with stored(database_url) as store:
        yield Exposed(store)
