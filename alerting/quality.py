"""Alerts about the quality of data."""

from __future__ import annotations

from alerting.alert import ON_QUALITY, Alert, AlertGroup, Kind, Severity
from alerting.expressions import ALIVE, both, exceeds
from alerting.wording import CHECK, NAME, Form, now, value
from exporter.catalogue import metrics as m
from exporter.catalogue import recorded as r
from exporter.catalogue import thresholds as t
from exporter.catalogue.promql import gauge
from exporter.catalogue.recorded import CHECK as OF_CHECK
from exporter.catalogue.recorded import on

_score = gauge(m.QUALITY_SCORE, by=OF_CHECK)
_labels = ("stage", "stream")
_AGAINST = (
    f"The latest check found {now(m.QUALITY_SCORE, Form.SHARE, *_labels)} of the records valid; usual are "
    f"{now(r.SCORE_MEDIAN, Form.SHARE, *_labels)}. First see which rules are broken most often, and since "
    "when: bad records may be on their way to others already."
)

GROUP = AlertGroup(
    "quality",
    "Data quality",
    (
        Alert(
            "PipelineQualityLow",
            both(exceeds(_score, t.QUALITY_SCORE, "<"), ALIVE),
            Severity.WARNING,
            "fewer records of the latest check are valid than its owner accepts",
            f"{NAME}, {CHECK}: only {value(Form.SHARE)} of records are valid",
            _AGAINST,
            ON_QUALITY,
            "1m",
            (t.QUALITY_SCORE,),
            kind=Kind.QUALITY,
        ),
        Alert(
            "PipelineQualityDropped",
            both(exceeds(f"{r.SCORE_MEDIAN.name} - {on(OF_CHECK)} {_score}", t.QUALITY_DROP), ALIVE),
            Severity.WARNING,
            "the latest check is clearly worse than the median of a day",
            f"{NAME}, {CHECK}: {value(Form.SHARE)} fewer records are valid than usual",
            _AGAINST,
            ON_QUALITY,
            "1m",
            (t.QUALITY_DROP,),
            kind=Kind.QUALITY,
        ),
        Alert(
            "PipelineCompletenessLow",
            both(exceeds(gauge(m.COMPLETENESS, by=OF_CHECK), t.COMPLETENESS, "<"), ALIVE),
            Severity.WARNING,
            "more expected values are missing from the latest check than its owner accepts",
            f"{NAME}, {CHECK}: only {value(Form.SHARE)} of values are there",
            f"Of the values expected by the latest check {value(Form.SHARE)} were there; accepted are "
            f"{now(r.THRESHOLD, Form.SHARE, threshold=t.COMPLETENESS.name)}. First see whether a source "
            "delivers less, or a field was renamed.",
            ON_QUALITY,
            "1m",
            (t.COMPLETENESS,),
            kind=Kind.QUALITY,
        ),
    ),
)
