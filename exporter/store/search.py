"""What an execution can be found by."""

from __future__ import annotations

from exporter.domain.text import first_line
from exporter.store.records import Execution

SEARCH_LENGTH = 500
"""Characters of an execution by which it can be found."""


def search_key(execution: Execution) -> int:
    """Key that sorts as the execution does; the id's last bits keep those of one instant apart."""
    return (execution.sort_at << 10) | (int(execution.id[-3:], 16) & 0x3FF)


def search_text(execution: Execution) -> str:
    """Text that an execution is found by: its names, labels and error."""
    facts = execution.facts
    words = [execution.pipeline, execution.external_id]
    labels = facts.get("labels")
    if labels:
        words += [f"{name}={value}" for name, value in labels.items()]
    for name in ("error", "stage_error"):
        error = facts.get(name)
        if error:
            words += [error.get("type") or "", first_line(error["message"], 150)]
    return " ".join(words).lower()[:SEARCH_LENGTH]
