"""A scrape when nothing has changed, beside those who hold the same lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from bench.client import lines, number_of_samples, scrape
from bench.result import Limit, Row, in_turns
from bench.servers import MeasuredPushgateway, PrometheusClient, push
from bench.setting import Setting
from tests.support.program import Program


def measure(setting: Setting) -> Iterator[Row]:
    """Milliseconds of a scrape over HTTP, compressed, to the last byte."""
    with ExitStack() as stack:
        exporter = stack.enter_context(setting.exporter(setting.lines))
        text = lines(scrape(exporter.url))
        number = number_of_samples(text)

        def begin(program: Program) -> None:
            program.start()
            stack.callback(program.stop)

        metrics = setting.folder / "metrics.txt"
        metrics.write_text(text)
        client = PrometheusClient(setting.new_folder(), metrics)
        pushgateway = MeasuredPushgateway(setting.new_folder())
        begin(client)
        begin(pushgateway)
        client.wait_until_ready()
        pushgateway.wait_until_ready()
        push(pushgateway, text)

        def milliseconds(url: str) -> float:
            answer = scrape(url)
            found = number_of_samples(lines(answer))
            if abs(found - number) > number / 20:  # each adds some lines about itself
                raise ValueError(f"{url} tells {found} lines, not {number}")
            return answer.seconds * 1000

        ours, clients, pushed = in_turns(
            setting.scale.rounds,
            lambda: milliseconds(exporter.url),
            lambda: milliseconds(client.url),
            lambda: milliseconds(pushgateway.url),
        )
    what = f"scrape of {number // 1000}k lines, nothing changed"
    yield Row(what, "prometheus_client", "ms", ours, clients, Limit(0.02, 0.005))
    yield Row(what, "Pushgateway", "ms", ours, pushed, Limit(0.2, 0.1))
