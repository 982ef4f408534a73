"""Many clients that post one thing at a time, beside the same clients pushing to a Pushgateway."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.result import Limit, Row, in_turns
from bench.servers import MeasuredPushgateway
from bench.setting import Setting
from tests.support.tools import tool

CLIENTS = 64
SCRIPTS = Path(__file__).parent


def measure(setting: Setting) -> Iterator[Row]:
    """Requests a second that wrk gets answered, over connections that are kept."""
    pushgateway = MeasuredPushgateway(setting.new_folder())
    pushgateway.start()
    try:
        pushgateway.wait_until_ready()
        with setting.exporter() as exporter:
            ours, theirs = in_turns(
                setting.scale.rounds,
                lambda: _load(exporter.url, "post_event.lua", setting.scale.seconds),
                lambda: _load(pushgateway.url, "push_group.lua", setting.scale.seconds),
            )
    finally:
        pushgateway.stop()
    what = f"{CLIENTS} clients, an event a request"
    yield Row(
        what,
        "Pushgateway, a group of 3 lines a request",
        "requests/s",
        ours,
        theirs,
        Limit(0.5, 1, at_most=False),
    )


def _load(url: str, script: str, seconds: float) -> float:
    command = [tool("wrk"), "--threads=1", f"--connections={CLIENTS}", f"--duration={seconds:.0f}s"]
    command += [f"--script={SCRIPTS / script}", "--timeout=30s", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec: +([\d.]+)", said)
    if found is None or "Non-2xx" in said or "Socket errors" in said:
        raise ValueError(f"not all requests were answered as they should:\n{said}")
    return float(found[1])
