"""What a scrape says."""

from __future__ import annotations

from collections import Counter

import requests
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Values by name and sorted labels."""


def samples(url: str) -> Samples:
    """All samples of a server."""
    return parsed(requests.get(f"{url}/metrics", timeout=30).text)


def parsed(text: str) -> Samples:
    """All samples of a text."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def summed(url: str, name: str, by: str) -> Counter[str]:
    """Values of a metric, added up by one label; zeros left out."""
    found: Counter[str] = Counter()
    for (sample, labels), value in samples(url).items():
        if sample == name and value:
            found[dict(labels)[by]] += int(value)
    return found
