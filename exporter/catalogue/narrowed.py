"""Queries narrowed to some exporters, for a Prometheus that scrapes several: `job="mine"` in every selector."""

from __future__ import annotations

import re

from exporter.catalogue.foreign import FOREIGN
from exporter.catalogue.metric import Kind
from exporter.catalogue.metrics import CATALOGUE
from exporter.catalogue.recorded import RECORDED

_OTHERS = ("scrape_duration_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total")
"""Series about the exporter's process that dashboards show, and others have as well."""


class BadMatcher(ValueError):
    """What is no matcher of PromQL; says why."""


def _names() -> list[str]:
    found = list(_OTHERS)
    for metric in (*CATALOGUE, *RECORDED, *FOREIGN):
        histogram = metric.kind is Kind.HISTOGRAM
        found += [metric.name + suffix for suffix in (("_bucket", "_sum", "_count") if histogram else ("",))]
    return sorted(set(found), key=len, reverse=True)


_SELECTOR = re.compile(rf"(?<![\w:\"$])({'|'.join(map(re.escape, _names()))})(?![\w:])(\{{)?")
_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^"{},\s]+)\s*')


def matcher(text: str) -> str:
    """A matcher as PromQL writes it, out of `job=mine` or `job=~"a|b"`. Raises BadMatcher."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise BadMatcher(
            f'expected LABEL=VALUE, LABEL!=VALUE, LABEL=~"PATTERN" or LABEL!~"PATTERN", got {text!r}'
        )
    label, operator, value = found.groups()
    return f"{label}{operator}{value if value.startswith(chr(34)) else chr(34) + value + chr(34)}"


def narrowed(query: str, matchers: list[str]) -> str:
    """The query with the matchers in each of its selectors."""
    if not matchers:
        return query
    text = ",".join(matchers)

    def widened(found: re.Match[str]) -> str:
        return f"{found[1]}{{{text}{',' if found[2] else '}'}"

    return _SELECTOR.sub(widened, query)
