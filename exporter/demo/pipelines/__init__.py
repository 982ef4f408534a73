"""The pipelines of the demo, one family per file."""

from __future__ import annotations

from exporter.demo.pipeline import Pipeline
from exporter.demo.pipelines import (
    cdc,
    documents,
    everyday,
    imaging,
    learning,
    llm,
    nightly,
    quality,
    streaming,
    trouble,
    warehouse,
)

_FAMILIES = (
    everyday,
    trouble,
    imaging,
    documents,
    warehouse,
    cdc,
    streaming,
    llm,
    quality,
    learning,
    nightly,
)


def all_pipelines() -> tuple[Pipeline, ...]:
    """Every pipeline, those that fail or finish first before the rest."""
    return tuple(pipeline for family in _FAMILIES for pipeline in family.PIPELINES)
