"""Samples of a text as Prometheus reads it, put together as rows: one for each set of labels.

A sample's name says what it means, and every program has other names: `job_last_success_unixtime`,
`db_backup_last_success_timestamp_seconds`. So a mapping tells by regular expressions which stand for which field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter.sources.mapping import Samples

Key: TypeAlias = tuple[tuple[str, str], ...]
Row: TypeAlias = dict[str, Any]


def rows(text: str, wanted: Samples) -> Iterator[Row]:
    """Rows of a text in the order of their labels. Raises ValueError.

    A row has the fields that were found, `labels` (those that are not empty), `others` (the same as text to put behind
    something, but for `job`), what named groups of the expressions matched, and `parts`: a row for each value of a
    label that names a part, with its `name`.
    """
    told = wanted.times | wanted.fields
    patterns = [(field, re.compile(pattern)) for field, pattern in told.items()]
    found: dict[Key, Row] = {}
    parts: dict[Key, dict[str, Row]] = {}
    for sample in _samples(text):
        part = next((sample.labels[name] for name in wanted.parts if sample.labels.get(name)), None)
        labels = {k: v for k, v in sorted(sample.labels.items()) if v and k not in wanted.parts}
        for field, pattern in patterns:
            match = pattern.fullmatch(sample.name)
            if match is None or (field in wanted.times and sample.value <= 0):
                continue
            groups = {k: v for k, v in match.groupdict().items() if v}
            key: Key = (*labels.items(), ("", ""), *sorted(groups.items()))
            row = found.setdefault(key, {"labels": labels, "others": _others(labels), **groups})
            if part is not None:
                row = parts.setdefault(key, {}).setdefault(part, {"name": part})
            value = int(sample.value) if sample.value == int(sample.value) else sample.value
            row[field] = max(row.get(field, value), value)
    for key in sorted(found):
        yield found[key] | {"parts": [parts[key][name] for name in sorted(parts.get(key, {}))]}


def _samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if math.isfinite(sample.value):
                yield sample


def _others(labels: dict[str, str]) -> str:
    return "".join(f" {name}={value}" for name, value in labels.items() if name != "job")
