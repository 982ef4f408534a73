"""A store that the tests of reading share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.migrated import migrated
from tests.support.reading import Reader, reader
from tests.support.runs import failed_run, running_run, usual_runs
from tests.support.stored import stored


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One store for all tests that only read."""
    url = f"sqlite:///{tmp_path_factory.mktemp('read') / 'exporter.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").create_database(prepared_by=migrated)
    with stored(url) as store:
        store.put(*failed_run(), *running_run(), *usual_runs())
        with reader(store, grafana_url="http://grafana:3000") as client:
            yield client
