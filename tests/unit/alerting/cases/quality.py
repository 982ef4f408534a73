"""Cases of alerts about the quality of data."""

from __future__ import annotations

from exporter.catalogue import metrics as m
from tests.support.alerting import Case, Series, together, told
from tests.unit.alerting.cases.common import ALERT, known, steady, then, threshold

CHECK = {"stage": "validate", "stream": "products"}
FIRES = ALERT | CHECK


def score(values: str, completeness: float = 1) -> Series:
    return together(
        known(),
        told(m.QUALITY_SCORE, values, **CHECK),
        told(m.COMPLETENESS, steady(completeness), **CHECK),
    )


CASES = (
    Case("PipelineQualityLow", "an eighth is invalid", score(steady(0.875)), 10, FIRES),
    Case("PipelineQualityLow", "a hundredth is invalid", score(steady(0.99)), 10),
    Case(
        "PipelineQualityLow",
        "a hundredth is invalid, and its owner accepts none",
        together(score(steady(0.99)), threshold("quality_score", 1)),
        10,
        FIRES,
    ),
    Case(
        "PipelineQualityDropped", "clearly fewer than usual are valid", score(then(0.99, 60, 0.92)), 65, FIRES
    ),
    Case("PipelineQualityDropped", "a little fewer are valid", score(then(0.99, 60, 0.96)), 65),
    Case("PipelineQualityDropped", "it has always been like that", score(steady(0.5)), 65),
    Case(
        "PipelineQualityDropped",
        "a check of no stage and no stream",
        together(known(), told(m.QUALITY_SCORE, then(0.99, 60, 0.9), stage="", stream="")),
        65,
        ALERT,
    ),
    Case("PipelineCompletenessLow", "a tenth of the values is missing", score(steady(1), 0.9), 10, FIRES),
    Case("PipelineCompletenessLow", "a hundredth is missing", score(steady(1), 0.99), 10),
)
