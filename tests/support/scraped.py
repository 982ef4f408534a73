"""What a scrape says."""

from __future__ import annotations

from collections import Counter

import requests
from prometheus_client.parser import text_string_to_metric_families


def samples(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples by name and sorted labels."""
    text = requests.get(f"{url}/metrics", timeout=30).text
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
