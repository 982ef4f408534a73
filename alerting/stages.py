"""Alerts about stages."""

from __future__ import annotations

from alerting.alert import ON_STAGE, Alert, AlertGroup, Kind, Severity
from alerting.executions import LEAST_SLOWER, NOTICEABLE
from alerting.expressions import ALIVE, SIGMA, both, exceeds
from alerting.wording import NAME, STAGE, Form, now, value
from exporter.catalogue import metrics as m
from exporter.catalogue import recorded as r
from exporter.catalogue import thresholds as t
from exporter.catalogue.promql import gauge, increase
from exporter.catalogue.recorded import STAGE as OF_STAGE

LEAST_RETRIES = 3
"""Retries within an hour that are too few to tell of."""


def _slower() -> str:
    recent, earlier = (
        gauge(m.STAGE_RECENT_DURATION, by=OF_STAGE),
        gauge(m.STAGE_EARLIER_DURATION, by=OF_STAGE),
    )
    spread = gauge(m.STAGE_EARLIER_DURATION_MAD, by=OF_STAGE)
    slower = both(
        exceeds(r.STAGE_SLOWDOWN.name, t.SLOWER_RATIO),
        f"{recent} - {earlier} > {LEAST_SLOWER}",
        f"{recent} - {earlier} > {NOTICEABLE * SIGMA:g} * {spread}",
        labels=OF_STAGE,
    )
    return both(slower, ALIVE)


GROUP = AlertGroup(
    "stages",
    "Stages",
    (
        Alert(
            "PipelineStageSlower",
            _slower(),
            Severity.WARNING,
            "the latest five successes of a stage took clearly longer than those before",
            f"{NAME}, {STAGE}: takes {value(Form.FACTOR)} times as long as before",
            f"The latest five successes of the stage took {now(m.STAGE_RECENT_DURATION, Form.LENGTH, 'stage')} "
            f"in the median, those before {now(m.STAGE_EARLIER_DURATION, Form.LENGTH, 'stage')}. First compare "
            "items and CPU time on the dashboard: more to do, or slower at it?",
            ON_STAGE,
            "2m",
            (t.SLOWER_RATIO,),
            kind=Kind.LATENCY,
        ),
        Alert(
            "PipelineStageRetrying",
            both(
                exceeds(r.STAGE_RETRY_RATIO.name, t.RETRY_RATIO),
                f"{increase(m.STAGE_RETRIES, '1h', by=OF_STAGE)} >= {LEAST_RETRIES}",
                labels=OF_STAGE,
            ),
            Severity.WARNING,
            f"many attempts of a stage within an hour were retries, {LEAST_RETRIES} at least",
            f"{NAME}, {STAGE}: {value(Form.SHARE)} of its attempts are retries",
            f"Of the stage's attempts of the last hour {value(Form.SHARE)} were retries; allowed are "
            f"{now(r.THRESHOLD, Form.SHARE, threshold=t.RETRY_RATIO.name)}. It still gets through, and a "
            "little more of the same trouble will end that. First read the errors of the attempts that failed.",
            ON_STAGE,
            "5m",
            (t.RETRY_RATIO,),
            kind=Kind.FAILURE,
        ),
    ),
)
