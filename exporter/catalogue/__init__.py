"""Every metric, once: what is exposed, queried by dashboards and alerts, documented and tested comes from here."""

from exporter.catalogue.metric import SCOPE_LABELS, Kind, Metric, Scope
from exporter.catalogue.metrics import CATALOGUE, METRIC_OF_NAME

__all__ = ["CATALOGUE", "METRIC_OF_NAME", "SCOPE_LABELS", "Kind", "Metric", "Scope"]
