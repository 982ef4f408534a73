"""Files that are read whole: what each format makes of one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporter.sources import dbt_results, junit, samples
from exporter.sources.mapping import Read

MOST_BYTES = 16 * 1024 * 1024
"""Size of one document."""


def documents(path: Path, read: Read) -> Iterator[Any]:
    """The documents of a file. Raises OSError, ValueError."""
    told = path.stat()
    if told.st_size > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES} bytes")
    if read.format == "junit":
        yield from junit.suites(path.read_text(encoding="utf-8", errors="replace"))
    elif read.format == "dbt":
        yield dbt_results.document(path)
    elif read.format == "prometheus":
        assert read.samples is not None
        for row in samples.rows(path.read_text(encoding="utf-8", errors="replace"), read.samples):
            yield {**row, "file": path.stem, "changed_at": told.st_mtime}
    else:
        yield json.loads(path.read_text(encoding="utf-8"))
