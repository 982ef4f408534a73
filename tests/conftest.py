"""Fixtures of all tests: databases, the exporter as a process, and the servers around it.

A `start_…` fixture is a function: it starts as many as a test asks for, and all end with the test. Each
returns when the server is ready; what a server printed is in the report of a test that failed.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from tests.support.exporter import Exporter, StartExporter
from tests.support.mariadb import MariaDB
from tests.support.migrated import migrated
from tests.support.paths import recordings_folder
from tests.support.postgresql import PostgreSQL
from tests.support.prometheus import Alertmanager, Prometheus, Pushgateway, StartPrometheus

# Everything that tests talk to is on this machine, whatever proxy the user has.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

# Each program that tests start would compile all of the exporter for itself: 0.2 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The time of one example says more about the machine than about the code.
hypothesis.settings.register_profile("developer", deadline=None)
# The same examples every time: a change that did not cause a failure does not meet it.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server for the whole run (of one worker), fast and forgetful. Stop your own, not this."""
    with ExitStack() as stack:
        server = PostgreSQL()
        stack.callback(server.close)
        server.start()
        yield server


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSQL]:
    """A server of this test alone that writes as in production: it may be stopped, killed, started."""
    with ExitStack() as stack:
        server = PostgreSQL(durable=True)
        stack.callback(server.close)
        server.start()
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A server for the whole run (of one worker)."""
    with ExitStack() as stack:
        server = MariaDB()
        stack.callback(server.close)
        server.start()
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'exporter.db'}"


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """An empty database."""
    url = postgresql.create_database()
    yield url
    postgresql.drop_database(url)


@pytest.fixture
def migrated_postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """A database with the schema and nothing in it."""
    url = postgresql.create_database(prepared_by=migrated)
    yield url
    postgresql.drop_database(url)


@pytest.fixture(params=["sqlite", "migrated_postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database of each kind: a test that asks for it runs twice."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def start_exporter(tmp_path: Path) -> Iterator[StartExporter]:
    """`start_exporter("--series-limit", "10", database=url)`; with `wait=False` it may not be ready yet."""
    with ExitStack() as stack:

        def start(
            *options: str,
            database: str | None = None,
            environment: Mapping[str, str] | None = None,
            wait: bool = True,
        ) -> Exporter:
            exporter = Exporter(tmp_path, *options, database=database, environment=environment)
            exporter.start()
            stack.callback(exporter.close)
            if wait:
                exporter.wait_until_ready()
            return exporter

        yield start


@pytest.fixture
def start_prometheus(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[StartPrometheus]:
    """`start_prometheus({"scrape_configs": [...]})`"""
    with ExitStack() as stack:

        def start(config: Mapping[str, object], *flags: str) -> Prometheus:
            prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), config, *flags)
            prometheus.start()
            stack.callback(prometheus.close)
            prometheus.wait_until_ready()
            return prometheus

        yield start


@pytest.fixture
def start_alertmanager(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Mapping[str, object]], Alertmanager]]:
    """`start_alertmanager({"route": {...}, "receivers": [...]})`"""
    with ExitStack() as stack:

        def start(config: Mapping[str, object]) -> Alertmanager:
            alertmanager = Alertmanager(tmp_path_factory.mktemp("alertmanager"), config)
            alertmanager.start()
            stack.callback(alertmanager.close)
            alertmanager.wait_until_ready()
            return alertmanager

        yield start


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[Pushgateway]:
    with ExitStack() as stack:
        server = Pushgateway(tmp_path)
        server.start()
        stack.callback(server.close)
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded requests of real clients."""
    folder = recordings_folder()
    if not any(folder.glob("*.jsonl")):
        pytest.fail(f"no recordings in {folder}; PIPELINE_EXPORTER_RECORDINGS names the folder")
    return folder
