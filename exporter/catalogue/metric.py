"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OTHER = "__other__"
"""Label value that takes what exceeds a cap."""


class Kind(StrEnum):
    """Prometheus metric types that are exposed."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    """Quantiles of what is recent, without sum and count: reads like a gauge, but only here is `quantile` a label."""


class Scope(StrEnum):
    """What a metric is measured on. Each scope adds its labels behind `pipeline` and `environment`."""

    PIPELINE = "pipeline"
    STAGE = "stage"
    EDGE = "edge"
    ERROR = "error"
    STREAM = "stream"
    CHECK = "check"
    RULE = "rule"
    MODEL = "model"
    EXECUTION = "execution"
    EXPORTER = "exporter"


SCOPE_LABELS: dict[Scope, tuple[str, ...]] = {
    Scope.PIPELINE: (),
    Scope.STAGE: ("stage",),
    Scope.EDGE: ("source", "target"),
    Scope.ERROR: ("stage", "category", "error_type"),
    Scope.STREAM: ("stream", "direction"),
    Scope.CHECK: ("stage", "stream"),
    Scope.RULE: ("stage", "stream", "rule"),
    Scope.MODEL: ("stage", "provider", "request_model", "response_model", "operation"),
    Scope.EXECUTION: ("execution_id",),
    Scope.EXPORTER: (),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: name, type, help, unit, labels and buckets.

    `part` is the one label of its own that a metric may have behind its scope's; `seeds` are the values of it that
    show 0 from the first moment, so that the first failure is an increase. `buckets` are upper bounds without +Inf.
    `native` labels replace the scope's where a convention names them otherwise.
    """

    name: str
    kind: Kind
    help: str
    scope: Scope
    part: str | None = None
    seeds: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    extra: tuple[str, ...] = ()
    native: tuple[str, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of exposition."""
        common = () if self.scope is Scope.EXPORTER else ("pipeline", "environment")
        scoped = SCOPE_LABELS[self.scope] if self.native is None else self.native
        return common + scoped + self.extra + ((self.part,) if self.part else ())

    @property
    def family(self) -> str:
        """Name of the OpenMetrics family: a counter's lacks `_total`."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name

    @property
    def lines(self) -> int:
        """Lines of one label set, seeds included."""
        each = len(self.buckets) + 3 if self.kind is Kind.HISTOGRAM else 1
        return each * max(1, len(self.seeds))
