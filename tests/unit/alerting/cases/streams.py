"""Cases of alerts about streams."""

from __future__ import annotations

from exporter.catalogue import metrics as m
from tests.support.alerting import Case, Series, together, told
from tests.unit.alerting.cases.common import ALERT, LONG, known, steady, then, threshold

STREAM = {"stream": "public.orders", "direction": "in"}
FIRES = ALERT | STREAM


def stream(
    *,
    lag: str = steady(5),
    events: str = f"0+60x{LONG}",
    buffer: str = steady(0),
    watermark: str = f"0+60x{LONG}",
) -> Series:
    return together(
        known(),
        told(m.STREAM_LAG, lag, **STREAM),
        told(m.STREAM_EVENTS, events, **STREAM, operation="insert"),
        told(m.STREAM_BUFFER, buffer, **STREAM),
        told(m.STREAM_WATERMARK, watermark, **STREAM),
        told(m.STREAM_LAST_EVENT, watermark, **STREAM),
    )


STILL = then(0, 1, 60)

CASES = (
    Case("PipelineStreamLagging", "ten minutes behind, and events pass", stream(lag=steady(600)), 20, FIRES),
    Case("PipelineStreamLagging", "four minutes behind", stream(lag=steady(240)), 20),
    Case(
        "PipelineStreamLagging",
        "far behind, as nothing happens at the source",
        stream(lag=steady(9000), events=steady(7)),
        60,
    ),
    Case(
        "PipelineStreamLagging",
        "ten minutes behind, as its owner accepts",
        together(stream(lag=steady(600)), threshold("stream_lag_seconds", 900)),
        20,
    ),
    Case(
        "PipelineStreamStalled",
        "nothing passes, and events wait",
        stream(lag=f"0+60x{LONG}", events=steady(7), buffer=steady(500), watermark=STILL),
        30,
        FIRES,
    ),
    Case(
        "PipelineStreamStalled",
        "events come, and the watermark stands",
        stream(lag=f"0+60x{LONG}", watermark=STILL),
        30,
        FIRES,
    ),
    Case(
        "PipelineStreamStalled",
        "nothing passes, and a rate is asked for",
        together(
            stream(lag=f"0+60x{LONG}", events=steady(7), watermark=STILL),
            told(m.STREAM_TARGET_RATE, steady(100), **STREAM),
        ),
        30,
        FIRES,
    ),
    Case(
        "PipelineStreamStalled",
        "nothing passes, and nothing waits",
        stream(lag=f"0+60x{LONG}", events=steady(7), watermark=STILL),
        60,
    ),
    Case(
        "PipelineStreamStalled",
        "far behind, and catching up",
        stream(lag=steady(9000), buffer=steady(500)),
        60,
    ),
    Case("PipelineStreamBufferGrowing", "ever more events wait", stream(buffer=f"0+100x{LONG}"), 40, FIRES),
    Case("PipelineStreamBufferGrowing", "many wait, and not more", stream(buffer=steady(50_000)), 40),
    Case("PipelineStreamBufferGrowing", "few wait, and ever more", stream(buffer=f"0+5x{LONG}"), 40),
    Case("PipelineStreamBufferGrowing", "it fills and empties", stream(buffer="5000 0 " * 60), 40),
    Case(
        "PipelineStreamDeadLetters",
        "three events were set aside",
        together(stream(), told(m.STREAM_DEAD_LETTERS, then(0, 20, 3), **STREAM)),
        25,
        FIRES,
    ),
    Case(
        "PipelineStreamDeadLetters",
        "some were set aside long ago",
        together(stream(), told(m.STREAM_DEAD_LETTERS, steady(3), **STREAM)),
        25,
    ),
    Case(
        "PipelineStreamDeadLetters",
        "three were set aside, as its owner accepts",
        together(
            stream(), told(m.STREAM_DEAD_LETTERS, then(0, 20, 3), **STREAM), threshold("dead_letters", 10)
        ),
        25,
    ),
)
