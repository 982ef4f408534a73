"""Alerts about streams."""

from __future__ import annotations

from alerting.alert import ON_STREAMS, Alert, AlertGroup, Kind, Severity
from alerting.expressions import ALIVE, both, exceeds, over
from alerting.wording import NAME, STREAM, Form, now, value
from exporter.catalogue import metrics as m
from exporter.catalogue import recorded as r
from exporter.catalogue import thresholds as t
from exporter.catalogue.promql import gauge, increase
from exporter.catalogue.recorded import STREAM as OF_STREAM

_lag = gauge(m.STREAM_LAG, by=OF_STREAM)
_waiting = f"{gauge(m.STREAM_BUFFER, by=OF_STREAM)} > 0"
_asked = f"{gauge(m.STREAM_TARGET_RATE, by=OF_STREAM)} > 0"
_labels = ("stream", "direction")


def _at_work(window: str) -> str:
    """Events pass, wait, or are asked for. Where none of this is so the source is quiet, and a lag means nothing."""
    return f"{increase(m.STREAM_EVENTS, window, by=OF_STREAM)} > 0 or {_waiting} or {_asked}"


def _stands_still() -> str:
    return f"{over('changes', m.STREAM_WATERMARK, '10m', by=OF_STREAM)} == 0"


def _grows() -> str:
    least = over("min_over_time", m.STREAM_BUFFER, "5m", by=OF_STREAM)
    return f"{least} > {over('max_over_time', m.STREAM_BUFFER, '5m', by=OF_STREAM, offset='10m')}"


GROUP = AlertGroup(
    "streams",
    "Streams",
    (
        Alert(
            "PipelineStreamLagging",
            both(
                both(exceeds(_lag, t.STREAM_LAG), _at_work("15m"), labels=OF_STREAM),
                ALIVE,
            ),
            Severity.WARNING,
            "a stream through which events pass, or should, is too far behind",
            f"{NAME}, {STREAM}: {value(Form.LENGTH)} behind",
            f"The stream has been processed up to {now(m.STREAM_WATERMARK, Form.MOMENT, *_labels)}; allowed is "
            f"a lag of {now(r.THRESHOLD, Form.LENGTH, threshold=t.STREAM_LAG.name)}. "
            f"{now(r.STREAM_EVENTS_RATE, Form.NUMBER, *_labels)} events a second pass, "
            f"{now(m.STREAM_BUFFER, Form.NUMBER, *_labels)} wait. First see whether more comes in than usual "
            "or less gets through.",
            ON_STREAMS,
            "2m",
            (t.STREAM_LAG,),
            kind=Kind.LATENCY,
        ),
        Alert(
            "PipelineStreamStalled",
            both(
                both(exceeds(_lag, t.STREAM_STALL), _stands_still(), _at_work("10m"), labels=OF_STREAM),
                ALIVE,
            ),
            Severity.CRITICAL,
            "a watermark has not moved for ten minutes although events come, wait or are asked for",
            f"{NAME}, {STREAM}: stands still, {value(Form.LENGTH)} behind",
            f"The watermark has been {now(m.STREAM_WATERMARK, Form.MOMENT, *_labels)} for ten minutes or "
            f"longer, and {now(m.STREAM_BUFFER, Form.NUMBER, *_labels)} events wait. Last event passed: "
            f"{now(m.STREAM_LAST_EVENT, Form.MOMENT, *_labels)}. First read the errors of the stage that writes.",
            ON_STREAMS,
            "5m",
            (t.STREAM_STALL,),
            kind=Kind.STALENESS,
        ),
        Alert(
            "PipelineStreamBufferGrowing",
            both(
                both(
                    exceeds(gauge(m.STREAM_BUFFER, by=OF_STREAM), t.STREAM_BUFFER), _grows(), labels=OF_STREAM
                ),
                ALIVE,
            ),
            Severity.WARNING,
            "more events wait than ten minutes ago, all the time, and more than a few",
            f"{NAME}, {STREAM}: {value(Form.NUMBER)} events wait, and more every minute",
            f"{value(Form.NUMBER)} events wait, and ten minutes ago it were fewer throughout. "
            f"{now(r.STREAM_EVENTS_RATE, Form.NUMBER, *_labels)} events a second pass; lag: "
            f"{now(m.STREAM_LAG, Form.LENGTH, *_labels)}. First see whether the target takes what it is given.",
            ON_STREAMS,
            "5m",
            (t.STREAM_BUFFER,),
        ),
        Alert(
            "PipelineStreamDeadLetters",
            exceeds(increase(m.STREAM_DEAD_LETTERS, "15m", by=OF_STREAM), t.DEAD_LETTERS),
            Severity.WARNING,
            "events were set aside within 15 minutes because they could not be processed",
            f"{NAME}, {STREAM}: {value(Form.COUNT)} events set aside",
            f"Within 15 minutes {value(Form.COUNT)} events could not be processed and were set aside. They are "
            "missing from the target until somebody repairs and replays them. First read one of them and its error.",
            ON_STREAMS,
            thresholds=(t.DEAD_LETTERS,),
            kind=Kind.QUALITY,
        ),
    ),
)
