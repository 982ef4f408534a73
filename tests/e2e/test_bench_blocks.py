"""What `bench` writes as Prometheus' own blocks, read back by Prometheus."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from bench.blocks import Block, Series
from bench.chunks import Change
from bench.fleet import HOUR, MINUTE, SECOND
from bench.watched import BLOCK
from tests.support.prometheus import Prometheus, StartPrometheus

START = 1_795_327_200_000 // BLOCK * BLOCK
WRITTEN = {
    "constant": Series((("__name__", "constant"), ("job", "j")), 5 * SECOND, [(START, 0.1)]),
    "counter": Series(
        (("__name__", "counter"), ("job", "j")),
        5 * SECOND,
        [(START + number * 35 * SECOND, number * 1.5) for number in range(200)],
    ),
    "each": Series(
        (("__name__", "each"), ("job", "ü")),
        MINUTE,
        [(START + number * MINUTE, (-1) ** number * number / 7) for number in range(360)],
    ),
    "short": Series(
        (("__name__", "short"), ("job", "j")), SECOND, [(START, 3.0)], START + HOUR, START + HOUR + SECOND
    ),
}


def test_prometheus_reads_the_samples_that_were_written(start_prometheus: StartPrometheus) -> None:
    prometheus = start_prometheus({"scrape_configs": []}, "--storage.tsdb.retention.time=100y")
    prometheus.stop()
    Block(prometheus.folder / "prometheus", START, START + BLOCK).write(list(WRITTEN.values()))
    prometheus.start()
    prometheus.wait_until_ready()
    for name, series in WRITTEN.items():
        assert _read(prometheus, name) == _meant(series), name
    labels = prometheus.get(
        "series", **{"match[]": "each", "start": str(START // SECOND), "end": str(START // SECOND + 60)}
    )
    assert json.dumps(labels) == json.dumps([{"__name__": "each", "job": "ü"}])


def _read(prometheus: Prometheus, name: str) -> list[Change]:
    last = datetime.fromtimestamp((START + BLOCK - 1) / SECOND, UTC)
    (found,) = prometheus.query(f"{name}[6h]", at=last)
    return [(round(time * SECOND), float(value)) for time, value in found["values"]]


def _meant(series: Series) -> list[Change]:
    found: list[Change] = []
    values = dict(series.changes)
    value = series.changes[0][1]
    for time in range(max(START, series.begin), min(START + BLOCK, series.end), series.interval):
        value = values.get(time, value)
        found.append((time, value))
    return found
