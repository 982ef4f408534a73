"""Rows and totals, changed together in one transaction; everything else only reads them."""

from exporter.store.store import Store

__all__ = ["Store"]
