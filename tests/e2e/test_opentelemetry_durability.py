"""Spans that were acknowledged are lost neither on kill -9 nor between replicas, and told once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import requests

from exporter.domain.times import SECOND, to_micros
from tests.support.exporter import Exporter, StartExporter
from tests.support.otlp import json_body, json_span
from tests.support.program import wait_for
from tests.support.scraped import summed
from tests.support.stored import NOON

TRACES = 20
PARTS = 40
CALL = [
    {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
    {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
    {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "10"}},
]


def a_span(trace: int, number: int, parent: int, name: str, **more: Any) -> dict[str, Any]:
    began = (to_micros(NOON) + (trace * 100 + number) * SECOND) * 1000
    return json_span(
        traceId=f"{trace:032x}",
        spanId=f"{number:016x}",
        parentSpanId=f"{parent:016x}" if parent else None,
        name=name,
        startTimeUnixNano=str(began),
        endTimeUnixNano=str(began + 10**9),
        **more,
    )


def shuffled() -> list[bytes]:
    """Batches of the spans of all traces, mixed, each with one call of a model in every part; roots come anywhere."""
    spans = [a_span(trace, 1, 0, "run") for trace in range(1, TRACES + 1)]
    for trace in range(1, TRACES + 1):
        for part in range(PARTS):
            spans.append(a_span(trace, 10 + 2 * part, 1, f"part {part}"))
            spans.append(a_span(trace, 11 + 2 * part, 10 + 2 * part, "chat m", attributes=CALL))
    mixed = random.Random(5).sample(spans, len(spans))
    return [json_body(*mixed[start : start + 64]) for start in range(0, len(mixed), 64)]


def send(url: str, body: bytes) -> requests.Response:
    return requests.post(
        f"{url}/v1/traces", data=body, headers={"content-type": "application/json"}, timeout=60
    )


def send_until_taken(url: str, body: bytes) -> bool:
    """As an exporter of spans does: again, whole, until it is told that it was taken."""
    try:
        return send(url, body).status_code == 200
    except requests.RequestException:
        return False


def assert_all_told(urls: Sequence[str]) -> None:
    def told() -> bool:
        return summed(urls[0], "pipeline_stage_executions_total", "status").get("succeeded") == TRACES * PARTS

    wait_for(told, "all stages")
    for url in urls:
        shown = requests.get(f"{url}/api/pipeline/executions?limit=500", timeout=30).json()["executions"]
        assert Counter((one["status"], one["stages_done"], one["stages_total"]) for one in shown) == {
            ("succeeded", PARTS, PARTS): TRACES
        }
        assert summed(url, "pipeline_executions_total", "status") == {"succeeded": TRACES}
        assert summed(url, "gen_ai_client_token_usage_sum", "gen_ai_token_type") == {
            "input": TRACES * PARTS * 10
        }


def test_spans_survive_kills_between_and_under_batches(
    sqlite_url: str, start_exporter: StartExporter
) -> None:
    exporter = start_exporter("--orphans-after", "60s", database=sqlite_url)
    dice = random.Random(3)
    for number, body in enumerate(shuffled()):
        if number % 6 == 5:
            killed_under(exporter, body, dice)
        wait_for(partial(send_until_taken, exporter.url, body), "a batch that is taken")
    assert_all_told([exporter.url])


def killed_under(exporter: Exporter, body: bytes, dice: random.Random) -> None:
    """The server dies while a batch is under way, or just before or after."""
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(send_until_taken, exporter.url, body)
        wait_for(lambda: under_way.done() or dice.random() < 0.3, "some moment")
        exporter.kill()
    exporter.start()
    exporter.wait_until_ready()


@pytest.mark.parametrize("again", [1, 3])
def test_one_batch_sent_to_two_replicas_is_told_once(
    postgresql_url: str, start_exporter: StartExporter, again: int
) -> None:
    options = ("--orphans-after", "60s")
    replicas = [start_exporter(*options, database=postgresql_url, wait=False) for _ in range(2)]
    for replica in replicas:
        replica.wait_until_ready()
    urls = [replica.url for replica in replicas]
    with ThreadPoolExecutor(4) as pool:
        for body in shuffled():
            answers = list(pool.map(lambda url, body=body: send(url, body), urls * again))
            assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert_all_told(urls)
