"""Metrics out of the store, for Prometheus and whatever reads its formats."""

from exporter.exposition.collector import Forecasts, StoreCollector
from exporter.exposition.exposition import Answer, Exposition
from exporter.exposition.own import OwnMetrics

__all__ = ["Answer", "Exposition", "Forecasts", "OwnMetrics", "StoreCollector"]
