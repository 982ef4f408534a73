"""Pieces of the templates that summaries and descriptions are made of."""

from __future__ import annotations

from enum import StrEnum

from exporter.catalogue.metric import Metric
from exporter.catalogue.promql import WrongQuery

NAME = "{{ $labels.pipeline }} ({{ $labels.environment }})"
"""The pipeline, as every summary names it."""
STAGE = "{{ $labels.stage }}"
STREAM = "{{ $labels.stream }} ({{ $labels.direction }})"
CHECK = (
    "{{ if $labels.stream }}{{ $labels.stream }}"
    "{{ else if $labels.stage }}{{ $labels.stage }}{{ else }}records{{ end }}"
)
"""What was checked: a stream, a stage, or just records."""
PROVIDER = "{{ $labels.gen_ai_provider_name }}"


class Form(StrEnum):
    """How a number is written."""

    MOMENT = "humanizeTimestamp"
    LENGTH = "humanizeDuration"
    SHARE = "humanizePercentage"
    NUMBER = "humanize"
    COUNT = 'printf "%.0f"'
    FACTOR = 'printf "%.1f"'
    MONEY = 'printf "%.2f"'


def value(form: Form) -> str:
    """What the alert's expression yields."""
    return f"{{{{ $value | {form} }}}}"


def now(metric: Metric, form: Form, *labels: str, **fixed: str) -> str:
    """A gauge of the alert's pipeline as it stands; `labels` are those that it shares beyond the pipeline's own.

    Raises:
        WrongQuery: for a label that the metric lacks.
    """
    shared = ("job", "pipeline", "environment", *labels)
    for label in {*labels, *fixed} - set(metric.labels):
        raise WrongQuery(f"{metric.name} has no label {label}")
    matchers = [f"{label}=%q" for label in shared] + [f'{label}="{text}"' for label, text in fixed.items()]
    given = " ".join(f"$labels.{label}" for label in shared)
    query = f"max({metric.name}{{{','.join(matchers)}}})"
    return (
        f"{{{{ with printf `{query}` {given} | query }}}}{{{{ . | first | value | {form} }}}}"
        "{{ else }}unknown{{ end }}"
    )
