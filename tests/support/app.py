"""The application in this process, over a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from starlette.testclient import TestClient

from exporter.cli.serve import limits_of, otlp_reader, price_file
from exporter.exposition import OwnMetrics
from exporter.settings import settings
from exporter.store import Store
from exporter.store.gather import Gatherer
from exporter.store.limits import Limits
from exporter.web.app import create_app
from tests.support.migrated import begun


def application(url: str, limits: Limits | None = None, **told: str) -> FastAPI:
    """The application as `serve` makes it, with the defaults for what is not told."""
    own = OwnMetrics(process=False)
    known = settings({"database": url, **told}, {})
    reader = otlp_reader(known, price_file(known, own))
    gatherer = Gatherer(reader, patience=known.orphans_after)
    store = Store.open(begun(url), limits or limits_of(known), observer=own, gatherer=gatherer)
    return create_app(known, store, own, reader)


@contextmanager
def serving(url: str, limits: Limits | None = None, **told: str) -> Iterator[TestClient]:
    """A client of the application; what the application does not catch is a failure of the test."""
    with TestClient(application(url, limits, **told), base_url="http://127.0.0.1:9877") as client:
        yield client
