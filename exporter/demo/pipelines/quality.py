"""Data quality: a feed whose records break more rules on some days, until too many do."""

from __future__ import annotations

from exporter.demo.attempt import Attempt
from exporter.demo.error import Error, StageFailed, python_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import numbered
from exporter.demo.pipeline import Pipeline, Schedule
from exporter.demo.simulation import Process
from exporter.demo.stage import Artifact, Stage, chain

_RULES = {
    "price_positive": 0.2,
    "gtin_checksum": 0.45,
    "category_known": 0.2,
    "currency_iso4217": 0.05,
    "image_url_reachable": 0.1,
}
"""Rules and the share of the invalid records that break each first."""

_ALLOWED = 0.15
_BAD_FEEDS = (0.034, 0.115, 0.162, 0.21, 0.19, 0.155, 0.12, 0.07, 0.03)
"""Invalid share of one feed after the other, from the third on, once the supplier changed its export."""

_SUPPLIERS = ("Nordic Tools", "Hagedorn", "Ferreteria Sur", "Volta Retail")


def _too_many(share: float, worst: str) -> Error:
    message = f"{share:.1%} of records are invalid, {_ALLOWED:.0%} are allowed; most break the rule {worst}"
    return Error(
        type="DataQualityError",
        message=message,
        category="data_quality",
        component="expectations",
        trace=python_trace(
            ("/app/feed/pipeline.py", 73, "validate", "report.require(maximum_invalid=ALLOWED)"),
            ("/app/quality/report.py", 118, "require", "raise DataQualityError(self.summary())"),
            name="quality.errors.DataQualityError",
        ),
        context={"invalid_share": round(share, 4), "allowed_share": _ALLOWED, "supplier": "Volta Retail"},
    )


def _share(execution: Execution) -> float:
    # In history that is rarer.
    turn = execution.number % (26 if execution.detailed else 170)
    return _BAD_FEEDS[turn - 3] if 0 <= turn - 3 < len(_BAD_FEEDS) else 0.008


def _supplier(execution: Execution) -> str:
    return _SUPPLIERS[-1] if _share(execution) > 0.02 else _SUPPLIERS[execution.serial % 3]


def _validate(attempt: Attempt, seconds: float) -> Process:
    """Check the feed in parts, then refuse it if too much is wrong."""
    execution = attempt.execution
    share = _share(execution) * execution.random.uniform(0.85, 1.15)
    parts = 3
    for number in range(1, parts + 1):
        yield from attempt.advance(seconds, number / parts)
        checked = attempt.taken // parts
        invalid = round(checked * share)
        execution.tell(
            "pipeline.records.checked",
            stage=attempt.stage.name,
            valid=checked - invalid,
            invalid=invalid,
            rules={rule: round(invalid * part) for rule, part in _RULES.items()},
            completeness=round(1 - share * 0.45, 5),
        )
    if share > 0.03:
        execution.tell(
            "pipeline.warning.raised",
            stage=attempt.stage.name,
            code="invalid_records",
            message=f"{share:.1%} of records invalid, usual are 0.8 %",
        )
    if share > _ALLOWED:
        raise StageFailed(_too_many(share, "gtin_checksum"))


def _parameters(execution: Execution) -> dict[str, object]:
    return {
        "supplier": _supplier(execution),
        "feed": f"products-{execution.due:%Y%m%d%H%M%S}.xml",
        "schema": "feed-v4",
    }


PIPELINES = (
    Pipeline(
        name="product-feed-quality",
        kind="quality",
        owner="catalogue",
        description=(
            "Checks the suppliers' product feeds against schema and business rules before they are published."
        ),
        labels={"team": "catalogue", "tier": "2"},
        stages=chain(
            Stage("download", 1.5, kind="http", items=18_000, cores=0.1, reads=44),
            Stage("parse", 3, items=18_000, keeps=0.9995, cores=1.0, memory=700),
            Stage("validate", 4, kind="rules", items=18_000, keeps=0.98, cores=1.9, act=_validate),
            Stage(
                "publish",
                2,
                kind="kafka",
                items=17_600,
                writes=40,
                makes=(Artifact("quality.html", "s3://feed-quality/{id}.html", "text/html", 0.3),),
            ),
        ),
        schedule=Schedule(every=45, grace=30),
        first=13.0,
        identifier=numbered,
        parameters=_parameters,
    ),
)
