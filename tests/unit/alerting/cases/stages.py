"""Cases of alerts about stages."""

from __future__ import annotations

from exporter.catalogue import metrics as m
from tests.support.alerting import Case, Series, together, told
from tests.unit.alerting.cases.common import ALERT, LONG, known, steady, threshold

STAGE = {"stage": "load"}


def trend(recent: float, earlier: float, mad: float = 5) -> Series:
    return together(
        known(),
        told(m.STAGE_RECENT_DURATION, steady(recent), **STAGE),
        told(m.STAGE_EARLIER_DURATION, steady(earlier), **STAGE),
        told(m.STAGE_EARLIER_DURATION_MAD, steady(mad), **STAGE),
        told(m.STAGE_RECENT_DURATION, steady(10), stage="extract"),
        told(m.STAGE_EARLIER_DURATION, steady(10), stage="extract"),
        told(m.STAGE_EARLIER_DURATION_MAD, steady(1), stage="extract"),
    )


def retried(retries: str, attempts: str) -> Series:
    return together(
        known(),
        told(m.STAGE_RETRIES, retries, **STAGE),
        told(m.STAGE_EXECUTIONS, attempts, **STAGE, status="succeeded"),
        told(m.STAGE_EXECUTIONS, retries, **STAGE, status="failed"),
    )


CASES = (
    Case("PipelineStageSlower", "one stage is twice as slow", trend(200, 100), 10, ALERT | STAGE),
    Case("PipelineStageSlower", "within its usual spread", trend(200, 100, mad=40), 10),
    Case(
        "PipelineStageSlower",
        "twice as slow, as its owner accepts",
        together(trend(200, 100), threshold("slower_ratio", 2.5)),
        10,
    ),
    Case(
        "PipelineStageRetrying",
        "each attempt is repeated",
        retried(f"0+1x{LONG}", f"0+1x{LONG}"),
        60,
        ALERT | STAGE,
    ),
    Case("PipelineStageRetrying", "one in ten is repeated", retried(f"0+1x{LONG}", f"0+9x{LONG}"), 60),
    Case(
        "PipelineStageRetrying", "two retries of three attempts", retried("0x30 1x5 2x500", "0x30 1x500"), 60
    ),
)
