"""Nothing that was acknowledged is lost, nothing is counted twice: not on kill -9, restarts, races or full disks."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support.exporter import Exporter, StartExporter
from tests.support.load import Load, execution, loaded, post
from tests.support.postgresql import PostgreSQL
from tests.support.program import wait_for
from tests.support.prometheus import StartPrometheus
from tests.support.scraped import Samples, samples, summed

KILLS = 30


def all_executions(url: str) -> dict[str, str]:
    """Status of every execution by its external id, read page by page."""
    found: dict[str, str] = {}
    cursor = None
    while True:
        parameters = {"limit": "500", **({"cursor": cursor} if cursor else {})}
        page = requests.get(f"{url}/api/pipeline/executions", params=parameters, timeout=30).json()
        found.update({one["external_id"]: one["status"] for one in page["executions"]})
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def assert_all_there(load: Load, url: str) -> None:
    """Rows and totals are what was sent, exactly."""
    assert all_executions(url) == load.sent
    assert summed(url, "pipeline_executions_total", "status") == Counter(load.sent.values())
    assert summed(url, "pipeline_stage_executions_total", "stage") == dict.fromkeys(
        ("extract", "load"), len(load.sent)
    )
    assert summed(url, "pipeline_stage_items_total", "direction") == {
        "in": 4 * len(load.sent),
        "out": 2 * len(load.sent),
    }
    accepted = samples(url)[
        "pipeline_exporter_events_total", (("outcome", "accepted"), ("source", "cloudevents"))
    ]
    assert accepted == 6 * len(load.sent)


def test_a_server_killed_again_and_again_loses_and_doubles_nothing(
    sqlite_url: str, start_exporter: StartExporter, start_prometheus: StartPrometheus
) -> None:
    exporter = start_exporter(database=sqlite_url)
    prometheus = start_prometheus(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{"job_name": "exporter", "static_configs": [{"targets": [exporter.url[7:]]}]}],
        }
    )
    dice = random.Random(7)
    with loaded(exporter.url) as load:
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.05, 0.8))  # the moment of the kill is what is random here
            exporter.kill()
            exporter.start()
            exporter.wait_until_ready()
    assert_all_there(load, exporter.url)
    wait_for(lambda: prometheus.query("sum(pipeline_executions_total)"), "a scrape")
    for name in (
        "pipeline_executions_total",
        "pipeline_stage_executions_total",
        "pipeline_stage_items_total",
    ):
        assert prometheus.query(f"count({name}) > 0")
        assert prometheus.query(f"sum(resets({name}[1h])) > 0") == []


def test_a_server_told_to_stop_under_load_commits_what_it_took(
    sqlite_url: str, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(database=sqlite_url)
    with loaded(exporter.url) as load:
        for _ in range(3):
            wait_for(lambda: load.acknowledged > 200, "load")
            assert exporter.stop() == 0
            load.acknowledged = 0
            exporter.start()
            exporter.wait_until_ready()
    assert_all_there(load, exporter.url)


def test_two_replicas_that_get_the_same_events_count_them_once(
    postgresql_url: str, start_exporter: StartExporter
) -> None:
    replicas = [start_exporter(database=postgresql_url, wait=False) for _ in range(2)]
    for replica in replicas:
        replica.wait_until_ready()
    urls = [replica.url for replica in replicas]
    with loaded(*urls) as first:
        # The same events again, each to another replica, while the first are on their way.
        second = Load(urls)
        second.start()
        wait_for(lambda: min(first.acknowledged, second.acknowledged) > 3000, "load")
        second.finish()
    sent = {**first.sent, **second.sent}
    for url in urls:
        shown = all_executions(url)
        assert set(shown) == set(sent)
        assert sum(summed(url, "pipeline_executions_total", "status").values()) >= len(sent)
    ours = [lasting(url) for url in urls]
    assert ours[0] == ours[1]


def lasting(url: str) -> Samples:
    """What replicas show alike: not what each tells of itself, nor what depends on the moment of the scrape."""
    own = ("pipeline_exporter_", "pipeline_execution_eta_", "pipeline_execution_progress_")
    found = samples(url).items()
    return {
        key: value for key, value in found if key[0].startswith("pipeline_") and not key[0].startswith(own)
    }


def test_replicas_racing_with_one_batch_accept_each_event_once(
    postgresql_url: str, start_exporter: StartExporter
) -> None:
    urls = [start_exporter(database=postgresql_url).url for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            batch = [event for n in range(10) for event in execution("race", f"r{number}-{n}")]
            answers = list(pool.map(lambda url, batch=batch: post(url, batch).json(), urls * 4))
            assert sum(answer["accepted"] for answer in answers) == 60
            assert sum(answer["duplicates"] for answer in answers) == 60 * 7
    for url in urls:
        assert summed(url, "pipeline_executions_total", "status") == {"succeeded": 200}


def test_postgresql_restarted_under_load(own_postgresql: PostgreSQL, start_exporter: StartExporter) -> None:
    exporter = start_exporter(database=own_postgresql.create_database())
    with loaded(exporter.url) as load:
        for end in (own_postgresql.stop, own_postgresql.kill):
            wait_for(lambda: load.acknowledged > 500, "load")
            end()
            wait_for(lambda: away(exporter), "the server says that its database is away")
            load.acknowledged = 0
            own_postgresql.start()
    assert_all_there(load, exporter.url)


def away(exporter: Exporter) -> bool:
    """Whether a server says that it cannot take events now, and when to come back."""
    ready = requests.get(f"{exporter.url}/readyz", timeout=30)
    return ready.status_code == 503 and "Retry-After" in ready.headers


def test_a_database_locked_by_somebody_else(sqlite_url: str, start_exporter: StartExporter) -> None:
    exporter = start_exporter(database=sqlite_url)
    lock = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answer = post(exporter.url, execution("nightly", "r1"))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"
    lock.execute("ROLLBACK")
    assert post(exporter.url, execution("nightly", "r1")).json() == {"accepted": 6, "duplicates": 0}
    assert all_executions(exporter.url) == {"r1": "succeeded"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=6m,uid={os.geteuid()}"
    subprocess.run([*prefix, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run([*prefix, "umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_and_recovers(small_disk: Path, start_exporter: StartExporter) -> None:
    exporter = start_exporter(database=f"sqlite:///{small_disk / 'exporter.db'}")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 3_000_000)
    taken: list[str] = []
    answer = None
    runs: list[str] = []
    while answer is None or answer.status_code == 202:
        taken += runs
        runs = [f"r{len(taken)}-{n}" for n in range(50)]
        answer = post(exporter.url, [event for run in runs for event in execution("nightly", run)])
    assert answer.status_code == 503, answer.text
    assert "Retry-After" in answer.headers
    assert requests.get(f"{exporter.url}/healthz", timeout=30).ok
    ballast.unlink()
    assert retried(lambda: post(exporter.url, [event for run in runs for event in execution("nightly", run)]))
    taken += runs
    assert set(all_executions(exporter.url)) == set(taken)
    assert summed(exporter.url, "pipeline_executions_total", "status") == {"succeeded": len(taken)}


def retried(send: Callable[[], requests.Response]) -> bool:
    """Whether a request is taken within some tries."""
    return bool(wait_for(lambda: send().status_code == 202, "events are taken again"))
